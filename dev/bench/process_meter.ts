/**
 * CPU time and memory of other processes, read from Linux's /proc. A process counts with its children,
 * those that have ended included, so that a server that forks is measured whole.
 */

/** Linux reports CPU time in ticks of this length on every machine that Deno runs on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds by name of the process. */
export type CpuSeconds = Readonly<Record<string, number>>;

/** Counts CPU from now on. */
export interface CpuMeter {
  /** Seconds of user and system time since the meter was started. */
  read(): CpuSeconds;
  /**
   * Part of all cores, in percent, that neither these processes nor ours with its children took since
   * the meter was started: what else ran on the machine and disturbed the measurement.
   */
  readOthersPercent(): number;
}

/**
 * Starts a meter on processes by name, several of which may share one; all of them have to live until
 * it is read.
 */
export function startCpuMeter(
  pids: Readonly<Record<string, number | readonly number[]>>,
): CpuMeter {
  const readAll = (): Record<string, number> =>
    Object.fromEntries(
      Object.entries(pids).map(([name, some]) => [
        name,
        [some].flat().reduce((sum, pid) => sum + readCpuSeconds(pid), 0),
      ]),
    );
  const before = readAll();
  const machineBefore = readMachineSeconds();
  const ownBefore = readOwnSeconds(Deno.pid);
  const startMs = performance.now();
  const read = (): CpuSeconds =>
    Object.fromEntries(
      Object.entries(readAll()).map(([name, now]) => [name, now - (before[name] ?? 0)]),
    );
  return {
    read,
    readOthersPercent: () => {
      const named = Object.values(read()).reduce((sum, seconds) => sum + seconds, 0);
      const own = readOwnSeconds(Deno.pid) - ownBefore;
      const others = readMachineSeconds() - machineBefore - named - own;
      const available = (performance.now() - startMs) / 1_000 * navigator.hardwareConcurrency;
      return Math.max(0, others / available * 100);
    },
  };
}

/** CPU seconds that our own ended children have used up to now. */
export function readEndedChildrenSeconds(): number {
  const { endedChildrenTicks } = parseProcessStat(Deno.readTextFileSync("/proc/self/stat"));
  return endedChildrenTicks / TICKS_PER_SECOND;
}

/** The most memory that a process had resident so far, in bytes. */
export function readPeakBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`Cannot read the peak memory of process ${pid}`);
  return Number(kib) * 1024;
}

/** What `/proc/<pid>/stat` says. */
export interface ProcessStat {
  readonly parentPid: number;
  readonly ownTicks: number;
  readonly endedChildrenTicks: number;
}

/** Reads the text of `/proc/<pid>/stat`; the command's name in it may hold anything. */
export function parseProcessStat(text: string): ProcessStat {
  // Fields are numbered from 1; behind the name comes field 3.
  const fields = text.slice(text.lastIndexOf(")") + 2).trimEnd().split(" ").map(Number);
  const field = (number: number): number => {
    const value = fields[number - 3];
    if (value === undefined || Number.isNaN(value)) {
      throw new Error(`Cannot read field ${number} of a process's stat`);
    }
    return value;
  };
  return {
    parentPid: field(4),
    ownTicks: field(14) + field(15),
    endedChildrenTicks: field(16) + field(17),
  };
}

/** Seconds that all cores together were busy since the machine started. */
function readMachineSeconds(): number {
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, softInterrupts = 0, steal = 0] = Deno
    .readTextFileSync("/proc/stat").split("\n")[0]?.split(/\s+/).slice(1).map(Number) ?? [];
  return (user + nice + system + interrupts + softInterrupts + steal) / TICKS_PER_SECOND;
}

/** Of the process itself and its ended children. */
function readOwnSeconds(pid: number): number {
  const { ownTicks, endedChildrenTicks } = parseProcessStat(
    Deno.readTextFileSync(`/proc/${pid}/stat`),
  );
  return (ownTicks + endedChildrenTicks) / TICKS_PER_SECOND;
}

/** The same and its living children. */
function readCpuSeconds(pid: number): number {
  let ticks = 0;
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStatIfAlive(name);
    if (stat?.parentPid === pid) ticks += stat.ownTicks + stat.endedChildrenTicks;
  }
  return readOwnSeconds(pid) + ticks / TICKS_PER_SECOND;
}

/** Null when the process ended since its folder was listed. */
function readStatIfAlive(pid: string): ProcessStat | null {
  try {
    return parseProcessStat(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch (error) {
    const isGone = error instanceof Deno.errors.NotFound ||
      (error instanceof Error && error.message.includes("No such process"));
    if (isGone) return null;
    throw error;
  }
}
