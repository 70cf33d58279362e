/**
 * Two that hold the same message at the same time, as a span or as an entry: the later one to commit
 * sees the other, and one of them writes it.
 */
import assert from "node:assert/strict";
import { StoreUnavailableError, TableUnavailableError } from "../../../lib/errors.ts";
import {
  committed,
  describeTable,
  flushOf,
  identity,
  openFixture,
  ORIGIN,
  rejectOf,
} from "./store_fixture.ts";
import {
  closeGate,
  knownOf,
  ledgerOf,
  MANY,
  message,
  messagesFrom,
  numbers,
  ONE,
  openKnowing,
  openOther,
  rowsOf,
  server,
  tableOf,
  type TestMessage,
  waitForWaiting,
  writeSpans,
} from "./span_fixture.ts";

/** What is written, how, what another commits meanwhile, and the spans that are there then. */
const COMMITTED_MEANWHILE = [
  ["an entry", [message(700)], {}, "a span", messagesFrom(501), 6],
  ["a span", messagesFrom(501), {}, "an entry", [message(700)], 3],
  ["a span", messagesFrom(501), {}, "another span", messagesFrom(700), 6],
  // None of these spans begins with the same message as one of the others: the index tells nothing.
  [
    "more than goes out with its query",
    messagesFrom(501, 20_000),
    {},
    "a span of others, too",
    messagesFrom(20_101, 300),
    5,
  ],
  [
    "what goes step by step",
    [message(700)],
    { rejects: [rejectOf(identity(700), 1)] },
    "a span",
    messagesFrom(501),
    6,
  ],
] as const;

for (const [what, messages, how, noticed, others, spans] of COMMITTED_MEANWHILE) {
  Deno.test(`write() of ${what} notices ${noticed} that was committed meanwhile`, async () => {
    await using fixture = await openFixture(server, ONE);
    const { sql, store } = fixture;
    const table = await writeSpans(fixture);
    const slow = await tableOf(fixture, "slow");
    await using other = await openKnowing(fixture, table);
    const gate = await closeGate(fixture, "slow");
    const writing = store.tables.write(flushOf(slow, messages, how));
    await gate.reached();
    committed(await other.tables.write(flushOf(table, others)));
    assert.equal((await sql`select from state_tables.delivered_span`).length, spans);
    await gate.open();
    const isOfBoth = ({ sequence }: TestMessage): boolean =>
      others.some((one) => one.sequence === sequence);
    const known = messages.flatMap((one, at) => isOfBoth(one) ? [at] : []);
    assert.ok(known.length > 0);
    assert.deepEqual(knownOf(await writing), known);
    const written = MANY + messages.length + others.length - known.length;
    assert.deepEqual(await rowsOf(fixture, "t", "slow"), [written, written]);
  });
}

/** Locks are not waited for long. */
const SHORT_WAIT = { ...ONE, timeouts: { lockMs: 200, statementMs: 30_000 } };

const COMMITTED_TOGETHER = [
  ["a span", messagesFrom(501), "an entry", [message(700)]],
  ["an entry", [message(700)], "a span", messagesFrom(501)],
  ["a span", messagesFrom(501), "a span", messagesFrom(700)],
] as const;

for (const [first, messages, second, others] of COMMITTED_TOGETHER) {
  Deno.test(`write() of ${second} waits for the COMMIT of ${first}, and looks then`, async () => {
    await using fixture = await openFixture(server, ONE);
    const { sql, store } = fixture;
    const table = await writeSpans(fixture);
    const slow = await tableOf(fixture, "slow");
    await using other = await openKnowing(fixture, table);
    const gate = await closeGate(fixture, "slow", "commit");
    const committing = store.tables.write(flushOf(slow, messages));
    await gate.reached();
    const waiting = other.tables.write(flushOf(table, others));
    await waitForWaiting(sql, 2);
    await gate.open();
    assert.deepEqual(knownOf(await committing), []);
    const both = others.filter(({ sequence }) => messages.some((one) => one.sequence === sequence));
    assert.ok(both.length > 0);
    assert.equal(knownOf(await waiting).length, both.length);
    const written = MANY + messages.length + others.length - both.length;
    assert.deepEqual(await rowsOf(fixture, "t", "slow"), [written, written]);
  });
}

