/**
 * W6: the ways in which programs of this kind write rows, each from payload bytes in memory to
 * committed rows over one connection, without NATS in between: ours, and the statement shapes of the
 * others behind JSON.parse.
 */
import net from "node:net";
import postgres from "postgres";
import { type EncodableDelivery, wholePayload } from "../../../lib/encoder/encodable_delivery.ts";
import { encodeBatch } from "../../../lib/encoder/exact_encoder.ts";
import { FastEncoder } from "../../../lib/encoder/fast_encoder.ts";
import { RowBuffer } from "../../../lib/encoder/row_buffer.ts";
import { readEnvelopeFast } from "../../../lib/ingest/fast_envelope.ts";
import type { ColumnPlan } from "../../../lib/schema/column_plan.ts";
import { COPY_CHUNK_BYTES, copyIn, type CopyQuery } from "../../../lib/store/copy.ts";
import { binaryChunksOf } from "../../../lib/store/row_ranges.ts";
import type { BenchStage } from "../bench_stage.ts";
import { fillStream } from "../filled_stream.ts";
import { startCpuMeter } from "../process_meter.ts";
import { OTHERS_FIGURE } from "../run_figures.ts";
import { copyValue, MIXED, recordJson, type Row } from "../row_shapes.ts";
import {
  assertSameRows,
  type Checksum,
  checksumTables,
  createShapeTable,
} from "../table_checksum.ts";
import type { Variant, Workload } from "../workload.ts";
import { columnPlanOf } from "../shape_plan.ts";

const TABLE = "shapes";
const RECORDS_PER_MESSAGE = 10;
/** Messages that are committed together; 5,000 rows. */
const BATCH_MESSAGES = 500;
/** Of a statement with a parameter for every value PostgreSQL takes 65,535. */
const ROWS_PER_INSERT = 500;
const OURS = "state-tables' encoder, COPY binary";
const ROW_BY_ROW = "INSERT row by row, autocommit";

/** Writes one batch of payloads and commits it. */
type WriteBatch = (sql: postgres.Sql, payloads: readonly Uint8Array[]) => Promise<void>;

const COLUMNS = MIXED.columns.map(({ name }) => `"${name}"`).join(", ");
const OTHERS: Readonly<Record<string, WriteBatch>> = {
  "COPY of JSON.parse": copyParsed,
  "UNNEST arrays": insertUnnest,
  "jsonb_populate_recordset": insertRecordset,
  "multi-row INSERT": insertMany,
};

/** Statement shapes side by side. */
export const W6: Workload = {
  id: "W6",
  title: "statement shapes, from payload bytes to committed rows, 5,000 rows a transaction",
  reaches: [
    { variant: OURS, figure: "rows/s", yardstick: ROW_BY_ROW, bound: "min", value: 25 },
    ...Object.keys(OTHERS).map((yardstick) =>
      ({ variant: OURS, figure: "rows/s", yardstick, bound: "min", value: 1 }) as const
    ),
  ],
  prepare: async (stage, { isQuick }) => {
    const messages = isQuick ? 5_000 : 30_000;
    const stream = await fillStream(stage, {
      name: "W6",
      shape: MIXED,
      messages,
      recordsPerMessage: RECORDS_PER_MESSAGE,
    });
    const few = await fillStream(stage, {
      name: "W6few",
      shape: MIXED,
      messages: BATCH_MESSAGES,
      recordsPerMessage: RECORDS_PER_MESSAGE,
    });
    const plan = columnPlanOf(MIXED);
    if (plan.format !== "binary") throw new TypeError("Cannot send these rows as COPY binary");
    return [
      shapeVariant(stage, {
        name: OURS,
        write: copyEncoded(plan),
        messages,
        expected: stream.checksum,
      }),
      ...Object.entries(OTHERS).map(([name, write]) =>
        shapeVariant(stage, { name, write, messages, expected: stream.checksum })
      ),
      shapeVariant(stage, {
        name: ROW_BY_ROW,
        write: insertEach,
        messages: BATCH_MESSAGES,
        expected: few.checksum,
      }),
    ];
  },
};

function shapeVariant(
  stage: BenchStage,
  { name, write, messages, expected }: {
    readonly name: string;
    readonly write: WriteBatch;
    readonly messages: number;
    readonly expected: Checksum;
  },
): Variant {
  return {
    name,
    measure: async () => {
      const sql = openUndelayed(stage);
      try {
        await createShapeTable(stage.sql, TABLE, MIXED);
        await stage.sql`checkpoint`;
        const payloads = Array.from({ length: messages }, (_, message) => payloadOf(message));
        await sql`select 1`;
        const meter = startCpuMeter({ PostgreSQL: stage.postgres.pid });
        const start = performance.now();
        for (let first = 0; first < messages; first += BATCH_MESSAGES) {
          await write(sql, payloads.slice(first, first + BATCH_MESSAGES));
        }
        const seconds = (performance.now() - start) / 1_000;
        const othersPercent = meter.readOthersPercent();
        assertSameRows(await checksumTables(stage.sql, [TABLE], MIXED), expected, name);
        return {
          "rows/s": messages * RECORDS_PER_MESSAGE / seconds,
          [OTHERS_FIGURE]: othersPercent,
        };
      } finally {
        await sql.end();
        await stage.sql`drop table ${stage.sql(TABLE)}`;
      }
    },
  };
}

