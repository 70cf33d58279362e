/** What the ledger knows, for whoever looks into it from outside: entries and spans alike. */
import { MESSAGES_OF_SPAN } from "../../lib/store/ledger_span_sql.ts";

/** A relation of source, sequence and stored time, one row for each message. */
export const KNOWN_MESSAGES = `(
  select d.source, d.seq, d.stored_ns from state_tables.delivered d
  union all
  select p.source, m.seq, m.stored_ns from state_tables.delivered_span p
    cross join lateral ${MESSAGES_OF_SPAN} m)`;
