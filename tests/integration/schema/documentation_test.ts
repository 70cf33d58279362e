/** What docs/schema.md says is what happens: its examples on real servers, its tables by the rules. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { kindOfValue } from "../../../lib/encoder/value_judge.ts";
import { ValueSkipper } from "../../../lib/encoder/value_skipper.ts";
import { COLUMNS_MAX } from "../../../lib/ingest/table_plan.ts";
import { REJECTS_PER_MESSAGE_MAX } from "../../../lib/encoder/exact_run.ts";
import { DEPTH_MAX } from "../../../lib/encoder/json_scanner.ts";
import { ACCEPTED_KINDS } from "../../../lib/schema/accepted_kinds.ts";
import type { ColumnType } from "../../../lib/schema/column_type.ts";
import { inferColumnType } from "../../../lib/schema/inference.ts";
import {
  KIND_BOOLEAN,
  KIND_FRACTION,
  KIND_INTEGER,
  KIND_STRING,
  KIND_STRUCTURE,
  KIND_TIMESTAMP,
  KINDS_ALL,
} from "../../../lib/schema/value_kind.ts";
import { widen } from "../../../lib/schema/widening.ts";
import { sharedPostgres } from "../../support/servers.ts";
import { testOnBoth } from "./landing.ts";

await sharedPostgres();

const TEXT = await Deno.readTextFile(join(import.meta.dirname ?? ".", "../../../docs/schema.md"));

/** One line of an example: what it is about, and the rest of it. */
interface ExampleLine {
  readonly word: string;
  readonly rest: string;
}

interface Example {
  readonly heading: string;
  readonly lines: readonly ExampleLine[];
}

function readExamples(text: string): Example[] {
  const examples: Example[] = [];
  let heading = "";
  for (const part of text.split(/(^#+ .*$|^```text\n[^]*?^```$)/m)) {
    if (part.startsWith("#")) heading = part.replace(/^#+ /, "");
    if (!part.startsWith("```text\n")) continue;
    const lines = part.split("\n").slice(1, -1).map((line): ExampleLine => {
      const [, word = "", rest = ""] = /^(\w+): (.*)$/.exec(line) ?? [];
      return { word, rest };
    });
    examples.push({ heading, lines });
  }
  return examples;
}

/** The rows of the first table whose head begins with this cell. */
function readTable(text: string, firstCell: string): string[][] {
  const rows = text.slice(text.indexOf(`| ${firstCell} `)).split("\n");
  const end = rows.findIndex((row) => !row.startsWith("|"));
  return rows.slice(0, end).map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

const EXAMPLES = readExamples(TEXT);

for (const [index, { heading, lines }] of EXAMPLES.entries()) {
  const all = (word: string): string[] =>
    lines.filter((line) => line.word === word).map(({ rest }) => rest);
  const properties = all("properties").map((text) => JSON.parse(text))[0] ?? {};
  testOnBoth(
    `docs/schema.md, "${heading}", example ${index + 1}`,
    { properties },
    async (landing) => {
      const known = ["properties", "sql", "message", "columns", "row", "reject"];
      assert.deepEqual(lines.filter(({ word }) => !known.includes(word)), []);
      for (const { word, rest } of lines) {
        if (word === "sql") await landing.sql.unsafe(rest);
        if (word === "message") await landing.write(rest);
      }
      for (const columns of all("columns")) {
        const found = Object.entries(await landing.columns());
        assert.equal(found.map(([name, type]) => `${name} ${type}`).join("; "), columns);
      }
      const rows = all("row").map((text) => JSON.parse(text));
      if (rows.length > 0) assert.deepEqual(await landing.rows(), rows);
      const reasons = all("reject");
      const rejects = await landing.rejects();
      assert.equal(rejects.length, reasons.length);
      for (const [at, reason] of reasons.entries()) {
        assert.ok(rejects[at]?.reason.includes(reason), rejects[at]?.reason);
      }
    },
  );
}

Deno.test("docs/schema.md says of every kind of value which types take it", () => {
  const [head = [], , ...rows] = readTable(TEXT, "value");
  const types = head.slice(1) as ColumnType[];
  assert.deepEqual(types, Object.keys(ACCEPTED_KINDS));
  let seen = 0;
  for (const [value = "", ...cells] of rows) {
    const json = new TextEncoder().encode(/`(.*)`$/.exec(value)?.[1]);
    const skipper = new ValueSkipper();
    const end = skipper.skip(json, 0);
    assert.equal(end, json.length, value);
    const kind = kindOfValue(skipper.token, json, 0, end);
    seen |= kind;
    const taken = types.map((type) => (ACCEPTED_KINDS[type] & kind) !== 0 ? "yes" : "");
    assert.deepEqual(cells, taken, value);
  }
  // A whole number that a double would round stands in the table as the integer that it is.
  assert.equal((KINDS_ALL & ~seen).toString(2).replaceAll("0", "").length, 1);
});

Deno.test("docs/schema.md says what a column becomes of which value", () => {
  const [, , ...rows] = readTable(TEXT, "column           | a boolean");
  const kinds = [
    KIND_BOOLEAN,
    KIND_INTEGER,
    KIND_FRACTION,
    KIND_TIMESTAMP,
    KIND_STRING,
    KIND_STRUCTURE,
  ];
  assert.equal(rows.length, Object.keys(ACCEPTED_KINDS).length);
  for (const [name, ...cells] of rows) {
    const type = name as ColumnType;
    const becomes = kinds.map((kind) => {
      if ((ACCEPTED_KINDS[type] & kind) !== 0) return type;
      return widen(type, inferColumnType(kind) ?? type);
    });
    assert.deepEqual(cells, becomes, name);
  }
});

Deno.test("docs/schema.md has the limits as the program has them", () => {
  const limits = readTable(TEXT, "limit ").slice(2).map(([limit]) => limit?.replaceAll(",", ""));
  assert.deepEqual(limits.filter((limit) => !limit?.startsWith("PostgreSQL")), [
    `${COLUMNS_MAX} columns`,
    `nesting of ${DEPTH_MAX}`,
    `${REJECTS_PER_MESSAGE_MAX} rejects in one message`,
  ]);
});
