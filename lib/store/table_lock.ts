/**
 * The locks by which instances take turns at one table. Changes hold an advisory transaction lock on
 * the table's names, then the table itself; an index is built under an advisory session lock on the
 * table's OID, by which a change finds the build and cancels it, since it would wait for minutes.
 */
import type { TableIdentity } from "../ingest/ports.ts";
import { tableNames } from "../schema/identifiers.ts";
import { ADVISORY_LOCK_CLASS } from "./migrations.ts";
import type { Session } from "./session.ts";
import { qualifiedName, textArray } from "./sql_text.ts";
import { StatementError } from "./statement_error.ts";

/** First key of the locks under which indexes are built; the second is the table's OID. */
const INDEX_LOCK_CLASS = ADVISORY_LOCK_CLASS + 1;

/** Sorted, so that two changes with two names each cannot deadlock. */
const LOCK_NAMES = `SELECT pg_catalog.pg_advisory_xact_lock(${ADVISORY_LOCK_CLASS}, key)
  FROM (SELECT DISTINCT pg_catalog.hashtext(name) AS key
        FROM pg_catalog.unnest($1::text[]) u(name) ORDER BY 1) keys`;

/** An OID as the int4 that an advisory lock takes; pg_locks shows it as the OID again. */
const TRY_INDEX_LOCK = `SELECT pg_catalog.pg_try_advisory_lock(${INDEX_LOCK_CLASS},
  $1::bigint::bit(32)::int4) AS locked`;

/** Well below PostgreSQL's `deadlock_timeout` of 1 s, and below a builder's pause after a cancel. */
const FIRST_WAIT_MS = 250;

/** Only those of our own role: another role's may not be cancelled, and asking is an error. */
const CANCEL_INDEX_BUILD = `SELECT pg_catalog.pg_cancel_backend(l.pid)
  FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'advisory' AND l.granted AND l.classid = ${INDEX_LOCK_CLASS}::oid
    AND l.objid = $1::bigint::oid AND l.objsubid = 2 AND a.datname = pg_catalog.current_database()
    AND a.usename = current_user`;

/** Waits, within the transaction's `lock_timeout`, until nobody else of us changes the table. */
export async function lockNames(
  session: Session,
  schema: string,
  { fullName, legacyName }: TableIdentity,
): Promise<void> {
  const names = legacyName === null ? [fullName] : [fullName, legacyName];
  // PostgreSQL's own cut: full names that could lead to one table share it.
  const lockNames = names.map(tableNames).map(({ name, truncated }) => truncated ?? name);
  await session.query(LOCK_NAMES, [textArray(lockNames.map((name) => `${schema}.${name}`))]);
}

/** Takes the right to build indexes of a table until the session ends; false when it is taken. */
export async function tryIndexLock(session: Session, tableOid: number): Promise<boolean> {
  const [row] = await session.query<{ locked: boolean }>(TRY_INDEX_LOCK, [tableOid]);
  return row?.locked === true;
}

/**
 * Locks the table against everybody else, within `waitMs`. A build that began just after it was to be
 * cancelled is cancelled once more: it waits for the snapshots of those who wait for our advisory
 * lock, which would be a deadlock. LOCK itself takes no snapshot.
 *
 * @throws {StatementError} 55P03 when others hold the table for too long
 */
export async function lockTable(
  session: Session,
  table: { readonly schema: string; readonly name: string; readonly oid: number },
  waitMs: number,
): Promise<void> {
  const firstMs = Math.ceil(Math.min(FIRST_WAIT_MS, waitMs / 2));
  const lock = `LOCK TABLE ${qualifiedName(table)} IN ACCESS EXCLUSIVE MODE`;
  await session.query(CANCEL_INDEX_BUILD, [table.oid]);
  await session.execute(`SAVEPOINT lock_table; SET LOCAL lock_timeout = ${firstMs}`);
  try {
    await session.execute(lock);
    return;
  } catch (error) {
    // 55P03: lock_not_available
    if (!(error instanceof StatementError) || error.sqlState !== "55P03") throw error;
  }
  await session.execute("ROLLBACK TO SAVEPOINT lock_table");
  await session.query(CANCEL_INDEX_BUILD, [table.oid]);
  await session.execute(`SET LOCAL lock_timeout = ${Math.ceil(waitMs - firstMs)}`);
  await session.execute(lock);
}