Deno.test("write() blames no table for a ledger whose turn does not come", async () => {
  const ways = [
    [messagesFrom(501), {}],
    [[message(700)], {}],
    [[message(700)], { rejects: [rejectOf(identity(700), 1)] }], // step by step
  ] as const;
  for (const [messages, how] of ways) {
    await using fixture = await openFixture(server, SHORT_WAIT);
    const table = await writeSpans(fixture);
    const { sql, store } = fixture;
    await sql.begin(async (holder) => {
      await holder`select pg_advisory_xact_lock(${0x53544143}, id) from state_tables.source`;
      await assert.rejects(
        store.tables.write(flushOf(table, messages, how)),
        (error) =>
          error instanceof StoreUnavailableError && /confirm the ledger/.test(error.message),
      );
    });
    committed(await store.tables.write(flushOf(table, messages, how)));
    const written = MANY + messages.length;
    assert.deepEqual(await rowsOf(fixture, "t"), [written, written]);
  }
});

Deno.test("write() blames the table for what its deferred trigger waits for", async () => {
  await using fixture = await openFixture(server, SHORT_WAIT);
  await writeSpans(fixture);
  const slow = await tableOf(fixture, "slow");
  const gate = await closeGate(fixture, "slow", "commit");
  for (const rejects of [[], [rejectOf(identity(700), 1)]]) {
    await assert.rejects(
      fixture.store.tables.write(flushOf(slow, [message(700)], { rejects })),
      (error) => error instanceof TableUnavailableError && error.kind === "locked",
    );
  }
  await gate.open();
});

Deno.test("write() notices a span that was committed and pruned meanwhile", async () => {
  for (const messages of [messagesFrom(601, 300), [message(700)]]) {
    await using fixture = await openFixture(server, ONE);
    const { store } = fixture;
    const table = await writeSpans(fixture);
    const slow = await tableOf(fixture, "slow");
    await using other = await openKnowing(fixture, table);
    const gate = await closeGate(fixture, "slow");
    const writing = store.tables.write(flushOf(slow, messages));
    await gate.reached();
    committed(await other.tables.write(flushOf(table, messagesFrom(501))));
    // The end of their block.
    await other.pruner.recordFloor({ origin: ORIGIN, sequence: 1_023 });
    while (await other.pruner.prune(ORIGIN, 0));
    assert.deepEqual(await ledgerOf(fixture), [0, 0, 0]);
    await gate.open();
    assert.deepEqual(knownOf(await writing), numbers(0, messages.length));
    assert.deepEqual(await rowsOf(fixture, "t", "slow"), [2 * MANY, 2 * MANY]);
  }
});

Deno.test("write() of spans in three instances at once lands each row once", async () => {
  await using fixture = await openFixture(server, ONE);
  await writeSpans(fixture);
  await using second = await openOther(fixture);
  await using third = await openOther(fixture);
  const table = await describeTable(fixture.store, "t");
  const stores = [fixture.store, second, third];
  for (let round = 0; round < 12; round++) {
    const first = MANY + round * 1_000 + 1;
    const flushes = [
      messagesFrom(first, 700),
      messagesFrom(first + 300, 700),
      messagesFrom(first + 100, 300).filter(({ sequence }) => sequence % 3 === 0),
      messagesFrom(first, 1_000).filter(({ sequence }) => sequence % 500 > 50),
    ];
    await Promise.all(
      flushes.map((messages, at) =>
        stores[(at + round) % 3]?.tables.write(flushOf(table, messages))
      ),
    );
    // What nobody has written yet.
    await fixture.store.tables.write(flushOf(table, messagesFrom(first, 1_000)));
  }
  const written = MANY + 12_000;
  assert.deepEqual(await rowsOf(fixture, "t"), [written, written]);
  const [spans = 0, , messages] = await ledgerOf(fixture);
  assert.ok(spans > 10, `${spans} spans`);
  assert.equal(messages, written);
});
