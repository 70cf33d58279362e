/**
 * What a server's status message says about a pull request. Pure: code, description and headers in,
 * one of four meanings out. The codes are ADR-37's; their use was tried on 2.9, 2.10 and 2.15.
 */

/** A status message's parts. */
export interface StatusParts {
  /** 100, 404, 408, 409, 503. */
  readonly code: number;
  readonly description: string;
  /** `Nats-Pending-Messages`; empty when absent. */
  readonly pendingMessages: string;
}

/** What it means for the request it answers. */
export type PullStatus =
  /** The server is there and has nothing. */
  | { readonly kind: "heartbeat" }
  /** The request is over; so many of its messages will not come; null when the server did not say. */
  | {
    readonly kind: "ended";
    readonly messagesLeft: number | null;
    /** It ended because the next message was larger than the bytes it had left. */
    readonly isOversized: boolean;
  }
  /** The server did not take the request: a limit of the consumer. Ask again later. */
  | { readonly kind: "refused" }
  /** The consumer, its leader or its server is gone: look what is there. */
  | { readonly kind: "lost" };

/** Interprets a status message. What is unknown counts as `lost`: the consumer is looked up. */
export function readPullStatus({ code, description, pendingMessages }: StatusParts): PullStatus {
  const text = description.toLowerCase();
  switch (code) {
    case 100: // idle heartbeat
      return { kind: "heartbeat" };
    case 404: // no messages
    case 408: // the request's time ran out
      return ended(pendingMessages, false);
    case 409:
      if (text.includes("exceeds maxbytes")) return ended(pendingMessages, true);
      if (text.includes("batch completed")) return ended(pendingMessages, false);
      // MaxWaiting, MaxRequestBatch, MaxRequestExpires, MaxRequestMaxBytes
      if (text.includes("exceeded max")) return { kind: "refused" };
      // Consumer Deleted, Consumer is push based, Leadership Change, Server Shutdown
      return { kind: "lost" };
    default: // 503 no responders, 400 bad request, 423 wrong pin
      return { kind: "lost" };
  }
}

function ended(pendingMessages: string, isOversized: boolean): PullStatus {
  const messagesLeft = /^\d+$/.test(pendingMessages) ? Number(pendingMessages) : null;
  return { kind: "ended", messagesLeft, isOversized };
}
