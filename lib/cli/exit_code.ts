/** Exit codes of the program, as the README lists them. */

/** A second signal adds its own: 128 plus the signal's number, 130 or 143. */
export const EXIT_CODES = {
  /** Stopped as asked, or the question was answered. */
  stopped: 0,
  /** A fault at run time, or a bug. */
  failed: 1,
  /** The command line or the configuration is wrong. */
  misconfigured: 2,
  /** `rejects`: not everything that was asked for was done. */
  incomplete: 3,
} as const;

/** One of {@linkcode EXIT_CODES}. */
export type ExitCode = typeof EXIT_CODES[keyof typeof EXIT_CODES];
