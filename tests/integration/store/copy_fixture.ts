/** What the tests of COPY share: a session on a database of its own, and data for it. */
import type { PostgresAccess } from "../../../dev/servers/postgres_server.ts";
import type { Session } from "../../../lib/store/session.ts";
import { type FreshDatabase, freshDatabase } from "../../support/servers.ts";
import { encodeLines, openTestSession } from "./store_fixture.ts";

/** A session, and another client of its database. */
export interface CopyFixture extends AsyncDisposable {
  readonly database: FreshDatabase;
  readonly session: Session;
}

/** Opens a session on a fresh database in which `tables` was run. */
export async function openCopyFixture(
  server: PostgresAccess,
  tables: string,
): Promise<CopyFixture> {
  const database = await freshDatabase(server);
  await database.sql.unsafe(tables);
  const session = await openTestSession(database.dsn);
  return {
    database,
    session,
    async [Symbol.asyncDispose](): Promise<void> {
      await session.close();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Rows of one column, as the chunks of a COPY. */
export function lines(...values: string[]): Uint8Array[] {
  return [encodeLines(values).bytes];
}
