/**
 * Where messages come in: reads the envelope, finds the processor, and hands the delivery to its
 * writer. What cannot be a row's message is handed to the reject writer; what must wait for a
 * look-up waits here, in order per key. Called by the source, synchronously, once a message.
 */
import { StoreUnavailableError } from "../errors.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { backoffDelayMs } from "../retry.ts";
import { heldBytes } from "./batch.ts";
import type { Counters } from "./counters.ts";
import {
  type Delivery,
  extendAll,
  type IncomingMessage,
  type Receipt,
  type RecordPlace,
} from "./delivery.ts";
import type { FastEncoder } from "../encoder/fast_encoder.ts";
import { readEnvelopeFast } from "./fast_envelope.ts";
import type { FlowControl } from "./flow_control.ts";
import type { ProcessorKey, ProcessorRecord } from "./processor_catalog.ts";
import { keyName, type ProcessorDirectory } from "./processor_directory.ts";
import type { RejectWriter } from "./reject_writer.ts";
import type { WriterCache } from "./writer_cache.ts";

/** Deliveries after which a route that nobody knows makes its message a reject. */
const UNKNOWN_DELIVERIES_MAX = 5;

/** Wait before a message of an unknown route comes again: doubles each time, in milliseconds. */
const UNKNOWN_DELAY_MS = 1_000;

/** Look-ups of an unknown route under core NATS, which cannot deliver a message again. */
const UNKNOWN_LOOKUPS_MAX = 3;

/** A failing catalog is mentioned again after this long, in milliseconds. */
const REMINDER_MS = 60_000;

/** How long a push source's message stays with the server when memory is full. */
const FULL_DELAY_MS = 1_000;

/** What the intake needs. */
export interface IntakeOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly fastEncoder: FastEncoder;
  readonly flow: FlowControl;
  readonly directory: ProcessorDirectory;
  readonly writers: WriterCache;
  readonly rejects: RejectWriter;
  /** Ends waiting for look-ups. */
  readonly stopped: AbortSignal;
  readonly onBug: (error: unknown) => void;
}

/** A delivery whose processor is being looked up. */
interface Waiting {
  readonly delivery: Delivery;
  readonly key: ProcessorKey;
}

