/**
 * What the demo publishes: three processors of a small workflow and the route messages that they
 * would receive, made from a seed so that every run shows the same. Text, scores, nested objects, a
 * column that appears late, and a few rows and messages that cannot land.
 */

/** A processor of the demo's catalog. */
export interface DemoProcessor {
  readonly processorId: string;
  readonly title: string;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly routeIds: readonly string[];
}

/** One message to publish. */
export interface DemoMessage {
  readonly payload: Uint8Array;
  /** Records in it; 0 for bytes that are no message. */
  readonly records: number;
}

/** The three processors. */
export const DEMO_PROCESSORS: readonly DemoProcessor[] = [
  {
    processorId: "0a61c2f4-5a0e-4a3c-9d5e-6f1f0c6b7a01",
    title: "answers of a language model",
    properties: { tableName: "answers", batchSize: 500, batchWindowTTL: 1 },
    routeIds: ["5f0c9a1e-answers-a", "5f0c9a1e-answers-b"],
  },
  {
    processorId: "1b72d3e5-6b1f-4b4d-8e6f-7a2a1d7c8b02",
    title: "ratings of the answers",
    properties: {
      tableName: "ratings",
      batchSize: 200,
      batchWindowTTL: 1,
      indexColumns: ["run_id"],
    },
    routeIds: ["6a1d0b2f-ratings"],
  },
  {
    processorId: "2c83e4d6-7c2a-4c5e-9f7a-8b3b2e8d9c03",
    title: "invoices, written at once",
    properties: { tableName: "invoices", batchSize: 1, batchWindowTTL: 0 },
    routeIds: ["7b2e1c3a-invoices"],
  },
];

const TOPICS = ["tide tables", "grid load", "crop yield", "port traffic", "air quality"];
const WORDS = "the model finds that demand rises before storms and falls after harvest".split(" ");
const MODELS = ["small-7b", "large-70b", "mixture-8x22b"];

/** Messages in order; `count` good ones and a few bad ones between them. */
export function* demoMessages(count: number, seed = 20261124): Generator<DemoMessage> {
  const random = randomOf(seed);
  for (let index = 0; index < count; index++) {
    const share = index / count;
    const kind = index % 10;
    if (kind < 6) yield answers(index, share, random);
    else if (kind < 9) yield ratings(index, random);
    else yield invoices(index, random);
    if (index === Math.floor(count / 3)) {
      yield { payload: text('{"route_id": "5f0c9a'), records: 0 };
    }
    if (index === Math.floor(count / 2)) yield message("6a1d0b2f-ratings", null);
  }
}

function answers(index: number, share: number, random: () => number): DemoMessage {
  const records = Array.from({ length: 1 + Math.floor(random() * 9) }, (_, row) => ({
    question: `What drives ${pick(TOPICS, random)}?`,
    answer: sentence(random),
    model: pick(MODELS, random),
    score: Math.round(random() * 1000) / 1000,
    tokens: { prompt: Math.floor(random() * 900), completion: Math.floor(random() * 400) },
    run_id: `run-${Math.floor(index / 100)}`,
    run_created_at: new Date(Date.UTC(2026, 10, 24, 8) + index * 1000).toISOString(),
    // A column that appears late.
    ...(share > 0.6 ? { reviewer: pick(["ada", "grace", "linus"], random) } : {}),
    // Text with everything COPY has to escape.
    ...(index % 400 === 0 && row === 0 ? { answer: "tab\there, line\nthere, back\\slash" } : {}),
  }));
  return message(index % 2 === 0 ? "5f0c9a1e-answers-a" : "5f0c9a1e-answers-b", records);
}

function ratings(index: number, random: () => number): DemoMessage {
  const records: unknown[] = Array.from({ length: 1 + Math.floor(random() * 4) }, () => ({
    run_id: `run-${Math.floor(index / 100)}`,
    stars: 1 + Math.floor(random() * 5),
    useful: random() < 0.7,
    tags: random() < 0.5 ? ["clear"] : ["long", "vague"],
  }));
  if (index % 2000 === 606) records.push("this record is no object");
  return message("6a1d0b2f-ratings", records);
}

function invoices(index: number, random: () => number): DemoMessage {
  const lines = 1 + Math.floor(random() * 3);
  return message("7b2e1c3a-invoices", {
    number: 9_007_199_254_740_000 + index,
    customer: pick(["Müller & Söhne", "Ōtani 大谷", "O'Brien"], random),
    total: Math.round(random() * 1e6) / 100,
    paid: random() < 0.5,
    lines: Array.from(
      { length: lines },
      (_, line) => ({ line, amount: Math.floor(random() * 99) }),
    ),
  });
}

function message(routeId: string, queryState: unknown): DemoMessage {
  const records = Array.isArray(queryState) ? queryState.length : queryState === null ? 0 : 1;
  const envelope = { type: "query_state", route_id: routeId, query_state: queryState };
  return { payload: text(JSON.stringify(envelope)), records };
}

function sentence(random: () => number): string {
  const length = 6 + Math.floor(random() * 12);
  return Array.from({ length }, () => pick(WORDS, random)).join(" ");
}

function pick<T>(choices: readonly T[], random: () => number): T {
  return choices[Math.floor(random() * choices.length)] as T;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** A small generator with a seed (mulberry32), so that every run is the same. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
