/**
 * What the core counts: every decision point adds here, with its reason. One place to read from for
 * the log's summaries and, later, for metrics. Plain numbers that only grow.
 */
import { EncodingCounts } from "../encoder/encoding_counts.ts";
import type { FlushReason } from "./batch.ts";

/** Counts since start. */
export class Counters {
  /** Messages handed over by the source. */
  messages = 0;
  /** Of those, delivered before. */
  redelivered = 0;
  /** Rows made durable. */
  rows = 0;
  /** Flushes committed, by the reason that made them due. */
  readonly flushes = new Map<FlushReason, number>();
  /** Messages that the ledger knew already, dropped without writing their rows again. */
  ledgerDrops = 0;
  /** Rows and messages kept as rejects. */
  rejectedRows = 0;
  rejectedMessages = 0;
  /** Messages parked while their table could not be written, and those written since. */
  parkedMessages = 0;
  unparkedMessages = 0;
  /** Changes of tables: created, columns added or widened. */
  tableChanges = 0;
  /** Columns that accept more now. */
  widenedColumns = 0;
  /** Columns, widenings and `_overflow` that a table cannot have. */
  refusedChanges = 0;
  /** Values that no column takes, kept in `_overflow`. */
  overflowValues = 0;
  /** Flushes encoded again because the table had changed meanwhile. */
  stalePlans = 0;
  /** Tries that failed for a passing reason. */
  storeRetries = 0;
  tableRetries = 0;
  /** Catalog look-ups asked of the database. */
  lookups = 0;
  /** Deliveries given back to the server: unknown route, full memory of a push source, shutdown. */
  naks = 0;
  /** Deadlines extended. */
  extensions = 0;
  /** What the fast encoder took, and what it left to the exact one. */
  readonly encoding = new EncodingCounts();
  /** Text that PostgreSQL cannot hold, replaced by U+FFFD. */
  textReplacements = 0;
  /** Statuses stored by the monitor, and those given up. */
  statuses = 0;
  statusesLost = 0;

  countFlush(reason: FlushReason): void {
    this.flushes.set(reason, (this.flushes.get(reason) ?? 0) + 1);
  }

  /** All counts as fields of a log line or a document, snake_case. */
  snapshot(): Record<string, number> {
    const fields: Record<string, number> = {
      messages: this.messages,
      redelivered: this.redelivered,
      rows: this.rows,
      ledger_drops: this.ledgerDrops,
      rejected_rows: this.rejectedRows,
      rejected_messages: this.rejectedMessages,
      parked_messages: this.parkedMessages,
      unparked_messages: this.unparkedMessages,
      table_changes: this.tableChanges,
      widened_columns: this.widenedColumns,
      refused_changes: this.refusedChanges,
      overflow_values: this.overflowValues,
      stale_plans: this.stalePlans,
      store_retries: this.storeRetries,
      table_retries: this.tableRetries,
      lookups: this.lookups,
      naks: this.naks,
      extensions: this.extensions,
      records_fast: this.encoding.recordsFast,
      envelopes_fast: this.encoding.envelopesFast,
      envelopes_passed: this.encoding.envelopesPassed,
      encoder_traps: this.encoding.traps,
      text_replacements: this.textReplacements,
      statuses: this.statuses,
      statuses_lost: this.statusesLost,
    };
    for (const [reason, count] of this.flushes) fields[`flushes_${reason}`] = count;
    for (const [reason, count] of this.encoding.recordsPassed) {
      fields[`records_passed_${reason}`] = count;
    }
    return fields;
  }
}
