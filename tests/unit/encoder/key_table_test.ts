import assert from "node:assert/strict";
import { KeyTable } from "../../../lib/encoder/key_table.ts";

const encoder = new TextEncoder();

function find(table: KeyTable, key: string): number {
  const bytes = encoder.encode(`"${key}"`);
  return table.find(bytes, 1, bytes.length - 1);
}

function tableOfKeys(count: number): KeyTable {
  const table = new KeyTable();
  for (let number = 0; number < count; number++) table.add(encoder.encode(`key ${number}`));
  return table;
}

Deno.test("KeyTable finds each of thousands of keys, those that share a slot too", () => {
  const table = tableOfKeys(3_000);
  for (let number = 0; number < 3_000; number++) assert.equal(find(table, `key ${number}`), number);
});

Deno.test("KeyTable finds no key that was not added", () => {
  const table = tableOfKeys(3_000);
  for (let number = 3_000; number < 6_000; number++) assert.equal(find(table, `key ${number}`), -1);
  assert.equal(find(table, ""), -1);
  assert.equal(find(new KeyTable(), ""), -1);
});

Deno.test("KeyTable forgets the keys added last and numbers new ones from there", () => {
  const table = tableOfKeys(100);
  table.truncate(10);
  assert.deepEqual([table.size, find(table, "key 9"), find(table, "key 10")], [10, 9, -1]);
  assert.equal(table.add(encoder.encode("another")), 10);
  assert.equal(find(table, "another"), 10);
});
