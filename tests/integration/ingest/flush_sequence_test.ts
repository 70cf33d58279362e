/**
 * A batch writer with two flushes under way on a real server: the second writes behind the first or
 * not at all, whatever becomes of that one.
 */
import assert from "node:assert/strict";
import type postgres from "postgres";
import { BatchWriter } from "../../../lib/ingest/batch_writer.ts";
import { Counters } from "../../../lib/ingest/counters.ts";
import type { Delivery } from "../../../lib/ingest/delivery.ts";
import { FlowControl } from "../../../lib/ingest/flow_control.ts";
import { sharedPostgres, waitFor } from "../../support/servers.ts";
import { Messages } from "../schema/landing.ts";
import { openFixture, type StoreFixture } from "../store/store_fixture.ts";
import { writerContext } from "./writer_context_fixture.ts";

const server = await sharedPostgres();

/** Its commits wait for the advisory lock 42 when they hold the row 1. */
const SLOW_TABLE = `create table p (id bigint);
  create function wait() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock_shared(42); return null; end $$;
  create constraint trigger wait after insert on p deferrable initially deferred
    for each row when (new.id = 1) execute function wait()`;

const PROPERTIES = { tableName: "", batchSize: 1, includeTimestamp: false };

interface WriterFixture extends AsyncDisposable {
  readonly sql: postgres.Sql;
  readonly store: StoreFixture;
  readonly writer: BatchWriter;
  /** Ids of the messages that were acked, in this order. */
  readonly acks: number[];
  readonly counters: Counters;
  /** @param spaces that the message has besides */
  add(id: number, spaces?: number): void;
  /** The same message as the first one. */
  addFirstAgain(): void;
  /** Ids in the order of their transactions, then as they were written. */
  ids(): Promise<number[]>;
}

/** Nothing is due by itself. */
const PATIENT = { ...PROPERTIES, batchSize: 1_000, batchWindowTTL: 3_600 };

async function setup(
  options: {
    readonly turnsMax?: number;
    readonly properties?: typeof PROPERTIES;
    readonly flow?: FlowControl;
  } = {},
): Promise<WriterFixture> {
  const store = await openFixture(server);
  await store.sql.unsafe(SLOW_TABLE);
  const stopped = new AbortController();
  const background = new Set<Promise<void>>();
  const context = writerContext(store, {
    turnsMax: options.turnsMax ?? 4,
    stopped: stopped.signal,
    track: (work) => background.add(work),
    ...(options.flow === undefined ? {} : { flow: options.flow }),
  });
  const writer = new BatchWriter("p", options.properties ?? PROPERTIES, context);
  const acks: number[] = [];
  const messages = new Messages();
  return {
    sql: store.sql,
    store,
    writer,
    acks,
    counters: context.counters,
    add: (id, spaces = 0) =>
      writer.add(ackedInto(acks, id, messages.next(`{"id":${id}${" ".repeat(spaces)}}`))),
    addFirstAgain: () => writer.add(ackedInto(acks, 1, new Messages().next('{"id":1}'))),
    ids: async () =>
      (await store.sql`select id::int from p order by xmin::text::bigint, ctid`)
        .map(({ id }) => id),
    async [Symbol.asyncDispose](): Promise<void> {
      stopped.abort(new Error("The test is over"));
      await writer.idle();
      await Promise.all(background);
      await store[Symbol.asyncDispose]();
    },
  };
}

function ackedInto(acks: number[], id: number, delivery: Delivery): Delivery {
  return { ...delivery, message: { ...delivery.message, ack: () => acks.push(id) } };
}

/** Runs `work` while commits of the row 1 wait. */
async function whileCommitWaits(
  { sql }: WriterFixture,
  work: () => Promise<void>,
): Promise<void> {
  await sql.begin(async (holder) => {
    await holder`select pg_advisory_xact_lock(42)`;
    await work();
  });
}

/** The backend that waits for this event in a statement of its own. */
async function waitingFor({ sql }: WriterFixture, event: string): Promise<number> {
  return await waitFor(
    async () => {
      const [row] = await sql`select pid from pg_stat_activity
        where datname = current_database() and state = 'active' and wait_event = ${event}`;
      return row?.pid;
    },
    { what: `a backend that waits for ${event}` },
  );
}

Deno.test("BatchWriter prepares a flush while the one before commits, and writes it behind", async () => {
  await using fixture = await setup();
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    await waitingFor(fixture, "advisory");
    fixture.add(2);
    await waitingFor(fixture, "ClientRead");
    fixture.add(3);
    assert.deepEqual(await fixture.ids(), []);
    assert.equal(fixture.writer.waitingMessages, 1);
  });
  await waitFor(() => fixture.acks.length === 3, { what: "all acks" });
  assert.deepEqual(fixture.acks, [1, 2, 3]);
  assert.deepEqual(await fixture.ids(), [1, 2, 3]);
});

