/**
 * Structured logs on standard error: JSON lines, or readable text on a terminal. Everything in
 * `lib/` is handed a {@linkcode Log}; only this file knows the logging library. Secrets never reach
 * it: callers pass redacted values. This file imports nothing of ours.
 */
import {
  configure,
  dispose,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type LogRecord,
} from "@logtape/logtape";

/** Levels from the most to the least talkative. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;

/** One of {@linkcode LOG_LEVELS}. */
export type LogLevel = typeof LOG_LEVELS[number];

/** Facts of a log line: snake_case names, units last (`duration_ms`). */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where a part of the program writes its log lines. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** How the log is written. */
export interface LogOptions {
  readonly level: LogLevel;
  /** `json`: a JSON object a line; `text`: for people on a terminal. */
  readonly format: "json" | "text";
  /** Takes one finished line, newline included. */
  readonly write: (line: string) => void;
}

/** Opens the log; dispose it last. Only one is open at a time, as the library's setting is global. */
export async function openLog(options: LogOptions): Promise<Log & AsyncDisposable> {
  const format = options.format === "json"
    ? getJsonLinesFormatter({ categorySeparator: ".", properties: "flatten" })
    : textFormatter();
  await configure({
    reset: true,
    sinks: { lines: (record: LogRecord) => options.write(format(record)) },
    loggers: [
      { category: "state-tables", sinks: ["lines"], lowestLevel: options.level },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["lines"] },
    ],
  });
  const logger = getLogger("state-tables");
  return {
    debug: (message, fields) => logger.debug(escapeBraces(message), { ...fields }),
    info: (message, fields) => logger.info(escapeBraces(message), { ...fields }),
    warn: (message, fields) => logger.warn(escapeBraces(message), { ...fields }),
    error: (message, fields) => logger.error(escapeBraces(message), { ...fields }),
    [Symbol.asyncDispose]: () => dispose(),
  };
}

/** The library reads `{name}` in a message as a placeholder; our messages are plain text. */
function escapeBraces(message: string): string {
  return message.replaceAll("{", "{{").replaceAll("}", "}}");
}

function textFormatter(): (record: LogRecord) => string {
  const format = getTextFormatter({ timestamp: "time", level: "full", category: () => "" });
  return (record) => {
    const fields = Object.entries(record.properties)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
      .join(" ");
    const line = format(record).trimEnd();
    return fields === "" ? `${line}\n` : `${line}  ${fields}\n`;
  };
}
