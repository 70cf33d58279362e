/** What the messages of one incarnation of a consumer share. */
import type { StreamOrigin } from "../ingest/delivery.ts";
import type { AckSender } from "./ack_sender.ts";

/** The part of a client that settlements other than acks need. */
export interface SettlementPublisher {
  publish(subject: string, payload: Uint8Array): void;
}

/** See the top of this file. */
export interface MessageSource {
  readonly publisher: SettlementPublisher;
  readonly acks: AckSender;
  readonly origin: StreamOrigin;
  /** Deliveries of one message; Infinity when unlimited. */
  readonly maxDeliver: number;
  /**
   * This incarnation of the consumer is gone, or seems to be: nothing is settled. The one in its place
   * has the same subjects, and nats-server before 2.10.26 goes on behind an acked message that it
   * never delivered (nats-server pull request 6469): what lies before would be skipped.
   */
  isGone: boolean;
}
