/**
 * The schema `state_tables`: the ledger, the rejects and the record of changes. Created at start,
 * under an advisory lock, by whichever instance comes first; programs of different versions run side
 * by side as long as the version row says that the older ones still understand the tables. A role
 * that may not create them works with what it finds.
 */
import { ConfigurationError } from "../errors.ts";
import { BLOCK_SEQUENCES, blockStart } from "./ledger_span_sql.ts";
import { isDefinitionRace } from "./sql_state.ts";
import type { Session } from "./session.ts";
import { StatementError, storeUnavailable } from "./statement_error.ts";
import { inTransaction, type TransactionTimeouts } from "./transaction.ts";

/**
 * Version of the tables that this program makes and understands. 3 has spans (`delivered_span`): a
 * program that does not look there would write their messages again. 2 had ranges
 * (`delivered_range`), whose messages were consecutive.
 */
const VERSION = 3;

/** First key of our advisory locks; the second is 0 for the schema, else a hash of the table. */
export const ADVISORY_LOCK_CLASS = 0x53544142; // "STAB"

const VERSION_TABLE = `CREATE TABLE state_tables.version (
  version int NOT NULL,
  -- the oldest program version that may still work with these tables
  readable_by int NOT NULL
);
INSERT INTO state_tables.version VALUES (${VERSION}, ${VERSION})`;

const DELIVERED = `CREATE TABLE state_tables.delivered (
  source int NOT NULL,
  seq bigint NOT NULL,
  stored_ns bigint NOT NULL,
  PRIMARY KEY (source, seq, stored_ns)
)
-- Pruned at one end and filled at the other: vacuum by count, not by share of the table.
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 500000)`;

/**
 * Several messages in one row; see ledger_span_sql.ts. Inline, as they are written once and hardly ever
 * read.
 */
const DELIVERED_SPAN = `CREATE TABLE state_tables.delivered_span (
  source int NOT NULL,
  seq bigint NOT NULL,
  mask bit(${BLOCK_SEQUENCES}) NOT NULL,
  stored_ns bigint[] NOT NULL,
  PRIMARY KEY (source, seq)
)
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2500,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 25000)`;

/** Of version 2: each range becomes the spans of the blocks that it has messages of. */
const SPANS_FROM_RANGES = `INSERT INTO state_tables.delivered_span (source, seq, mask, stored_ns)
  SELECT r.source, b.first,
    (repeat('0', (b.first - b.start)::int) || repeat('1', (b.last - b.first)::int + 1) ||
      repeat('0', (b.start + ${BLOCK_SEQUENCES - 1} - b.last)::int))::bit(${BLOCK_SEQUENCES}),
    r.stored_ns[(b.first - r.seq)::int + 1:(b.last - r.seq)::int + 1]
  FROM state_tables.delivered_range r
  CROSS JOIN LATERAL (SELECT r.seq + pg_catalog.cardinality(r.stored_ns) - 1 AS last) e
  CROSS JOIN LATERAL (
    SELECT n AS start, greatest(n, r.seq) AS first,
      least(n + ${BLOCK_SEQUENCES - 1}, e.last) AS last
    FROM pg_catalog.generate_series(${blockStart("r.seq")}, e.last, ${BLOCK_SEQUENCES}) n) b`;

const ACK_FLOOR = `CREATE TABLE state_tables.ack_floor (
  source int NOT NULL,
  consumer_created text NOT NULL,
  floor bigint NOT NULL,
  floor_stored_ns bigint NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source, consumer_created, seen_at)
)`;

const REJECTED = `CREATE TABLE state_tables.rejected (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  state text NOT NULL DEFAULT 'rejected' CHECK (state IN ('rejected', 'parked')),
  source int,
  seq bigint,
  stored_ns bigint,
  ordinal int NOT NULL,
  route_id text,
  processor_id text,
  table_name text,
  sqlstate text,
  column_name text,
  constraint_name text,
  reason text NOT NULL,
  record text,
  payload bytea,
  received_at timestamptz NOT NULL,
  UNIQUE (source, seq, stored_ns, ordinal)
);
CREATE INDEX ON state_tables.rejected (state, at)`;