/** The way in. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #waiting = new Map<string, Waiting[]>();
  /** Messages of core NATS whose route is unknown, being looked up again. */
  readonly #askingAgain = new Set<Promise<void>>();
  #remindAtMs = 0;
  /** Times for the messages that come in this synchronous stretch. */
  #receipt: Receipt | null = null;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Takes one message over: it is settled later, or now when it needs nothing. Never throws. */
  readonly accept = (message: IncomingMessage): void => {
    const { counters, flow, fastEncoder } = this.#options;
    counters.messages++;
    if (message.deliveryCount > 1) counters.redelivered++;
    if (flow.mustRefuse) {
      counters.naks++;
      return message.nak(FULL_DELAY_MS);
    }
    const envelope = readEnvelopeFast(fastEncoder, message);
    if (envelope.kind === "bad") {
      const delivery = this.#hold(message, BAD_MESSAGE, envelope.routeId);
      message.detach();
      return this.#options.rejects.add(delivery, null, envelope.reason);
    }
    this.#dispatch(this.#hold(message, envelope, envelope.routeId), envelope);
  };

  /** Restarts `ack_wait` of what waits for a look-up. */
  extend(beforeMs: number): void {
    for (const waiting of this.#waiting.values()) {
      const held = waiting.map(({ delivery }) => delivery);
      this.#options.counters.extensions += extendAll(held, beforeMs);
    }
  }

  /** True while deliveries wait for look-ups. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0 || this.#askingAgain.size > 0;
  }

  /** Gives back what still waits for a look-up; for shutdown. */
  abandon(): void {
    for (const waiting of this.#waiting.values()) {
      for (const { delivery } of waiting) this.#giveBack(delivery, 0);
    }
    this.#waiting.clear();
  }

  #hold(
    message: IncomingMessage,
    records: RecordPlace,
    routeId: string | null,
  ): Delivery {
    const { flow } = this.#options;
    const receipt = this.#receipt ?? this.#lookAtClock();
    const delivery = message.hold(records, routeId, receipt);
    flow.hold(heldBytes(delivery));
    return delivery;
  }

  /** Messages of one synchronous stretch share their times: a look costs as much as a fifth of one. */
  #lookAtClock(): Receipt {
    const { clock } = this.#options;
    // A whole number: others would be an object each wherever they go.
    const heldSinceMs = Math.floor(clock.monotonic());
    const receipt = { receivedAtMs: clock.now(), heldSinceMs };
    this.#receipt = receipt;
    queueMicrotask(() => {
      this.#receipt = null;
    });
    return receipt;
  }

  /** @param envelope is another message's afterwards */
  #dispatch(delivery: Delivery, envelope: ProcessorKey): void {
    const { directory } = this.#options;
    const name = keyName(envelope);
    const queue = this.#waiting.get(name);
    const record = queue === undefined ? directory.peek(envelope, delivery.heldSinceMs) : undefined;
    if (record) return this.#options.writers.writer(record).add(delivery);
    const key = { routeId: envelope.routeId, processorId: envelope.processorId };
    if (record === null) return this.#settleKey(delivery, key, record);
    // Look-ups may take long.
    delivery.message.detach();
    if (queue !== undefined) {
      queue.push({ delivery, key });
      return;
    }
    this.#waiting.set(name, [{ delivery, key }]);
    this.#lookUp(name, key).catch(this.#options.onBug);
  }

  /** Asks until the catalog answers, then lets go everything that waited for this key. */
  async #lookUp(name: string, key: ProcessorKey): Promise<void> {
    const { directory, stopped, counters, clock } = this.#options;
    for (let attempt = 1;; attempt++) {
      try {
        const record = await directory.lookUp(key);
        const waiting = this.#waiting.get(name) ?? [];
        this.#waiting.delete(name);
        for (const { delivery } of waiting) this.#settleKey(delivery, key, record);
        return;
      } catch (error) {
        if (stopped.aborted) return;
        if (!(error instanceof StoreUnavailableError)) throw error;
        counters.storeRetries++;
        this.#logFailure(error);
        await clock.delay(backoffDelayMs(attempt), stopped).catch(() => undefined);
      }
    }
  }

  #logFailure(error: StoreUnavailableError): void {
    const { clock, log } = this.#options;
    if (clock.monotonic() < this.#remindAtMs) return;
    this.#remindAtMs = clock.monotonic() + REMINDER_MS;
    log.warn("Cannot look processors up; holding their messages and trying again", {
      reason: error.message,
      keys: this.#waiting.size,
    });
  }

  #settleKey(delivery: Delivery, key: ProcessorKey, record: ProcessorRecord | null): void {
    if (record !== null) return this.#options.writers.writer(record).add(delivery);
    const { message } = delivery;
    message.detach();
    if (message.identity === null) {
      const asking = this.#askAgain(delivery, key).catch(this.#options.onBug)
        .finally(() => this.#askingAgain.delete(asking));
      this.#askingAgain.add(asking);
      return;
    }
    if (message.deliveryCount >= UNKNOWN_DELIVERIES_MAX || message.isLastDelivery) {
      const reason = unknownReason(key);
      return this.#options.rejects.add(delivery, key.processorId, reason);
    }
    this.#giveBack(delivery, UNKNOWN_DELAY_MS * 2 ** (message.deliveryCount - 1));
  }

  /** Core NATS cannot deliver again: the message is kept here while the catalog may still learn. */
  async #askAgain(delivery: Delivery, key: ProcessorKey): Promise<void> {
    const { clock, directory, stopped, writers, rejects } = this.#options;
    for (let lookups = 1; lookups < UNKNOWN_LOOKUPS_MAX;) {
      try {
        await clock.delay(UNKNOWN_DELAY_MS * 2 ** lookups, stopped);
        const record = await directory.lookUp(key);
        if (record !== null) return writers.writer(record).add(delivery);
        lookups++;
      } catch (error) {
        if (stopped.aborted) return this.#giveBack(delivery, 0);
        if (!(error instanceof StoreUnavailableError)) throw error;
      }
    }
    rejects.add(delivery, key.processorId, unknownReason(key));
  }

  #giveBack(delivery: Delivery, delayMs: number): void {
    this.#options.flow.release(heldBytes(delivery));
    this.#options.counters.naks++;
    delivery.message.nak(delayMs);
  }
}

/** The records of bytes that are no message. */
const BAD_MESSAGE = { recordsStart: 0, recordsEnd: 0, isList: false, recordCount: 0 };

/** Why a message is rejected whose route and processor are in no catalog. */
export function unknownReason({ routeId, processorId }: ProcessorKey): string {
  const route = routeId === null ? "" : `route_id '${routeId}' is not in processor_state`;
  const processor = processorId === null ? "" : `processor_id '${processorId}' is not in processor`;
  const both = [route, processor].filter((part) => part !== "").join(", ");
  return `Cannot find the table of the message as ${both}: add it to the catalog and replay`;
}
