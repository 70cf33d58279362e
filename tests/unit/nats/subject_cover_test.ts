import assert from "node:assert/strict";
import { coversSubject } from "../../../lib/nats/subject_cover.ts";

Deno.test("coversSubject() is true when the outer subject matches all of the inner one", () => {
  for (
    const [outer, inner] of [
      ["a.b", "a.b"],
      ["a.*", "a.b"],
      ["a.*", "a.*"],
      ["a.>", "a.b.c"],
      ["a.>", "a.*"],
      [">", "a.>"],
      ["*.b.>", "a.b.>"],
    ] as const
  ) assert.equal(coversSubject(outer, inner), true, `${outer} ${inner}`);
});

Deno.test("coversSubject() is false when the inner subject matches more", () => {
  for (
    const [outer, inner] of [
      ["a.b", "a.c"],
      ["a.b", "a.b.c"],
      ["a.b.c", "a.b"],
      ["a.b", "a.*"],
      ["a.*", "a.>"],
      ["a.>", "a"],
      ["*", ">"],
    ] as const
  ) assert.equal(coversSubject(outer, inner), false, `${outer} ${inner}`);
});
