/** Several instances that change one table at the same moment. */
import assert from "node:assert/strict";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { openStore } from "../../../lib/store/store.ts";
import { RecordingLog, storeOptions } from "../store/store_fixture.ts";
import { Messages, openWriter, testOnBoth } from "./landing.ts";

const WRITERS = 8;
const ROUNDS = 6;

testOnBoth(
  "flush() of eight instances with new keys and misfits loses no row and no key",
  {},
  async (
    { sql, dsn },
  ) => {
    await using resources = new AsyncDisposableStack();
    const messages = new Messages();
    const writers = await Promise.all(Array.from({ length: WRITERS }, async () => {
      const log = new RecordingLog();
      const store = resources.adopt(
        await openStore(storeOptions(dsn, { log })),
        (opened) => opened.close(5_000),
      );
      return openWriter(store.tables, {}, { log });
    }));
    const buffers = writers.map(() => new RowBuffer());
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(writers.map(async (writer, index) => {
        // A key of its own, one that all have, and one whose type no two agree on.
        const mixed =
          ["1", "0.5", "true", '"x"', "{}", "[1]", "12345678901234567890", "null"][index];
        const delivery = messages.next(
          `[{"writer":${index},"round":${round},"own ${index} ${round}":1,"shared ${round}":"s",` +
            `"mixed ${round}":${mixed}}]`,
        );
        const buffer = buffers[index];
        if (buffer !== undefined) await writer.flush([delivery], buffer, []);
      }));
    }
    const [counts] = await sql`select count(*)::int as rows, count(distinct (writer, round))::int
    as distinct_rows, count("shared 0")::int as shared from t`;
    assert.deepEqual(counts, {
      rows: WRITERS * ROUNDS,
      distinct_rows: WRITERS * ROUNDS,
      shared: WRITERS,
    });
    const columns = await sql`select count(*)::int as count from pg_attribute
    where attrelid = 't'::regclass and attnum > 0 and not attisdropped and attname <> '_overflow'`;
    assert.equal(columns[0]?.["count"], 2 + WRITERS * ROUNDS + 2 * ROUNDS);
    const [rejected] = await sql`select count(*)::int as count from state_tables.rejected`;
    assert.equal(rejected?.["count"], 0);
    for (let round = 0; round < ROUNDS; round++) {
      const [kept] = await sql`select count(*)::int as count from t where round = ${round}
      and coalesce(to_jsonb(${
        sql(`mixed ${round}`)
      }), to_jsonb(t) -> '_overflow' -> ${`mixed ${round}`}) is not null`;
      assert.equal(kept?.["count"], WRITERS - 1, `round ${round}`);
    }
  },
);
