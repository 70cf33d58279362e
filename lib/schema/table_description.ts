/**
 * What a table looks like, as the catalog says it. The store reads it, the schema rules work on it;
 * it holds no rule itself.
 */

/** Schema and table, unquoted, as the catalog spells them. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** A type as the catalog describes it. */
export interface ValueType {
  /** `pg_type.typname`: in `pg_catalog` spelling, for example `int8`, `varchar`. */
  readonly typeName: string;
  /** Schema of that type; `pg_catalog` for the built-in ones. */
  readonly typeSchema: string;
  /** `pg_attribute.atttypmod`, or `pg_type.typtypmod` of a domain; -1 without a modifier. */
  readonly typmod: number;
  /** `pg_type.typtype`: b base, c composite, d domain, e enum, p pseudo, r range, m multirange. */
  readonly typeKind: string;
  /** Labels of an enum, in order; empty for every other type. */
  readonly enumLabels: readonly string[];
}

/** One live column. */
export interface TableColumn extends ValueType {
  readonly name: string;
  /** Position in the catalog (`pg_attribute.attnum`), from 1. */
  readonly attnum: number;
  /** `pg_attribute.atttypid`. */
  readonly typeOid: number;
  /** The type under a domain, however many lie on each other; null for every other column. */
  readonly domainOver: ValueType | null;
  /** Type of the elements of an array, or of a domain over one; null for every other column. */
  readonly elements: ValueType | null;
  readonly notNull: boolean;
  /** The column or its domain has a DEFAULT expression (not a generated column's). */
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
