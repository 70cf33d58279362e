/**
 * Draws the arrows of the design from the imports and fails on a wrong one: which folder may import
 * which, who alone knows an npm adapter, no cycles, no catch-all file names, no file that grew too
 * long.
 */
import assert from "node:assert/strict";
import { dirname, join, normalize } from "node:path";

const ROOT = normalize(join(import.meta.dirname ?? ".", "../../.."));

/** Leaves: they import nothing of ours but each other's types. */
const LEAVES = [
  "lib/errors.ts",
  "lib/clock.ts",
  "lib/log.ts",
  "lib/lookup_lane.ts",
  "lib/time_limit.ts",
  "lib/retry.ts",
  "lib/version.ts",
];

/** Part of the program → parts it may import, besides itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  leaves: [],
  schema: [],
  encoder: ["schema"],
  config: ["leaves"],
  ingest: ["leaves", "schema", "encoder"],
  store: ["leaves", "schema", "encoder", "ingest", "config"],
  nats: ["leaves", "ingest", "config"],
  http: ["leaves", "ingest", "config"],
  service: ["leaves", "schema", "encoder", "ingest", "config", "store", "nats", "http"],
  cli: ["leaves", "config", "service", "ingest", "store", "nats"],
  main: ["leaves", "cli", "config", "service"],
};

/** npm package → the only part that may import it. */
const ADAPTERS: Readonly<Record<string, string>> = {
  "postgres": "store",
  "@nats-io/transport-node": "nats",
  "@nats-io/nats-core": "nats",
  "@nats-io/jetstream": "nats",
  "@optique/core": "cli",
  "@logtape/logtape": "leaves",
  "js-yaml": "config",
  "valibot": "config",
};

/** Parts that import no npm package at all. */
const WITHOUT_PACKAGES = ["schema", "encoder", "ingest"];

const FORBIDDEN_NAMES = [
  "index",
  "utils",
  "util",
  "helpers",
  "helper",
  "common",
  "manager",
  "types",
];

const LINES_MAX = 400;

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

Deno.test("imports follow the arrows of the design", async () => {
  const wrong: string[] = [];
  for (const file of await sources()) {
    const from = partOf(file.path);
    for (const specifier of file.imports) {
      const target = resolved(file.path, specifier);
      if (target === null) {
        wrong.push(...wrongPackage(file.path, from, specifier));
        continue;
      }
      if (target === "deno.json" || target.endsWith(".wasm")) continue;
      const to = partOf(target);
      const allowed = from === to || (ALLOWED[from] ?? []).includes(to);
      if (!allowed) wrong.push(`${file.path} (${from}) imports ${target} (${to})`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("imports form no cycle", async () => {
  const graph = new Map<string, string[]>();
  for (const file of await sources()) {
    graph.set(
      file.path,
      file.imports.map((specifier) => resolved(file.path, specifier)).filter((to) => to !== null),
    );
  }
  const done = new Set<string>();
  const visit = (path: string, above: readonly string[]): void => {
    assert.ok(!above.includes(path), `cycle: ${[...above, path].join(" → ")}`);
    if (done.has(path)) return;
    for (const to of graph.get(path) ?? []) visit(to, [...above, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
});

Deno.test("source files have a telling name and a bounded length", async () => {
  for (const { path, text } of await sources()) {
    const name = path.split("/").at(-1)?.replace(/\.ts$/, "") ?? "";
    assert.ok(!FORBIDDEN_NAMES.includes(name), `${path}: name it after what it exports`);
    assert.match(name, /^[a-z0-9_]+$/, `${path}: snake_case`);
    const lines = text.split("\n").length;
    assert.ok(lines <= LINES_MAX, `${path}: ${lines} lines, at most ${LINES_MAX}`);
    assert.ok(text.startsWith("/**"), `${path}: begin with what it owns and guarantees`);
  }
});

Deno.test("only main.ts touches Deno.args, Deno.env and Deno.exit", async () => {
  for (const { path, text } of await sources()) {
    if (path === "main.ts") continue;
    assert.doesNotMatch(text, /\bDeno\.(args|env|exit)\b/, path);
  }
});

Deno.test("only the clock reads time and sets timers", async () => {
  for (const { path, text } of await sources()) {
    if (path === "lib/clock.ts" || path === "main.ts") continue;
    assert.doesNotMatch(
      text,
      /\b(Date\.now|performance\.now|setTimeout|setInterval|new Date\(\))\(?/,
      path,
    );
  }
});

function wrongPackage(path: string, from: string, specifier: string): string[] {
  if (specifier.startsWith("node:")) return [];
  const name = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
  const owner = ADAPTERS[name];
  if (owner !== undefined && owner !== from) return [`${path} (${from}) imports ${specifier}`];
  if (WITHOUT_PACKAGES.includes(from)) return [`${path} (${from}) imports ${specifier}`];
  return [];
}

function partOf(path: string): string {
  if (path === "main.ts") return "main";
  if (LEAVES.includes(path)) return "leaves";
  if (path === "lib/service.ts") return "service";
  const folder = /^lib\/([a-z]+)\//.exec(path)?.[1];
  assert.ok(folder !== undefined, `${path} is outside of lib/ or in no folder`);
  assert.ok(folder in ALLOWED, `${path}: the design knows no part '${folder}'`);
  return folder;
}

/** Path from the root, or null for a package. */
function resolved(from: string, specifier: string): string | null {
  return specifier.startsWith(".") ? normalize(join(dirname(from), specifier)) : null;
}

async function sources(): Promise<SourceFile[]> {
  const paths = ["main.ts", ...await filesUnder("lib")];
  return await Promise.all(paths.map(async (path) => {
    const text = await Deno.readTextFile(join(ROOT, path));
    return { path, text, imports: importsOf(text) };
  }));
}

async function filesUnder(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of Deno.readDir(join(ROOT, folder))) {
    const path = `${folder}/${entry.name}`;
    // AssemblyScript has its own rules and compiler.
    if (entry.isDirectory && entry.name !== "assembly") paths.push(...await filesUnder(path));
    if (entry.isFile && path.endsWith(".ts") && !path.endsWith(".d.ts")) paths.push(path);
  }
  return paths.sort();
}

function importsOf(text: string): string[] {
  const statements = text.matchAll(
    /^(?:import|export)\s[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm,
  );
  return [...statements].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}
