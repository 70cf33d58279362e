/**
 * How the text of one environment variable becomes a value: whole numbers with bounds, sizes in
 * bytes, switches, choices, lists and starting points. A format throws a {@linkcode ConfigurationError}
 * that names the rule; which variables are secret, and whose value is therefore not shown, is decided
 * in `setting_reader.ts`.
 */
import { ConfigurationError } from "../errors.ts";

/**
 * Reads the text of a setting; `key` names it in the faults.
 *
 * @throws {ConfigurationError} the text breaks the rule
 */
export type Format<T> = (text: string, key: string) => T;

/** Any text. */
export function plainText(text: string): string {
  return text;
}

/** A whole number within bounds, multiplied by `unit` (milliseconds in a second, and so on). */
export function wholeNumber(
  bounds: { readonly min: number; readonly max: number },
  unit = 1,
): Format<number> {
  return (text, key) => {
    const number = Number(text);
    if (!/^\d{1,15}$/.test(text) || number < bounds.min || number > bounds.max) {
      throw refusal(key, `must be a whole number from ${bounds.min} to ${bounds.max}`, text);
    }
    return number * unit;
  };
}

/** A whole number of minutes in milliseconds; 0 stands for never, null. */
export function minutesOrNever(max: number): Format<number | null> {
  const read = wholeNumber({ min: 0, max }, 60_000);
  return (text, key) => read(text, key) || null;
}

const BYTE_UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["kib", 1024],
  ["mib", 1024 ** 2],
  ["gib", 1024 ** 3],
]);

/** A size such as `16MiB`, `512 KiB` or a bare count of bytes, not below `min` bytes. */
export function byteSize(min: number): Format<number> {
  return (text, key) => {
    const [, digits, unit = ""] = /^(\d{1,12}) ?([A-Za-z]*)$/.exec(text) ?? [];
    const bytes = Number(digits) * (BYTE_UNITS.get(unit.toLowerCase()) ?? Number.NaN);
    if (!(bytes >= min) || bytes > Number.MAX_SAFE_INTEGER) {
      throw refusal(key, `must be a size of at least ${min} bytes, such as 16MiB or 512KiB`, text);
    }
    return bytes;
  };
}

const SWITCH: Readonly<Record<string, boolean>> = {
  true: true,
  on: true,
  yes: true,
  "1": true,
  false: false,
  off: false,
  no: false,
  "0": false,
};

/** One of the words of a table, in any case, standing for the table's value. */
export function oneOf<T>(values: Readonly<Record<string, T>>): Format<T> {
  const known = new Map(Object.entries(values).map(([word, value]) => [word.toLowerCase(), value]));
  return (text, key) => {
    const value = known.get(text.toLowerCase());
    if (value === undefined) {
      throw refusal(key, `must be one of ${Object.keys(values).join(", ")}`, text);
    }
    return value;
  };
}

/** `true` or `false`, with the usual other spellings. */
export const onOrOff: Format<boolean> = oneOf(SWITCH);

/** A comma-separated list; empty items are left out. */
export function commaList(text: string): readonly string[] {
  return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
}

/** Where a consumer that is created begins: `START_FROM`. */
export type StartFrom =
  | { readonly kind: "all" }
  | { readonly kind: "new" }
  /** Stream sequence, from 1. */
  | { readonly kind: "sequence"; readonly sequence: number }
  | { readonly kind: "time"; readonly time: Date };

/** `all`, `new`, a stream sequence from 1, or an RFC 3339 time with a zone. */
export const startFrom: Format<StartFrom> = (text, key) => {
  const word = text.toLowerCase();
  if (word === "all" || word === "new") return { kind: word };
  const sequence = Number(text);
  if (/^\d+$/.test(text) && sequence >= 1 && Number.isSafeInteger(sequence)) {
    return { kind: "sequence", sequence };
  }
  const isDateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(text);
  const time = new Date(isDateTime ? text : Number.NaN);
  if (Number.isNaN(time.getTime())) {
    throw refusal(
      key,
      "must be all, new, a stream sequence from 1, or a time such as 2026-11-24T15:00:00Z",
      text,
    );
  }
  return { kind: "time", time };
};

const SHOWN_CHARS_MAX = 80;

/** The error for one broken rule. Anything in the value that looks like credentials is taken out. */
export function refusal(key: string, rule: string, text: string): ConfigurationError {
  const value = JSON.stringify(text.slice(0, SHOWN_CHARS_MAX))
    .replaceAll(/\/\/.*@/g, "//(not shown)@")
    .replaceAll(/pass\w*\s*[=:].*/gi, "(not shown)");
  return new ConfigurationError([{ key, rule, value }]);
}
