/**
 * What the sources of this adapter offer beyond the core's port.
 */
import type { IncomingMessage } from "../ingest/delivery.ts";
import type { Source } from "../ingest/ports.ts";
import type { StreamLimits } from "../ingest/start_advice.ts";
import type { Log } from "../log.ts";
import { ConsumerGoneError } from "./attachment.ts";

/** A source that can say what is wrong with it. */
export interface NatsSource extends Source {
  /**
   * A sentence that says why nothing comes and what to do; null when all is well. Asks the server.
   */
  health(): Promise<string | null>;
  /** Another program made the consumer, and may delete it when it stops. */
  readonly isShared: boolean;
  /** What the stream drops by itself; null under core NATS. */
  readonly streamLimits: StreamLimits | null;
}

/** Wait before a message comes again whose hand-over failed, in milliseconds. */
const FAILED_DELAY_MS = 5_000;

/**
 * Hands one message over. The receiver does not throw; if it does all the same, the message is
 * given back, as an error here would end the client's reading.
 */
export function handOver(
  message: IncomingMessage,
  receive: (message: IncomingMessage) => void,
  log: Log,
): void {
  try {
    receive(message);
  } catch (error) {
    log.error("A message could not be taken over and goes back to the server", {
      error: error instanceof Error ? error.stack : String(error),
    });
    message.nak(FAILED_DELAY_MS);
  }
}

/** Asks about the consumer; an answer that says it is gone goes to `onGone` before it is thrown. */
export async function askConsumer<T>(
  ask: () => Promise<T>,
  onGone: (reason: string) => void,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ConsumerGoneError) onGone(error.message);
    throw error;
  }
}
