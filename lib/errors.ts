/**
 * The errors on which some caller decides something different. Everything else is a built-in error
 * and means a mistake in the program. This file imports nothing of ours.
 */

/** One wrong or missing setting, worded for the person who has to change it. */
export interface ConfigurationFault {
  /** Name of the setting, for example `DSN` or `ROUTING_FILE: messageConfig.routes[0].subject`. */
  readonly key: string;
  /** What must hold, and what to do. */
  readonly rule: string;
  /** The value found, with every secret taken out; absent when nothing was set. */
  readonly value?: string;
}

/** The program cannot start as it is configured. Lists every fault at once; exit code 2. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  readonly faults: readonly ConfigurationFault[];

  constructor(faults: readonly ConfigurationFault[], options?: ErrorOptions) {
    super(faults.map(describeFault).join("\n"), options);
    this.faults = faults;
  }
}

function describeFault(fault: ConfigurationFault): string {
  const found = fault.value === undefined ? "" : ` (found: ${fault.value})`;
  return `${fault.key}: ${fault.rule}${found}`;
}

/**
 * PostgreSQL cannot be used at the moment: away, restarting, read-only, out of disk or connections,
 * deadlock, serialization failure, timeout. The same work is to be repeated later; it says nothing
 * about the data.
 */
export class StoreUnavailableError extends Error {
  override readonly name = "StoreUnavailableError";
  /** SQLSTATE, or undefined when the connection itself failed. */
  readonly sqlState: string | undefined;
  /** COMMIT was sent and its answer never came: the work may or may not be durable. */
  readonly commitUnknown: boolean;

  constructor(
    message: string,
    options: ErrorOptions & { sqlState?: string | undefined; commitUnknown?: boolean } = {},
  ) {
    super(message, options);
    this.sqlState = options.sqlState;
    this.commitUnknown = options.commitUnknown ?? false;
  }
}

/**
 * One table cannot be written while the database itself works: somebody holds a lock on it
 * (`locked`), or it refuses as a whole: no permission, a view, a wrong schema (`refused`). Other
 * tables are not concerned.
 */
export class TableUnavailableError extends Error {
  override readonly name = "TableUnavailableError";
  readonly table: string;
  readonly kind: "locked" | "refused";
  /** SQLSTATE, when PostgreSQL named one. */
  readonly sqlState: string | undefined;

  constructor(
    message: string,
    options: ErrorOptions & {
      table: string;
      kind: "locked" | "refused";
      sqlState?: string | undefined;
    },
  ) {
    super(message, options);
    this.table = options.table;
    this.kind = options.kind;
    this.sqlState = options.sqlState;
  }
}
