/** Lengths of time as people type them on the command line: `7d`, `12h`, `30m`, `45s`. */
import { message } from "@optique/core/message";
import type { ValueParser, ValueParserResult } from "@optique/core/valueparser";

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

type Unit = keyof typeof UNITS_MS;

/** A whole number with a unit, in milliseconds; null when it is none. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  return match === null ? null : Number(match[1]) * UNITS_MS[match[2] as Unit];
}

/** Reads the value of an option as a length of time in milliseconds. */
export const duration: ValueParser<"sync", number> = {
  mode: "sync",
  metavar: "TIME",
  placeholder: 0,
  parse(input): ValueParserResult<number> {
    const value = parseDuration(input);
    if (value !== null) return { success: true, value };
    return {
      success: false,
      error:
        message`Expected a length of time such as ${"7d"}, ${"12h"} or ${"30m"}, but got ${input}.`,
    };
  },
  format: (value) => `${value / UNITS_MS.s}s`,
};
