/** What is looked at every few seconds while a soak runs. */
import { type Bed, STREAM } from "../faults/bed.ts";
import { median } from "../bench/summary.ts";
import type { LatencyProbe } from "./latency_probe.ts";
import type { SoakLoad } from "./soak_load.ts";
import { KNOWN_MESSAGES } from "../servers/known_messages.ts";

/** One look; null where a server was away. */
export interface SoakSample {
  /** Since the load began. */
  readonly seconds: number;
  /** Resident memory of the instance that is never ended, and of the other one, in MB. */
  readonly memoryMb: number | null;
  readonly otherMemoryMb: number | null;
  readonly fileDescriptors: number | null;
  readonly ledgerRows: number | null;
  readonly ledgerMb: number | null;
  /** Messages confirmed by the stream up to now. */
  readonly published: number;
  /** Messages acked up to now. */
  readonly settled: number | null;
  /** Median of the probes since the look before, in milliseconds; null when none landed. */
  readonly latencyMs: number | null;
  /** The longest of them. */
  readonly latencyMaxMs: number | null;
}

/** Looks once. */
export async function takeSample(
  bed: Bed,
  { load, probe, seconds }: {
    readonly load: SoakLoad;
    readonly probe: LatencyProbe;
    readonly seconds: number;
  },
): Promise<SoakSample> {
  const [first, second] = bed.running;
  const [ledger, settled, memoryMb, otherMemoryMb, fileDescriptors] = await Promise.all([
    readLedger(bed),
    countSettled(bed),
    readMemoryMb(first?.process.pid),
    readMemoryMb(second?.process.pid),
    countFileDescriptors(first?.process.pid),
  ]);
  const measured = probe.take();
  return {
    seconds,
    memoryMb,
    otherMemoryMb,
    fileDescriptors,
    ...ledger,
    published: load.confirmed,
    settled,
    latencyMs: measured.length === 0 ? null : median(measured),
    latencyMaxMs: measured.length === 0 ? null : Math.max(...measured),
  };
}

async function readLedger(
  { sql }: Bed,
): Promise<Pick<SoakSample, "ledgerRows" | "ledgerMb">> {
  try {
    const [row] = await sql`
      select (select count(*) from ${sql.unsafe(KNOWN_MESSAGES)} known)::float8 as rows,
        (pg_total_relation_size('state_tables.delivered') +
          pg_total_relation_size('state_tables.delivered_span'))::float8 / 1e6 as mb`;
    return { ledgerRows: Number(row?.rows), ledgerMb: Number(row?.mb) };
  } catch {
    return { ledgerRows: null, ledgerMb: null }; // PostgreSQL is away
  }
}

/** What the stream holds less what is not acked yet. */
async function countSettled(bed: Bed): Promise<number | null> {
  try {
    const manager = await bed.manager();
    const [{ state }, consumer] = await Promise.all([
      manager.streams.info(STREAM),
      manager.consumers.info(STREAM, STREAM),
    ]);
    return state.last_seq - consumer.num_pending - consumer.num_ack_pending;
  } catch {
    return null; // nats-server is away
  }
}

async function readMemoryMb(pid: number | undefined): Promise<number | null> {
  if (pid === undefined) return null;
  // The process may have ended a moment ago.
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? null : Number(kib) * 1024 / 1e6;
}

async function countFileDescriptors(pid: number | undefined): Promise<number | null> {
  if (pid === undefined) return null;
  try {
    let count = 0;
    for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) count++;
    return count;
  } catch {
    return null; // as above
  }
}
