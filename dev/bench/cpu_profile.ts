/**
 * Sums up CPU profiles of the program by part: folders of `lib/`, npm packages, Deno's own code, the
 * garbage collector. The profiles are what `--cpu-prof` writes; a profile viewer opens them as well.
 */
import { join } from "node:path";

/** What a profile file holds, as far as we read it. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    /** Nodes of functions that this one called. */
    readonly children?: readonly number[];
  }[];
  /** Node that each sample was taken in. */
  readonly samples: readonly number[];
  /** Microseconds between a sample and the one before. */
  readonly timeDeltas: readonly number[];
}

/** Time by name. */
export interface ProfilePart {
  readonly name: string;
  readonly seconds: number;
}

const IDLE = "(idle)";
const PARTS_SHOWN = 14;
const FUNCTIONS_SHOWN = 25;

/** Paths of the profiles in a folder. */
export async function profileFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".cpuprofile")) files.push(join(folder, name));
  }
  return files;
}

/** Reads what `--cpu-prof` wrote. */
export async function readProfile(file: string): Promise<CpuProfile> {
  return JSON.parse(await Deno.readTextFile(file)) as CpuProfile;
}

/** Prints the largest parts and functions of every profile in a folder. */
export async function printProfiles(folder: string, say: (text: string) => void): Promise<void> {
  for (const file of await profileFiles(folder)) {
    const profile = await readProfile(file);
    say(`\n${file}`);
    sayParts(sumProfile(profile, partOf).slice(0, PARTS_SHOWN), say);
    say("");
    sayParts(sumProfile(profile, functionOf).slice(0, FUNCTIONS_SHOWN), say);
  }
}

/** Time on the CPU by what `nameOf` calls a frame, largest first. */
export function sumProfile(
  profile: CpuProfile,
  nameOf: (functionName: string, url: string) => string,
): ProfilePart[] {
  const names = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url } }) => [
      id,
      functionName === IDLE ? IDLE : nameOf(functionName, url),
    ]),
  );
  const sums = new Map<string, number>();
  for (const [i, sample] of profile.samples.entries()) {
    const name = names.get(sample) ?? "(unknown)";
    if (name === IDLE) continue;
    sums.set(name, (sums.get(name) ?? 0) + (profile.timeDeltas[i] ?? 0) / 1e6);
  }
  return [...sums].map(([name, seconds]) => ({ name, seconds }))
    .sort((a, b) => b.seconds - a.seconds);
}

/** The part of the program that a frame belongs to. */
export function partOf(functionName: string, url: string): string {
  const ours = /\/(lib\/[^/]+)\//.exec(url)?.[1];
  if (ours !== undefined && !url.includes("node_modules") && !url.includes("/npm/")) return ours;
  const npm = /\/(?:npm|node_modules)\/(?:[^@]*?\/)?((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
  if (npm !== undefined) return `npm ${npm}`;
  if (url.startsWith("ext:") || url.startsWith("node:")) return url.split("/")[0] ?? url;
  // Frames of the machine itself: (garbage collector), (program), WebAssembly.
  if (url === "") return functionName === "" ? "(native)" : functionName;
  return url.split("/").slice(-2).join("/");
}

function functionOf(functionName: string, url: string): string {
  const file = url === "" ? "" : ` ${url.split("/").slice(-2).join("/")}`;
  return `${functionName === "" ? "(anonymous)" : functionName}${file}`;
}

function sayParts(parts: readonly ProfilePart[], say: (text: string) => void): void {
  for (const { name, seconds } of parts) say(`  ${seconds.toFixed(2).padStart(7)} s  ${name}`);
}
