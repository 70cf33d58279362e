import assert from "node:assert/strict";
import { recordText } from "../../../lib/encoder/record_text.ts";
import { deliveryOfJson } from "../../support/encoding.ts";

function textOf(queryState: string, ordinal: number): string {
  return new TextDecoder().decode(recordText(deliveryOfJson(queryState), ordinal));
}

Deno.test("recordText() gives a record's bytes as they came", () => {
  const records = '[ {"a" : "]\\"}"} , [1, [2]] ,"text", 5 ,null,true ]';
  const expected = ['{"a" : "]\\"}"}', "[1, [2]]", '"text"', "5", "null", "true"];
  for (const [ordinal, text] of expected.entries()) assert.equal(textOf(records, ordinal), text);
});

Deno.test("recordText() gives the single object", () => {
  assert.equal(textOf('{"a":[1]}', 0), '{"a":[1]}');
});

Deno.test("recordText() finds records of one message in any order", () => {
  const delivery = deliveryOfJson("[10,11,12,13]");
  const found = [2, 0, 3, 3, 1].map((ordinal) =>
    new TextDecoder().decode(recordText(delivery, ordinal))
  );
  assert.deepEqual(found, ["12", "10", "13", "13", "11"]);
});

Deno.test("recordText() refuses a record that the message does not have", () => {
  const delivery = deliveryOfJson("[1]");
  assert.throws(() => recordText(delivery, 1), RangeError);
  assert.throws(() => recordText(delivery, -1), RangeError);
});
