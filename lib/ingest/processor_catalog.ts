/**
 * What the core needs of the catalog: which processor a message is for, and that processor's
 * properties. The store implements it; the core never writes there.
 */

/** A processor as the catalog knows it. */
export interface ProcessorRecord {
  readonly processorId: string;
  /** `processor.properties` parsed from jsonb, or null. */
  readonly properties: unknown;
}

/** How a message names its processor. */
export interface ProcessorKey {
  readonly routeId: string | null;
  readonly processorId: string | null;
}

/** Looks processors up. Read-only. */
export interface ProcessorCatalog {
  /**
   * Finds the processor of a route, or the processor itself when the route is null or unknown and
   * `processorId` is given; null when neither is there. One query.
   *
   * @throws {StoreUnavailableError} the database cannot be asked at the moment
   */
  findProcessor(
    routeId: string | null,
    processorId: string | null,
  ): Promise<ProcessorRecord | null>;

  /** The same for several keys, in their order. One query. */
  findProcessors(keys: readonly ProcessorKey[]): Promise<readonly (ProcessorRecord | null)[]>;
}
