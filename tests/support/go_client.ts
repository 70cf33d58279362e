/**
 * A client that behaves as the Go service does towards stream and tables, for tests of taking over
 * from it and going back: makes a push durable with a deliver group, acks on receipt, writes columns
 * of TEXT, and deletes the durable at its end when it made it (contract §2, §7).
 */
import type postgres from "postgres";
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  type JetStreamManager,
} from "@nats-io/jetstream";
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import { waitFor } from "./servers.ts";

/** What the client is told. */
export interface GoClientOptions {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly sql: postgres.Sql;
  readonly stream: string;
  /** Queue group, and name of the durable. */
  readonly queue: string;
  readonly subject: string;
  /** Table of all messages. */
  readonly table: string;
  /** Where the durable begins; the start of the stream when null. */
  readonly startSequence: number | null;
}

interface Message {
  readonly query_state: readonly Readonly<Record<string, unknown>>[];
}

/** A running client. */
export class GoClient {
  written = 0;
  readonly #options: GoClientOptions;
  readonly #subscription: Subscription;
  #writing: Promise<void> = Promise.resolve();

  private constructor(options: GoClientOptions, subscription: Subscription) {
    this.#options = options;
    this.#subscription = subscription;
  }

  /** Makes the durable and begins to consume. */
  static async start(options: GoClientOptions): Promise<GoClient> {
    const { connection, manager, stream, queue, subject, startSequence } = options;
    const deliverSubject = `_INBOX.go.${queue}`;
    const config: Partial<ConsumerConfig> = {
      durable_name: queue,
      deliver_subject: deliverSubject,
      deliver_group: queue,
      ack_policy: AckPolicy.Explicit,
      filter_subject: subject,
      ...(startSequence === null ? { deliver_policy: DeliverPolicy.All } : {
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: startSequence,
      }),
    };
    const subscription = connection.subscribe(deliverSubject, { queue });
    const client = new GoClient(options, subscription);
    client.#consume();
    await manager.consumers.add(stream, config);
    return client;
  }

  /** Waits until so many records are written. */
  async waitForWritten(count: number): Promise<void> {
    await waitFor(() => this.written >= count, { what: `${count} records of the Go client` });
  }

  /** Sequence up to which everything is acked. */
  async ackFloor(): Promise<number> {
    const { manager, stream, queue } = this.#options;
    return (await manager.consumers.info(stream, queue)).ack_floor.stream_seq;
  }

  /** Stops gracefully; the durable goes with it. */
  async stop(): Promise<void> {
    const { manager, stream, queue } = this.#options;
    await this.#subscription.drain();
    await this.#writing;
    await manager.consumers.delete(stream, queue);
  }

  #consume(): void {
    (async () => {
      for await (const message of this.#subscription) {
        // `defer msg.Ack()`: before anything is written.
        message.respond();
        const { query_state } = message.json<Message>();
        this.#writing = this.#writing.then(() => this.#write(query_state));
      }
    })();
  }

  async #write(records: Message["query_state"]): Promise<void> {
    const { sql, table } = this.#options;
    for (const record of records) {
      const keys = Object.keys(record);
      const columns = keys.map((key) => `"${key}" text`).join(", ");
      await sql.unsafe(`create table if not exists "${table}" (${columns})`);
      const textOf = (value: unknown): string | null => value === null ? null : String(value);
      const texts = Object.fromEntries(keys.map((key) => [key, textOf(record[key])]));
      await sql`insert into ${sql(table)} ${sql(texts, ...keys)}`;
      this.written++;
    }
  }
}
