/**
 * The catalog that the service reads, as the system's database has it: tables, and processors with
 * their routes. Tests and demo fill it; the program itself never writes it.
 */
import type postgres from "postgres";

/** A processor to put into the catalog. */
export interface ProcessorFixture {
  readonly processorId: string;
  /** `processor.properties`; null when absent. */
  readonly properties?: unknown;
  /** Route ids that lead to it. */
  readonly routes: readonly string[];
}

/** Creates the catalog's tables in the connection's schema. */
export async function createCatalog(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create type processor_status as enum ('CREATED', 'ROUTE', 'ROUTED', 'QUEUED', 'RUNNING',
      'COMPLETED', 'TERMINATE', 'STOPPED', 'FAILED');
    create type processor_state_direction as enum ('INPUT', 'OUTPUT');
    create table processor (
      id varchar(36) primary key,
      provider_id varchar(255),
      project_id varchar(36),
      status processor_status,
      properties jsonb,
      name varchar(255),
      created_date timestamp,
      updated_date timestamp
    );
    create table processor_state (
      id varchar(73) unique,
      internal_id serial,
      processor_id varchar(36),
      state_id varchar(36),
      direction processor_state_direction,
      status processor_status,
      count int,
      current_index int,
      maximum_index int,
      edge_function jsonb,
      primary key (processor_id, state_id, direction)
    );
  `);
}

/** Adds a processor and the routes that lead to it. */
export async function addProcessor(sql: postgres.Sql, fixture: ProcessorFixture): Promise<void> {
  const properties = fixture.properties === undefined || fixture.properties === null
    ? null
    : JSON.stringify(fixture.properties);
  await sql`
    insert into processor (id, provider_id, status, properties, name, created_date)
    values (${fixture.processorId}, 'data/transformers/mixer/state-tables-1.0', 'CREATED',
      ${properties}::text::jsonb, ${fixture.processorId}, localtimestamp)`;
  for (const routeId of fixture.routes) {
    await sql`
      insert into processor_state (id, processor_id, state_id, direction, status)
      values (${routeId}, ${fixture.processorId}, ${crypto.randomUUID()}, 'INPUT', 'CREATED')`;
  }
}