Deno.test("BatchWriter calls a flush off when the one before fails, and writes both in order", async () => {
  await using fixture = await setup();
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    const pid = await waitingFor(fixture, "advisory");
    fixture.add(2);
    await waitingFor(fixture, "ClientRead");
    await fixture.sql`select pg_terminate_backend(${pid}, 5000)`;
    await waitFor(async () => await waitingFor(fixture, "advisory") !== pid, {
      what: "the second try",
    });
    assert.deepEqual(await fixture.ids(), []);
  });
  await waitFor(() => fixture.acks.length === 2, { what: "all acks" });
  assert.deepEqual(fixture.acks, [1, 2]);
  assert.deepEqual(await fixture.ids(), [1, 2]);
});

/** Waits until a flush has what waits: mostly before it has sent anything, so the next is behind it. */
async function untilTaken(writer: BatchWriter): Promise<void> {
  for (let step = 0; writer.waitingMessages > 0 && step < 100; step++) await Promise.resolve();
  await waitFor(() => writer.waitingMessages === 0, { what: "a flush to begin" });
}

// What was called off was taken for a mistake, as nothing was before it any more.
Deno.test("BatchWriter writes what was called off behind a flush of known messages", async () => {
  await using fixture = await setup();
  const { writer, acks } = fixture;
  fixture.add(1);
  await waitFor(() => acks.length === 1, { what: "the first ack" });
  for (let id = 2; id < 50; id++) {
    fixture.addFirstAgain();
    await untilTaken(writer);
    fixture.add(id);
    await waitFor(() => acks.length === 2 * id - 1, { what: `the ack of ${id}` });
  }
  assert.deepEqual(await fixture.ids(), Array.from({ length: 49 }, (_, i) => i + 1));
});

Deno.test("BatchWriter writes what was called off behind a flush with a refused row", async () => {
  await using fixture = await setup();
  const { sql, writer, acks } = fixture;
  await sql`alter table p add check (id > 0)`;
  for (let id = 2; id < 20; id++) {
    fixture.add(-id);
    await untilTaken(writer);
    fixture.add(id);
    await waitFor(() => acks.at(-1) === id, { what: `the ack of ${id}` });
  }
  assert.deepEqual(await fixture.ids(), Array.from({ length: 18 }, (_, i) => i + 2));
  assert.deepEqual(acks, Array.from({ length: 18 }, (_, i) => [-i - 2, i + 2]).flat());
});

Deno.test("BatchWriter begins no second flush when no turn is to spare", async () => {
  await using fixture = await setup({ turnsMax: 2 });
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    await waitingFor(fixture, "advisory");
    fixture.add(2);
    assert.equal(fixture.writer.waitingMessages, 1);
  });
  await waitFor(() => fixture.acks.length === 2, { what: "all acks" });
  assert.deepEqual(await fixture.ids(), [1, 2]);
});

Deno.test("BatchWriter begins no smaller flush behind a large one", async () => {
  await using fixture = await setup({ properties: { ...PROPERTIES, batchSize: 300 } });
  const { writer, acks } = fixture;
  for (let id = 1; id <= 300; id++) fixture.add(id);
  // Due at once from here on.
  writer.configure(PROPERTIES);
  await whileCommitWaits(fixture, async () => {
    await waitingFor(fixture, "advisory");
    for (let id = 301; id < 600; id++) fixture.add(id);
    // Some time for what must not begin.
    await waitingFor(fixture, "advisory");
    assert.equal(writer.waitingMessages, 299);
    fixture.add(600);
    await waitFor(() => writer.waitingMessages === 0, { what: "the flush behind it" });
  });
  await waitFor(() => acks.length === 600, { what: "all acks" });
  assert.deepEqual(await fixture.ids(), Array.from({ length: 600 }, (_, i) => i + 1));
});

Deno.test("BatchWriter writes what is too little to go behind a large flush, when that is over", async () => {
  await using fixture = await setup({ properties: { ...PROPERTIES, batchSize: 300 } });
  for (let id = 1; id <= 300; id++) fixture.add(id);
  fixture.writer.configure(PROPERTIES);
  await whileCommitWaits(fixture, async () => {
    await waitingFor(fixture, "advisory");
    fixture.add(301);
  });
  await waitFor(() => fixture.acks.length === 301, { what: "all acks" });
  assert.equal(fixture.acks.at(-1), 301);
});

const MEBIBYTE = 1024 * 1024;

/** A tenth of what is held at most may wait behind a flush. */
function recordedFlow(
  heldBytesMax = 10 * MEBIBYTE,
): { readonly flow: FlowControl; readonly calls: string[] } {
  const calls: string[] = [];
  const flow = new FlowControl({ heldBytesMax, ackPendingMax: Infinity }, {
    canPause: true,
    pause: () => calls.push("pause"),
    resume: () => calls.push("resume"),
  }, () => {});
  return { flow, calls };
}

