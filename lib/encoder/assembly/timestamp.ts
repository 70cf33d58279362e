// @ts-nocheck: AssemblyScript, which has types and functions of its own
/**
 * RFC 3339 date-times that timestamptz holds, by the rules of schema/date_time.ts. The first and the
 * last day of all, where an offset may lead out of the range, are left to the exact encoder.
 */
import { byteAt, isDigit, MINUS, POINT, skipDigits } from "./source_bytes.ts";

/** The text between both addresses is such a date-time. */
export function isTimestamp(start: usize, end: usize): bool {
  const length = end - start;
  if (length < 20 || length > 32) return false;
  if (!isDay(start)) return false;
  if ((byteAt(start + 10) | 0x20) !== 0x74) return false;
  if (byteAt(start + 13) !== 0x3a || byteAt(start + 16) !== 0x3a) return false;
  if (twoDigits(start + 11) > 23) return false;
  if (twoDigits(start + 14) > 59 || twoDigits(start + 17) > 59) return false;
  let zone = start + 19;
  if (byteAt(zone) === POINT) {
    const fraction = zone + 1;
    zone = skipDigits(fraction);
    if (zone === fraction || zone - fraction > 6) return false;
  }
  if (zone + 1 === end) return (byteAt(zone) | 0x20) === 0x7a;
  if (zone + 6 !== end || byteAt(zone + 3) !== 0x3a) return false;
  if (byteAt(zone) !== 0x2b && byteAt(zone) !== MINUS) return false;
  return twoDigits(zone + 1) <= 15 && twoDigits(zone + 4) <= 59;
}

/** `YYYY-MM-DD`, a day of the calendar within 0001-01-02 and 9999-12-30. */
function isDay(start: usize): bool {
  if (byteAt(start + 4) !== MINUS || byteAt(start + 7) !== MINUS) return false;
  const century = twoDigits(start);
  const yearOfCentury = twoDigits(start + 2);
  const month = twoDigits(start + 5);
  const day = twoDigits(start + 8);
  if (century > 99 || yearOfCentury > 99 || month < 1 || month > 12 || day < 1) return false;
  const year = century * 100 + yearOfCentury;
  if (day > daysOf(year, month) || year < 1) return false;
  return !(year === 1 && month === 1 && day === 1) &&
    !(year === 9999 && month === 12 && day === 31);
}

function daysOf(year: u32, month: u32): u32 {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** The value of two decimal digits; more than 99 when they are none. */
function twoDigits(at: usize): u32 {
  const tens = byteAt(at);
  const ones = byteAt(at + 1);
  return isDigit(tens) && isDigit(ones) ? (tens - 0x30) * 10 + ones - 0x30 : 100;
}

/** Microseconds since 2000-01-01 UTC of such a date-time. */
export function microseconds(start: usize, end: usize): i64 {
  const year = <i64> (twoDigits(start) * 100 + twoDigits(start + 2));
  const days = daysBefore(year, twoDigits(start + 5)) + twoDigits(start + 8) - 1;
  let minutes = <i64> (twoDigits(start + 11) * 60 + twoDigits(start + 14));
  let zone = start + 19;
  let fraction: i64 = 0;
  if (byteAt(zone) === POINT) {
    zone = skipDigits(start + 20);
    for (let at = start + 20; at < start + 26; at++) {
      fraction = fraction * 10 + (at < zone ? byteAt(at) - 0x30 : 0);
    }
  }
  if (zone + 1 !== end) {
    const offset = <i64> (twoDigits(zone + 1) * 60 + twoDigits(zone + 4));
    minutes += byteAt(zone) === MINUS ? offset : -offset;
  }
  const seconds = ((days - EPOCH_DAYS) * 1440 + minutes) * 60 + twoDigits(start + 17);
  return seconds * 1_000_000 + fraction;
}

/** Days from 0001-01-01 to 2000-01-01. */
const EPOCH_DAYS: i64 = 730_119;

/** Days from 0001-01-01 to the first of a month. */
function daysBefore(year: i64, month: u32): i64 {
  const before = year - 1;
  let days = before * 365 + before / 4 - before / 100 + before / 400;
  for (let each: u32 = 1; each < month; each++) days += daysOf(<u32> year, each);
  return days;
}
