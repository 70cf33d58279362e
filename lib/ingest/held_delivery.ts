/** A delivery beside its message, for messages that do not hold what the intake finds out. */
import type { Delivery, IncomingMessage, Receipt, RecordPlace } from "./delivery.ts";

/** One message waiting. */
export class HeldDelivery implements Delivery {
  readonly message: IncomingMessage;
  readonly routeId: string | null;
  readonly recordsStart: number;
  readonly recordsEnd: number;
  readonly isList: boolean;
  readonly recordCount: number;
  readonly #receipt: Receipt;

  constructor(
    message: IncomingMessage,
    records: RecordPlace,
    routeId: string | null,
    receipt: Receipt,
  ) {
    this.message = message;
    this.routeId = routeId;
    this.recordsStart = records.recordsStart;
    this.recordsEnd = records.recordsEnd;
    this.isList = records.isList;
    this.recordCount = records.recordCount;
    this.#receipt = receipt;
  }

  get bytes(): Uint8Array {
    return this.message.bytes;
  }

  get payloadStart(): number {
    return this.message.payloadStart;
  }

  get payloadEnd(): number {
    return this.message.payloadEnd;
  }

  get payload(): Uint8Array {
    return this.message.payload;
  }

  get receivedAtMs(): number {
    return this.#receipt.receivedAtMs;
  }

  get heldSinceMs(): number {
    return this.#receipt.heldSinceMs;
  }
}
