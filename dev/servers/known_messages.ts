/** What the ledger knows, for whoever looks into it from outside: entries and ranges alike. */

/** A relation of source, sequence and stored time, one row for each message. */
export const KNOWN_MESSAGES = `(
  select d.source, d.seq, d.stored_ns from state_tables.delivered d
  union all
  select r.source, r.seq + u.place - 1, u.stored_ns from state_tables.delivered_range r
    cross join unnest(r.stored_ns) with ordinality u(stored_ns, place))`;
