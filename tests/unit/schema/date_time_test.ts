import assert from "node:assert/strict";
import fc from "fast-check";
import { isCalendarDate, isTimestamp } from "../../../lib/schema/date_time.ts";

const encoder = new TextEncoder();

function isTime(text: string): boolean {
  const bytes = encoder.encode(`"${text}"`);
  return isTimestamp(bytes, 1, bytes.length - 1);
}

function isDate(text: string): boolean {
  const bytes = encoder.encode(text);
  return isCalendarDate(bytes, 0, bytes.length);
}

Deno.test("isTimestamp() takes RFC 3339 date-times with a zone and at most microseconds", () => {
  const taken = [
    "2026-02-22T16:42:31.123456+00:00",
    "2026-11-24T00:00:00Z",
    "2026-11-24t23:59:59z",
    "2024-02-29T12:00:00.1Z",
    "2000-02-29T12:00:00Z",
    "2026-11-24T12:00:00-00:00",
    "2026-11-24T12:00:00+15:59",
    "0001-01-01T00:00:00Z",
    "0001-01-01T01:00:00+01:00",
    "0001-01-02T00:00:00+15:59",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T22:59:59-01:00",
  ];
  for (const text of taken) assert.equal(isTime(text), true, text);
});

Deno.test("isTimestamp() refuses what PostgreSQL would change or not take", () => {
  const refused = [
    "2026-11-24T12:00:00", // local time
    "2026-11-24 12:00:00Z",
    "2026-11-24", // date only
    "2026-W48-2T12:00:00Z", // ISO week
    "2026-11-24T12:00:00.1234567Z", // nanoseconds
    "2026-11-24T12:00:00.Z",
    "2026-11-24T23:59:60Z", // leap second
    "2026-11-24T24:00:00Z",
    "2026-11-24T12:60:00Z",
    "2026-02-29T12:00:00Z", // no leap year
    "1900-02-29T12:00:00Z",
    "2026-04-31T12:00:00Z",
    "2026-13-01T12:00:00Z",
    "2026-00-01T12:00:00Z",
    "2026-01-00T12:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01", // 1 BC in UTC
    "9999-12-31T23:59:59-00:01", // year 10000 in UTC
    "10000-01-01T00:00:00Z",
    "294277-01-01T00:00:00Z",
    "-001-01-01T00:00:00Z",
    "2026-11-24T12:00:00+16:00",
    "2026-11-24T12:00:00+01",
    "2026-11-24T12:00:00+0100",
    "2026-11-24T12:00:00+01:60",
    "2026-11-24T12:00:00Z ",
    "2026-11-24T12:00Z",
    "now",
    "",
  ];
  for (const text of refused) assert.equal(isTime(text), false, text);
});

Deno.test("isTimestamp() takes every moment as JavaScript prints it", () => {
  const min = new Date("0001-01-01T00:00:00Z");
  const max = new Date("9999-12-31T23:59:59.999Z");
  fc.assert(fc.property(fc.date({ min, max, noInvalidDate: true }), (date) => {
    assert.equal(isTime(date.toISOString()), true);
  }));
});

Deno.test("isCalendarDate() agrees with the calendar of JavaScript", () => {
  const part = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max });
  fc.assert(fc.property(part(9999), part(13), part(32), (year, month, day) => {
    const pad = (value: number, length: number): string => String(value).padStart(length, "0");
    const text = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
    const date = new Date(`${text}T00:00:00Z`);
    const isReal = year > 0 && !Number.isNaN(date.getTime()) &&
      date.toISOString().startsWith(text);
    assert.equal(isDate(text), isReal, text);
  }));
});
