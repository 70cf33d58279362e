/**
 * Reads the program's log, one JSON object a line: counts of its summaries, warnings, and what may
 * never be in it. Pure.
 */

/** One line of the log; lines that are no JSON (a crash of the runtime) are `raw`. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly raw: string;
}

/** Parses a log. */
export function parseLog(text: string): LogLine[] {
  return text.split("\n").filter((line) => line.trim() !== "").map((raw) => {
    try {
      const fields = JSON.parse(raw) as Record<string, unknown>;
      return {
        level: String(fields.level ?? "").toLowerCase(),
        message: String(fields.message ?? ""),
        fields,
        raw,
      };
    } catch {
      return { level: "raw", message: raw, fields: {}, raw }; // not ours: shown as it is
    }
  });
}

/** Sums a counter over the summaries; each says what was added since the one before. */
export function summed(lines: readonly LogLine[], counter: string): number {
  return lines.filter(({ message }) => message === "Summary")
    .reduce((sum, { fields }) => sum + Number(fields[counter] ?? 0), 0);
}

/** Lines of warnings and errors, and lines that are not the program's own. */
export function complaints(lines: readonly LogLine[]): LogLine[] {
  return lines.filter(({ level }) => ["warn", "warning", "error", "fatal", "raw"].includes(level));
}