const SCHEMA_CHANGE = `CREATE TABLE state_tables.schema_change (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  table_name text NOT NULL,
  -- with column_number what tells our columns from those made by hand under the same names
  table_oid oid NOT NULL,
  column_name text,
  column_number smallint,
  change text NOT NULL,
  from_type text,
  to_type text,
  reason text NOT NULL,
  source int,
  seq bigint
);
CREATE INDEX ON state_tables.schema_change (table_oid, column_number)`;

/**
 * Numbers of sources begin at random: a program that remembers numbers of a schema that was dropped
 * and made anew must never find them given to others.
 */
function sourceTable(): string {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return `CREATE TABLE state_tables.source (
  id int GENERATED ALWAYS AS IDENTITY (START WITH ${1 + (random >>> 2)}) PRIMARY KEY,
  consumer text NOT NULL,
  filter text NOT NULL,
  stream text NOT NULL,
  created text NOT NULL,
  -- where the consumer was told to begin, for when it has to be created again; or, while it is
  -- another program's, how far it is settled (kind shared)
  begins_at jsonb,
  -- entries up to this sequence, stored no later than this, were pruned: such a message is known
  pruned_seq bigint,
  pruned_ns bigint,
  -- messages up to this sequence may stand in delivered_span
  span_end bigint,
  UNIQUE (consumer, filter, stream, created)
)`;
}

/** Statements for each table; `version` comes last, as it says that the others are there. */
function tableDefinitions(): ReadonlyMap<string, string> {
  return new Map([
    ["source", sourceTable()],
    ["delivered", DELIVERED],
    ["delivered_span", DELIVERED_SPAN],
    ["ack_floor", ACK_FLOOR],
    ["rejected", REJECTED],
    ["schema_change", SCHEMA_CHANGE],
    ["version", VERSION_TABLE],
  ]);
}

/** What the program does with its tables, for the check that the role may. */
const RIGHTS: readonly (readonly [table: string, rights: string])[] = [
  ["version", "SELECT"],
  ["source", "SELECT"],
  ["source", "INSERT"],
  ["source", "UPDATE"],
  ["delivered", "SELECT"],
  ["delivered", "INSERT"],
  ["delivered", "DELETE"],
  ["delivered_span", "SELECT"],
  ["delivered_span", "INSERT"],
  ["delivered_span", "DELETE"],
  ["ack_floor", "SELECT"],
  ["ack_floor", "INSERT"],
  ["ack_floor", "DELETE"],
  ["rejected", "SELECT"],
  ["rejected", "INSERT"],
  ["rejected", "UPDATE"],
  ["rejected", "DELETE"],
  ["schema_change", "SELECT"],
  ["schema_change", "INSERT"],
];

/** Tries when somebody creates the schema at the same moment without our lock. */
const TRIES_MAX = 3;

interface VersionRow {
  readonly version: number;
  readonly readable_by: number;
}

/**
 * Makes sure that the tables are there and that this program may use them. Answers with the names of
 * those that had to be made; all of them on a new database.
 *
 * @throws {ConfigurationError} the role may neither create nor use them, or they are too new
 * @throws {StoreUnavailableError} the database cannot be used at the moment
 */
export async function ensureSchema(
  session: Session,
  timeouts: TransactionTimeouts,
): Promise<readonly string[]> {
  try {
    const made = await isUpToDate(session) ? [] : await createMissing(session, timeouts);
    checkVersion(await readVersion(session));
    await checkRights(session);
    return made;
  } catch (error) {
    throw explain(error);
  }
}

async function isUpToDate(session: Session): Promise<boolean> {
  const found = await readTables(session);
  if (![...tableDefinitions().keys()].every((name) => found.has(name))) return false;
  return (await readVersion(session)).version >= VERSION;
}

async function createMissing(
  session: Session,
  timeouts: TransactionTimeouts,
): Promise<readonly string[]> {
  for (let tries = 1;; tries++) {
    try {
      return await inTransaction(session, timeouts, () => createTables(session));
    } catch (error) {
      const isRace = error instanceof StatementError &&
        isDefinitionRace(error.sqlState, error.schema);
      if (!isRace || tries >= TRIES_MAX) throw error;
    }
  }
}

