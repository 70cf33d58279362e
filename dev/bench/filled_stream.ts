/**
 * Streams full of messages, and beside each the same rows as a file for `\copy`. Both are made once a
 * bench and read by every run: a run makes a consumer anew and leaves the messages where they are.
 */
import { join } from "node:path";
import { RetentionPolicy, StorageType } from "@nats-io/jetstream";
import type { BenchStage } from "./bench_stage.ts";
import { copyLine, recordJson, type RowShape } from "./row_shapes.ts";
import { type Checksum, checksumTables, createShapeTable } from "./table_checksum.ts";
import { copyFile } from "./copy_yardstick.ts";

/** What a stream holds. */
export interface StreamContent {
  /** Also the stream's name. */
  readonly name: string;
  readonly shape: RowShape;
  readonly messages: number;
  readonly recordsPerMessage: number;
  /** Processors that the messages are spread over, at random but evenly; 1 when absent. */
  readonly processors?: number;
}

/** A stream that is ready to be read. */
export interface FilledStream {
  readonly content: StreamContent;
  readonly subject: string;
  readonly rows: number;
  /** The same rows in COPY text format. */
  readonly copyFile: string;
  /** What any table or set of tables with these rows gives. */
  readonly checksum: Checksum;
}

/** Messages published and not confirmed yet, at most: the server drops what it cannot buffer. */
const UNCONFIRMED_MAX = 2_000;
const FILE_CHUNK_CHARACTERS = 1 << 20;
/** A prime that no number of messages here is a multiple of. */
const STRIDE = 7_919;

/** The route of processor number `index`. */
export function routeOf(index: number): string {
  return `bench-state-${index}:bench-processor-${index}`;
}

/** Fills the stream, or returns it when another workload of this bench has done so. */
export function fillStream(stage: BenchStage, content: StreamContent): Promise<FilledStream> {
  const known = stage.streams.get(content.name);
  if (known !== undefined) return known;
  const filling = fill(stage, content);
  stage.streams.set(content.name, filling);
  return filling;
}

async function fill(stage: BenchStage, content: StreamContent): Promise<FilledStream> {
  const subject = `bench.${content.name}`;
  await stage.manager.streams.add({
    name: content.name,
    subjects: [subject],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
  });
  await publishAll(stage, subject, content);
  const { state } = await stage.manager.streams.info(content.name);
  if (state.messages !== content.messages) {
    throw new Error(`Cannot fill ${content.name}: ${state.messages} of ${content.messages} stored`);
  }
  const rows = content.messages * content.recordsPerMessage;
  return { content, subject, rows, ...await makeReference(stage, content, rows) };
}

/** Writes the first rows of a shape as a file for `\copy`, and loads it once for their checksum. */
export async function makeReference(
  stage: BenchStage,
  { name, shape }: Pick<StreamContent, "name" | "shape">,
  rows: number,
): Promise<Pick<FilledStream, "copyFile" | "checksum">> {
  const file = join(stage.folder, `${name}.copy`);
  await writeCopyFile(file, shape, rows);
  const table = `reference_${name}`;
  await createShapeTable(stage.sql, table, shape);
  try {
    await copyFile(stage, { file, table, shape });
    const checksum = await checksumTables(stage.sql, [table], shape);
    if (checksum.rows !== rows) throw new Error(`Cannot trust ${file}: ${checksum.rows} rows`);
    return { copyFile: file, checksum };
  } finally {
    await stage.sql`drop table ${stage.sql(table)}`;
  }
}

async function publishAll(
  { connection }: BenchStage,
  subject: string,
  content: StreamContent,
): Promise<void> {
  const { messages, recordsPerMessage, shape, processors = 1 } = content;
  const inbox = `_INBOX.bench.${crypto.randomUUID()}`;
  let confirmed = 0;
  let wake = Promise.withResolvers<void>();
  const subscription = connection.subscribe(inbox, {
    callback: () => {
      confirmed++;
      wake.resolve();
    },
  });
  for (let message = 0; message < messages; message++) {
    const first = message * recordsPerMessage;
    const records = Array.from(
      { length: recordsPerMessage },
      (_, i) => recordJson(shape, first + i),
    );
    // Walking with a stride mixes the processors and gives each the same number.
    const route = routeOf((message * STRIDE) % processors);
    const payload = `{"type":"query_state","route_id":"${route}","query_state":[${records}]}`;
    connection.publish(subject, payload, { reply: inbox });
    while (message + 1 - confirmed >= UNCONFIRMED_MAX) {
      await wake.promise;
      wake = Promise.withResolvers<void>();
    }
  }
  while (confirmed < messages) {
    await wake.promise;
    wake = Promise.withResolvers<void>();
  }
  subscription.unsubscribe();
}

async function writeCopyFile(path: string, shape: RowShape, rows: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const writer = file.writable.getWriter();
  const encoder = new TextEncoder();
  let chunk = "";
  for (let number = 0; number < rows; number++) {
    chunk += copyLine(shape, number);
    if (chunk.length < FILE_CHUNK_CHARACTERS && number < rows - 1) continue;
    await writer.write(encoder.encode(chunk));
    chunk = "";
  }
  await writer.close();
}
