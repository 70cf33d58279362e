/**
 * Dates and times that PostgreSQL holds and gives back as they are meant: RFC 3339 date-times with a
 * zone, the same without one, times of day, and calendar dates. Everything that PostgreSQL would read otherwise than it is written
 * (leap seconds, 24:00, nanoseconds, words such as `now`) is refused here. Works on bytes.
 */

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** PostgreSQL takes offsets up to ±15:59 (measured: ±16:00 is 22009). */
const OFFSET_HOURS_MAX = 15;

/** Digits of a second that timestamptz keeps. */
const FRACTION_DIGITS_MAX = 6;

const DATE_LENGTH = 10;
/** `12:00:00`. */
const TIME_LENGTH = 8;
/** Up to the seconds: `2026-11-24T12:00:00`. */
const TIME_END = 19;
/** With the shortest zone, `Z`. */
const TIMESTAMP_LENGTH_MIN = 20;
/** With microseconds and an offset. */
const TIMESTAMP_LENGTH_MAX = 32;

/** The text is `YYYY-MM-DD`, a day of the calendar, years 0001 to 9999. */
export function isCalendarDate(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== DATE_LENGTH) return false;
  if (bytes[start + 4] !== 0x2d || bytes[start + 7] !== 0x2d) return false;
  const year = twoDigits(bytes, start) * 100 + twoDigits(bytes, start + 2);
  const month = twoDigits(bytes, start + 5);
  const day = twoDigits(bytes, start + 8);
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1)) return false;
  return day <= daysOf(year, month);
}

/**
 * The text is a time of day, `HH:MM:SS` and perhaps a fraction of which no more than `digitsMax`
 * digits matter; no zone.
 */
export function isTime(
  bytes: Uint8Array,
  start: number,
  end: number,
  digitsMax: number = FRACTION_DIGITS_MAX,
): boolean {
  if (end - start < TIME_LENGTH || minutesOfDay(bytes, start) === -1) return false;
  return start + TIME_LENGTH === end ||
    skipFraction(bytes, start + TIME_LENGTH, end, digitsMax) === end;
}

/** The text is a date-time without a zone: a calendar date, `T` or a blank, a time of day. */
export function isLocalTimestamp(
  bytes: Uint8Array,
  start: number,
  end: number,
  digitsMax: number = FRACTION_DIGITS_MAX,
): boolean {
  if (end - start < DATE_LENGTH + 1 + TIME_LENGTH) return false;
  const separator = bytes[start + DATE_LENGTH];
  if (separator !== 0x54 && separator !== 0x20) return false;
  return isCalendarDate(bytes, start, start + DATE_LENGTH) &&
    isTime(bytes, start + DATE_LENGTH + 1, end, digitsMax);
}

/**
 * The text is an RFC 3339 date-time: `T` between date and time, `Z` or an offset behind it, at most
 * microseconds, of which no more than `digitsMax` digits matter, no leap second; local and UTC year
 * are 0001 to 9999.
 */
export function isTimestamp(
  bytes: Uint8Array,
  start: number,
  end: number,
  digitsMax: number = FRACTION_DIGITS_MAX,
): boolean {
  const length = end - start;
  if (length < TIMESTAMP_LENGTH_MIN || length > TIMESTAMP_LENGTH_MAX) return false;
  const separator = bytes[start + DATE_LENGTH];
  if (separator !== 0x54 && separator !== 0x74) return false;
  if (!isCalendarDate(bytes, start, start + DATE_LENGTH)) return false;
  const minutes = minutesOfDay(bytes, start + DATE_LENGTH + 1);
  if (minutes === -1) return false;
  const zone = skipFraction(bytes, start + TIME_END, end, digitsMax);
  if (zone === -1 || zone === end) return false;
  if (zone === end - 1) return bytes[zone] === 0x5a || bytes[zone] === 0x7a;
  const offset = offsetMinutes(bytes, zone, end);
  return !Number.isNaN(offset) && staysInRange(bytes, start, minutes - offset);
}

/** Minutes since midnight of `HH:MM:SS` at `start`, or -1 when it is no such time. */
function minutesOfDay(bytes: Uint8Array, start: number): number {
  if (bytes[start + 2] !== 0x3a || bytes[start + 5] !== 0x3a) return -1;
  const hour = twoDigits(bytes, start);
  const minute = twoDigits(bytes, start + 3);
  const second = twoDigits(bytes, start + 6);
  return hour <= 23 && minute <= 59 && second <= 59 ? hour * 60 + minute : -1;
}

/** The offset behind a fraction, or `start` when there is none; -1 when it has too many digits. */
function skipFraction(bytes: Uint8Array, start: number, end: number, digitsMax: number): number {
  if (bytes[start] !== 0x2e) return start;
  let position = start + 1;
  let significant = 0;
  while (position < end && isDigit(bytes[position])) {
    if (bytes[position] !== 0x30) significant = position - start;
    position++;
  }
  const digits = position - start - 1;
  return digits >= 1 && digits <= FRACTION_DIGITS_MAX && significant <= digitsMax ? position : -1;
}

/** Minutes east of UTC; NaN when it is no offset that PostgreSQL takes. */
function offsetMinutes(bytes: Uint8Array, start: number, end: number): number {
  const sign = bytes[start] === 0x2b ? 1 : bytes[start] === 0x2d ? -1 : NaN;
  if (end - start !== 6 || bytes[start + 3] !== 0x3a) return NaN;
  const hours = twoDigits(bytes, start + 1);
  const minutes = twoDigits(bytes, start + 4);
  if (!(hours <= OFFSET_HOURS_MAX && minutes <= 59)) return NaN;
  return sign * (hours * 60 + minutes);
}

/** The UTC year is still 0001 to 9999; `utcMinutes` are counted from the local day's midnight. */
function staysInRange(bytes: Uint8Array, start: number, utcMinutes: number): boolean {
  if (utcMinutes < 0) return !isDay(bytes, start, 1, 1, 1);
  if (utcMinutes >= 24 * 60) return !isDay(bytes, start, 9999, 12, 31);
  return true;
}

function isDay(
  bytes: Uint8Array,
  start: number,
  year: number,
  month: number,
  day: number,
): boolean {
  return twoDigits(bytes, start) * 100 + twoDigits(bytes, start + 2) === year &&
    twoDigits(bytes, start + 5) === month && twoDigits(bytes, start + 8) === day;
}

function daysOf(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : DAYS[month - 1] ?? 0;
}

/** The value of two decimal digits; NaN, which fails every comparison, when they are none. */
function twoDigits(bytes: Uint8Array, start: number): number {
  const tens = bytes[start];
  const ones = bytes[start + 1];
  return isDigit(tens) && isDigit(ones) ? (tens - 0x30) * 10 + ones - 0x30 : NaN;
}

function isDigit(code: number | undefined): code is number {
  return code !== undefined && code >= 0x30 && code <= 0x39;
}