async function createTables(session: Session): Promise<readonly string[]> {
  await session.queryOnce(`SELECT pg_catalog.pg_advisory_xact_lock(${ADVISORY_LOCK_CLASS}, 0)`);
  const found = await readTables(session);
  // A newer program may have tables of other names: then nothing of ours is to be added.
  if (found.has("version")) checkVersion(await readVersion(session));
  const schemas = await session.queryOnce(
    "SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'state_tables'",
  );
  // CREATE SCHEMA asks for the right on the database even where IF NOT EXISTS has nothing to do.
  if (schemas.length === 0) await session.execute("CREATE SCHEMA state_tables");
  const missing = [...tableDefinitions()].filter(([name]) => !found.has(name));
  for (const [, statements] of missing) await session.execute(statements);
  await upgrade(session);
  return missing.map(([name]) => name);
}

/**
 * Brings tables of an older version up to this one; what they know stays. Goes by what is there, as the
 * version may have been dropped and made anew.
 */
async function upgrade(session: Session): Promise<void> {
  const ends = await session.queryOnce<{ name: string }>(
    `SELECT a.attname AS name FROM pg_catalog.pg_attribute a
     JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'state_tables' AND c.relname = 'source'
       AND a.attname IN ('range_end', 'span_end')`,
  );
  if (ends.length === 0) {
    await session.execute("ALTER TABLE state_tables.source ADD COLUMN span_end bigint");
  } else if (ends.some(({ name }) => name === "range_end")) {
    await session.execute("ALTER TABLE state_tables.source RENAME COLUMN range_end TO span_end");
  }
  if ((await readTables(session)).has("delivered_range")) {
    await session.execute(SPANS_FROM_RANGES);
    await session.execute("DROP TABLE state_tables.delivered_range");
  }
  if ((await readVersion(session)).version >= VERSION) return;
  await session.execute(`INSERT INTO state_tables.version VALUES (${VERSION}, ${VERSION})`);
}

async function readTables(session: Session): Promise<ReadonlySet<string>> {
  const rows = await session.queryOnce<{ name: string }>(
    `SELECT c.relname AS name FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'state_tables' AND c.relkind IN ('r', 'p')`,
  );
  return new Set(rows.map(({ name }) => name));
}

async function readVersion(session: Session): Promise<VersionRow> {
  const [row] = await session.queryOnce<VersionRow>(
    "SELECT version, readable_by FROM state_tables.version ORDER BY version DESC LIMIT 1",
  );
  if (row !== undefined) return row;
  throw new ConfigurationError([{
    key: "DSN",
    rule: "the table state_tables.version must have a row; drop the table and it is made again",
  }]);
}

function checkVersion(found: VersionRow): void {
  if (found.readable_by <= VERSION) return;
  throw new ConfigurationError([{
    key: "DSN",
    rule: `the schema state_tables must be readable by version ${VERSION} of its tables; ` +
      "run the newer program, or give this one a database of its own",
    value: `version ${found.version}, readable by ${found.readable_by} and later`,
  }]);
}

async function checkRights(session: Session): Promise<void> {
  const values = RIGHTS.map(([table, right]) => `('${table}', '${right}')`).join(", ");
  const missing = await session.queryOnce<{ right: string; name: string }>(
    `SELECT r AS right, t AS name FROM (VALUES ${values}) u(t, r)
     WHERE NOT pg_catalog.has_table_privilege('state_tables.' || t, r)`,
  );
  if (missing.length === 0) return;
  throw new ConfigurationError([{
    key: "DSN",
    rule: "the role must have these rights: " +
      missing.map(({ right, name }) => `${right} on state_tables.${name}`).join(", "),
  }]);
}

function explain(error: unknown): unknown {
  if (error instanceof StatementError && error.sqlState === "42501") {
    return new ConfigurationError([{
      key: "DSN",
      rule: "the role must have CREATE on the database, or the schema state_tables must be there " +
        `and the role have rights on it; PostgreSQL says: ${error.message}`,
    }], { cause: error });
  }
  return storeUnavailable(error, "prepare the schema state_tables");
}
