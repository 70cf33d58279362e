/**
 * Drops single messages of a NATS connection: acks on their way to the server, and the server's
 * confirmations of messages published to given subjects. One {@linkcode NatsDrops} serves all
 * connections of a proxy and counts what was dropped.
 */
import type { LinkFilter, Verdict } from "./fault_proxy.ts";
import { type NatsCommand, NatsSplitter } from "./nats_splitter.ts";
import type { Random } from "./random.ts";

/** What to drop, and what was dropped. */
export class NatsDrops {
  /** Share of the acks that are dropped; naks and extensions pass. */
  ackShare = 0;
  /** Share of the confirmations of {@linkcode confirmedSubject} that are dropped. */
  confirmationShare = 0;
  /** Subject whose confirmations may be dropped. */
  confirmedSubject = "";
  acksDropped = 0;
  acksPassed = 0;
  confirmationsDropped = 0;
  extensionsPassed = 0;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The filter of one connection. */
  filter(): LinkFilter {
    return new NatsFilter(this, this.#random);
  }
}

/** Confirmations awaited at most: replies that never come are forgotten, oldest first. */
const AWAITED_MAX = 10_000;

class NatsFilter implements LinkFilter {
  readonly #drops: NatsDrops;
  readonly #random: Random;
  readonly #fromClient = new NatsSplitter();
  readonly #fromServer = new NatsSplitter();
  /** Reply subjects whose answer is dropped. */
  readonly #unconfirmed = new Set<string>();

  constructor(drops: NatsDrops, random: Random) {
    this.#drops = drops;
    this.#random = random;
  }

  fromClient(chunk: Uint8Array): Verdict {
    const forward = this.#fromClient.push(chunk).filter((command) => this.#passesOut(command));
    return { forward: forward.map(({ bytes }) => bytes), cut: false };
  }

  fromServer(chunk: Uint8Array): Verdict {
    const forward = this.#fromServer.push(chunk).filter((command) => this.#passesIn(command));
    return { forward: forward.map(({ bytes }) => bytes), cut: false };
  }

  #passesOut(command: NatsCommand): boolean {
    const { subject, reply } = command;
    if (subject === null) return true;
    if (subject.startsWith("$JS.ACK.")) return this.#passesSettlement(command);
    const isUnconfirmed = subject === this.#drops.confirmedSubject && reply !== null &&
      this.#random.chance(this.#drops.confirmationShare);
    if (isUnconfirmed && reply !== null) {
      this.#unconfirmed.add(reply);
      const [oldest] = this.#unconfirmed;
      if (this.#unconfirmed.size > AWAITED_MAX && oldest !== undefined) {
        this.#unconfirmed.delete(oldest);
      }
    }
    return true;
  }

  #passesSettlement({ payload }: NatsCommand): boolean {
    if (payload === "+WPI") this.#drops.extensionsPassed++;
    if (payload !== "+ACK" && payload !== "") return true;
    if (this.#random.chance(this.#drops.ackShare)) {
      this.#drops.acksDropped++;
      return false;
    }
    this.#drops.acksPassed++;
    return true;
  }

  #passesIn({ subject }: NatsCommand): boolean {
    if (subject === null || !this.#unconfirmed.delete(subject)) return true;
    this.#drops.confirmationsDropped++;
    return false;
  }
}
