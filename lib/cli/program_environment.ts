/**
 * What a command may know of the process it runs in. `main.ts` makes the real one; a test makes its
 * own, so that commands need no permission to be tested.
 */
import type { SettingSource } from "../config/setting_reader.ts";

/** The process as commands see it. */
export interface ProgramEnvironment extends SettingSource {
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  /** Writes text to standard output, whole and at once. */
  readonly writeOut: (text: string) => void;
  /** Writes text to standard error, whole and at once. */
  readonly writeError: (text: string) => void;
  /** Asks on standard error and waits for a line of standard input; null at its end or when stopped. */
  readonly ask: (question: string) => Promise<string | null>;
  /** Somebody can be asked: standard input and standard error are a terminal. */
  readonly isInteractive: boolean;
  /** Standard error is a terminal. */
  readonly isTerminal: boolean;
  /** Columns of the terminal; null when unknown. */
  readonly terminalColumns: number | null;
  /** Aborted by the first SIGTERM or SIGINT; the second ends the process. */
  readonly stop: AbortSignal;
  /** Sets who is told of an error that nobody caught, just before the process ends with code 1. */
  readonly onUncaughtError: (report: (error: unknown) => void) => void;
}