Deno.test("BatchWriter has the source pause while much waits behind a quick flush", async () => {
  const { flow, calls } = recordedFlow();
  await using fixture = await setup({ turnsMax: 2, flow });
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    await waitingFor(fixture, "advisory");
    fixture.add(2, MEBIBYTE / 2);
    assert.deepEqual(calls, []);
    fixture.add(3, MEBIBYTE / 2);
    assert.deepEqual(calls, ["pause"]);
  });
  await waitFor(() => fixture.acks.length === 3, { what: "all acks" });
  assert.deepEqual(calls, ["pause", "resume"]);
});

Deno.test("BatchWriter stops the source for no table that is locked or slow", async () => {
  const { flow, calls } = recordedFlow();
  await using fixture = await setup({ turnsMax: 2, flow });
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    await waitingFor(fixture, "advisory");
    fixture.add(2, MEBIBYTE);
    assert.deepEqual(calls, ["pause"]);
    fixture.writer.poke(performance.now() + 500);
    assert.deepEqual(calls, ["pause", "resume"]);
  });
  await waitFor(() => fixture.acks.length === 2, { what: "all acks" });
});

Deno.test("BatchWriter lets what waits for its window wait, however much it is", async () => {
  const { flow, calls } = recordedFlow(5 * MEBIBYTE);
  await using fixture = await setup({ properties: PATIENT, turnsMax: 2, flow });
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    fixture.writer.force("pressure");
    await waitingFor(fixture, "advisory");
    fixture.add(2, 900_000);
    fixture.add(3, 50_000);
    assert.deepEqual(calls, []);
  });
  fixture.writer.force("stop");
  await waitFor(() => fixture.acks.length === 3, { what: "all acks" });
});

Deno.test("BatchWriter writes to the old table what waits behind a commit when the settings change", async () => {
  await using fixture = await setup();
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    await waitingFor(fixture, "advisory");
    fixture.add(2);
    await waitingFor(fixture, "ClientRead");
    fixture.writer.configure({ ...PROPERTIES, tableName: "new" });
    fixture.add(3);
  });
  await waitFor(() => fixture.acks.length === 3, { what: "all acks" });
  assert.deepEqual(fixture.acks, [1, 2, 3]);
  assert.deepEqual(await fixture.ids(), [1, 2]);
});

// The batch that the flush had emptied was left behind with its settings; what came back to it stayed.
Deno.test("BatchWriter writes again what a failed flush held though the settings changed", async () => {
  await using fixture = await setup();
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    const pid = await waitingFor(fixture, "advisory");
    fixture.writer.configure({ ...PROPERTIES, tableName: "new" });
    await fixture.sql`select pg_terminate_backend(${pid}, 5000)`;
  });
  await waitFor(() => fixture.acks.length === 1, { what: "the ack" });
  assert.deepEqual(await fixture.ids(), [1]);
});

Deno.test("extend() reaches the messages of both flushes under way", async () => {
  await using fixture = await setup();
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    await waitingFor(fixture, "advisory");
    fixture.add(2);
    await waitingFor(fixture, "ClientRead");
    fixture.writer.extend(Infinity);
  });
  await waitFor(() => fixture.acks.length === 2, { what: "all acks" });
  assert.equal(fixture.counters.extensions, 2);
});

// It flushed whatever came during a flush under pressure, again and again, a few rows at a time.
Deno.test("force() under pressure flushes what waits, and not what comes behind it", async () => {
  await using fixture = await setup({ properties: PATIENT });
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    fixture.writer.force("pressure");
    await waitingFor(fixture, "advisory");
    fixture.add(2);
  });
  await fixture.writer.idle();
  assert.deepEqual(await fixture.ids(), [1]);
  assert.equal(fixture.writer.waitingMessages, 1);
  fixture.writer.force("pressure");
  await fixture.writer.idle();
  assert.deepEqual(await fixture.ids(), [1, 2]);
});

Deno.test("BatchWriter writes again what a flush under pressure failed to write", async () => {
  await using fixture = await setup({ properties: PATIENT });
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    fixture.writer.force("pressure");
    const pid = await waitingFor(fixture, "advisory");
    await fixture.sql`select pg_terminate_backend(${pid}, 5000)`;
  });
  await waitFor(() => fixture.acks.length === 1, { what: "the ack" });
  assert.deepEqual(await fixture.ids(), [1]);
});

Deno.test("BatchWriter writes everything at a stop though pressure comes behind it", async () => {
  await using fixture = await setup({ properties: PATIENT });
  await whileCommitWaits(fixture, async () => {
    fixture.add(1);
    fixture.writer.force("stop");
    fixture.writer.force("pressure");
    await waitingFor(fixture, "advisory");
    fixture.add(2);
  });
  await fixture.writer.idle();
  assert.deepEqual(await fixture.ids(), [1, 2]);
});
