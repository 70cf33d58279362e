/**
 * Which part of the program a CPU profile's time belongs to, in the words of docs/performance.md. Time
 * in Deno's own code and in WebAssembly counts for whoever called it. Pure.
 */
import type { CpuProfile } from "./cpu_profile.ts";

/** Parts in the order in which they are shown. */
export const PROGRAM_PARTS = [
  "NATS client",
  "envelope and batching",
  "encoding",
  "PostgreSQL client",
  "garbage collection",
  "other",
] as const;

/** One of them. */
export type ProgramPart = typeof PROGRAM_PARTS[number];

interface Frame {
  readonly functionName: string;
  readonly url: string;
}

const IDLE = "(idle)";

/** What sources and packages belong to; the first that matches a frame counts. */
const OWNERS: readonly (readonly [pattern: RegExp, part: ProgramPart])[] = [
  [/@nats-io|\/lib\/nats\//, "NATS client"],
  [/\/lib\/ingest\//, "envelope and batching"],
  [/\/lib\/(encoder|schema)\//, "encoding"],
  [/\/lib\/store\/|\/postgres[/@]/, "PostgreSQL client"],
  [/\/lib\//, "other"],
];

/**
 * Shares of the parts in the profiles' time on the CPU, 1 together; empty when there was none. Nobody
 * but the PostgreSQL client uses Node's sockets, so that their events are its own.
 */
export function partShares(profiles: readonly CpuProfile[]): Record<string, number> {
  const sums = new Map<ProgramPart, number>(PROGRAM_PARTS.map((part) => [part, 0]));
  for (const profile of profiles) {
    const parts = partsByNode(profile);
    for (const [i, sample] of profile.samples.entries()) {
      const part = parts.get(sample) ?? null;
      if (part !== null) sums.set(part, (sums.get(part) ?? 0) + (profile.timeDeltas[i] ?? 0));
    }
  }
  const total = [...sums.values()].reduce((sum, microseconds) => sum + microseconds, 0);
  if (total === 0) return {};
  return Object.fromEntries(
    [...sums].map(([part, microseconds]) => [part, Number((microseconds / total).toFixed(3))]),
  );
}

/** The part of every node; null for idle time. A caller comes before what it calls. */
function partsByNode({ nodes }: CpuProfile): Map<number, ProgramPart | null> {
  const callers = new Map(nodes.flatMap(({ id, children = [] }) => children.map((c) => [c, id])));
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const parts = new Map<number, ProgramPart | null>();
  for (const { id } of nodes) parts.set(id, partOf(id, { frames, callers }));
  return parts;
}

function partOf(
  node: number,
  { frames, callers }: {
    readonly frames: ReadonlyMap<number, Frame>;
    readonly callers: ReadonlyMap<number, number>;
  },
): ProgramPart | null {
  let hasNodeSocket = false;
  for (let id: number | undefined = node; id !== undefined; id = callers.get(id)) {
    const frame = frames.get(id);
    if (frame === undefined) break;
    if (frame.functionName === IDLE) return null;
    if (frame.functionName === "(garbage collector)") return "garbage collection";
    const part = ownerOf(frame);
    if (part !== null) return part;
    hasNodeSocket ||= /^(ext:deno_node|node:)/.test(frame.url);
  }
  return hasNodeSocket ? "PostgreSQL client" : "other";
}

function ownerOf({ functionName, url }: Frame): ProgramPart | null {
  if (url.includes("/lib/encoder/") && functionName === "readEnvelope") {
    return "envelope and batching"; // the same module, on arrival instead of in a flush
  }
  return OWNERS.find(([pattern]) => pattern.test(url))?.[1] ?? null;
}
