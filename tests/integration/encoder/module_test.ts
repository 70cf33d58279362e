/** The compiled fast encoder that is checked in, and its sources. */
import assert from "node:assert/strict";
import { compileEncoder, readEncoder } from "../../../dev/encoder.ts";

Deno.test("fast_encoder.wasm is what the sources give when compiled", async () => {
  const [compiled, checkedIn] = await Promise.all([compileEncoder(), readEncoder()]);
  assert.ok(
    compiled.length === checkedIn.length && compiled.every((byte, at) => byte === checkedIn[at]),
    "run `deno task encoder` after a change in lib/encoder/assembly",
  );
});

Deno.test("fast_encoder.wasm imports nothing and holds no data", async () => {
  const module = new WebAssembly.Module(new Uint8Array(await readEncoder()));
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const { memory } = new WebAssembly.Instance(module).exports;
  assert.ok(memory instanceof WebAssembly.Memory);
  assert.equal(memory.buffer.byteLength, 0);
});
