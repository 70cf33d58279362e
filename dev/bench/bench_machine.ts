/** What a result was measured on: machine, load and versions. Also keeps the bench on two cores. */
import { runTool, ToolCommandError } from "../servers/tool_command.ts";
import { describeVersion } from "../../lib/version.ts";
import type { BenchStage } from "./bench_stage.ts";

/** Machine and versions of a bench. */
export interface BenchMachine {
  readonly cpu: string;
  readonly cores: number;
  /** Runnable processes on average over the minute before the bench: others that share the cores. */
  readonly loadBefore: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly program: string;
  /** Of the sources, short; `unknown` outside of a checkout. */
  readonly commit: string;
  readonly deno: string;
  readonly natsServer: string;
  readonly postgres: string;
  readonly psql: string | null;
}

/** All figures are those of two cores that servers and program share. */
const CORES = 2;

/** Keeps this process and all it starts on two cores; returns how many it has. */
export async function limitCores(): Promise<number> {
  const cores = navigator.hardwareConcurrency;
  if (cores <= CORES) return cores;
  try {
    await runTool("taskset", ["-a", "-p", "-c", `0-${CORES - 1}`, String(Deno.pid)]);
    return CORES;
  } catch (error) {
    if (error instanceof ToolCommandError && error.isMissing) return cores;
    throw error;
  }
}

/** Describes where the stage runs. */
export async function describeMachine(stage: BenchStage, cores: number): Promise<BenchMachine> {
  const [version] = await stage.sql`show server_version`;
  const cpuInfo = await Deno.readTextFile("/proc/cpuinfo");
  return {
    cpu: /^model name\s*: (.+)$/m.exec(cpuInfo)?.[1] ?? "unknown",
    cores,
    loadBefore: Deno.loadavg()[0] ?? 0,
    memoryGib: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    kernel: Deno.osRelease(),
    program: describeVersion(),
    commit: await findCommit(),
    deno: Deno.version.deno,
    natsServer: stage.connection.info?.version ?? "unknown",
    postgres: String(version?.server_version),
    psql: stage.psqlVersion,
  };
}

/** The checkout that the sources are in, short; `unknown` outside of one. */
export async function findCommit(): Promise<string> {
  try {
    return (await runTool("git", ["rev-parse", "--short", "HEAD"])).trim();
  } catch (error) {
    if (error instanceof ToolCommandError) return "unknown";
    throw error;
  }
}