/** Without Nagle's delay, which would hold every COPY back by some 87 ms. */
function openUndelayed({ postgres: { host, port, url } }: BenchStage): postgres.Sql {
  const options = {
    max: 1,
    onnotice: () => {},
    socket: () =>
      new Promise((resolve, reject) => {
        const socket = net.connect({ host, port, noDelay: true });
        socket.once("connect", () => resolve(socket));
        socket.once("error", reject);
      }),
  };
  return postgres(url(), options);
}

function payloadOf(message: number): Uint8Array {
  const first = message * RECORDS_PER_MESSAGE;
  const records = Array.from(
    { length: RECORDS_PER_MESSAGE },
    (_, i) => recordJson(MIXED, first + i),
  );
  return new TextEncoder().encode(
    `{"type":"query_state","route_id":"route","query_state":[${records}]}`,
  );
}

function copyEncoded(plan: ColumnPlan): WriteBatch {
  const buffer = new RowBuffer();
  const fast = new FastEncoder();
  return async (sql, payloads) => {
    const deliveries = payloads.map((payload): EncodableDelivery => {
      const message = wholePayload(payload);
      const envelope = readEnvelopeFast(fast, message);
      if (envelope.kind === "bad") throw new Error(envelope.reason);
      return { ...envelope, ...message, receivedAtMs: 0 };
    });
    const { rows } = encodeBatch(plan, deliveries, buffer, { fast });
    const range = { from: 0, to: rows.count };
    await copyIn(openCopy(sql, " with (format binary)"), binaryChunksOf(rows, [range]));
  };
}

async function copyParsed(sql: postgres.Sql, payloads: readonly Uint8Array[]): Promise<void> {
  const lines = rowsOf(payloads).map((row) =>
    MIXED.columns.map(({ name }) => copyValue(row[name])).join("\t") + "\n"
  );
  await copyIn(openCopy(sql), chunksOf(new TextEncoder().encode(lines.join(""))));
}

function openCopy(sql: postgres.Sql, options = ""): CopyQuery {
  return sql.unsafe(`copy ${TABLE} (${COLUMNS}) from stdin${options}`) as unknown as CopyQuery;
}

function* chunksOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += COPY_CHUNK_BYTES) {
    yield bytes.subarray(at, at + COPY_CHUNK_BYTES);
  }
}

async function insertUnnest(sql: postgres.Sql, payloads: readonly Uint8Array[]): Promise<void> {
  const rows = rowsOf(payloads);
  const arrays = MIXED.columns.map(({ name }) => rows.map((row) => textOf(row[name])));
  const casts = MIXED.columns.map(({ type }, i) => `$${i + 1}::text[]::${type}[]`);
  const insert = `insert into ${TABLE} (${COLUMNS}) select * from unnest(${casts})`;
  await sql.unsafe(insert, arrays, { prepare: true });
}

async function insertRecordset(sql: postgres.Sql, payloads: readonly Uint8Array[]): Promise<void> {
  await sql.unsafe(
    `insert into ${TABLE} (${COLUMNS})
    select * from jsonb_populate_recordset(null::${TABLE}, $1::text::jsonb)`,
    [JSON.stringify(rowsOf(payloads))],
    { prepare: true },
  );
}

async function insertMany(sql: postgres.Sql, payloads: readonly Uint8Array[]): Promise<void> {
  const rows = rowsOf(payloads);
  await sql.begin(async (transaction) => {
    for (let first = 0; first < rows.length; first += ROWS_PER_INSERT) {
      const some = rows.slice(first, first + ROWS_PER_INSERT);
      await transaction.unsafe(insertText(some.length), some.flatMap(valuesOf), { prepare: true });
    }
  });
}

async function insertEach(sql: postgres.Sql, payloads: readonly Uint8Array[]): Promise<void> {
  const insert = insertText(1);
  for (const row of rowsOf(payloads)) await sql.unsafe(insert, valuesOf(row), { prepare: true });
}

function insertText(rows: number): string {
  const width = MIXED.columns.length;
  const groups = Array.from({ length: rows }, (_, row) => {
    const places = MIXED.columns.map(({ type }, i) => `$${row * width + i + 1}::text::${type}`);
    return `(${places})`;
  });
  return `insert into ${TABLE} (${COLUMNS}) values ${groups}`;
}

function rowsOf(payloads: readonly Uint8Array[]): Row[] {
  const decoder = new TextDecoder();
  return payloads.flatMap((payload) =>
    (JSON.parse(decoder.decode(payload)) as { query_state: Row[] }).query_state
  );
}

function valuesOf(row: Row): string[] {
  return MIXED.columns.map(({ name }) => textOf(row[name]));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
