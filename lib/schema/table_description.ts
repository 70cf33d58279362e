/**
 * What a table looks like, as the catalog says it. The store reads it, the schema rules work on it;
 * it holds no rule itself.
 */

/** Schema and table, unquoted, as the catalog spells them. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** One live column. */
export interface TableColumn {
  readonly name: string;
  /** Position in the catalog (`pg_attribute.attnum`), from 1. */
  readonly attnum: number;
  /** `pg_type.typname` of the column's type in `pg_catalog` spelling, for example `int8`, `varchar`. */
  readonly typeName: string;
  /** Schema of that type; `pg_catalog` for the built-in ones. */
  readonly typeSchema: string;
  /** `pg_attribute.atttypid`. */
  readonly typeOid: number;
  /** `pg_attribute.atttypmod`; -1 when the type has no modifier. */
  readonly typmod: number;
  /** `pg_type.typtype`: b base, c composite, d domain, e enum, p pseudo, r range, m multirange. */
  readonly typeKind: string;
  /** Labels of an enum, in order; empty for every other type. */
  readonly enumLabels: readonly string[];
  readonly notNull: boolean;
  /** The column has a DEFAULT expression (not a generated column's). */
  readonly hasDefault: boolean;
  /** GENERATED ALWAYS AS (…): nothing can be sent. */
  readonly generated: boolean;
  /** GENERATED … AS IDENTITY: `always`, `default`, or `none`. */
  readonly identity: "always" | "default" | "none";
  /** COMMENT ON COLUMN. Ours hold the full key of a column whose name had to be cut. */
  readonly comment: string | null;
}

/** A table at one moment. */
export interface TableDescription extends TableName {
  readonly oid: number;
  /** `pg_class.relkind`: r table, p partitioned, v view, m materialized view, f foreign, S sequence. */
  readonly relationKind: string;
  /** Live columns by attnum. */
  readonly columns: readonly TableColumn[];
  /**
   * Text that changes when a column is added, dropped, renamed or retyped, or the table is another
   * one of the same name. The write transaction compares it before COPY (design §4).
   */
  readonly fingerprint: string;
}
