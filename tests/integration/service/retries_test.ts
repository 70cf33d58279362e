/** Failures that concern one transaction: they are repeated, and said when they do not end. */
import assert from "node:assert/strict";
import { sharedNats, sharedPostgres, waitFor } from "../../support/servers.ts";
import { Stage } from "../../support/stage.ts";

const servers = { nats: await sharedNats(), postgres: await sharedPostgres() };

Deno.test("run says once that a flush fails again and again, and why, and writes it in the end", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 1, batchWindowTTL: 0 });
  const service = await stage.runService();
  await stage.publishAll([{ routeId, records: [{ n: 1 }] }]);
  await stage.waitForRows(table, 1);
  await stage.sql.unsafe(`
    create sequence tries;
    create function refuse() returns trigger language plpgsql as $$ begin
      perform nextval('tries');
      raise exception 'could not serialize access' using errcode = '40001';
    end $$;
    create trigger refuse before insert on "${table}" for each row execute function refuse()`);
  await stage.publishAll([{ routeId, records: [{ n: 2 }] }]);
  const isTriedOften = async (): Promise<boolean> => {
    const [row] = await stage.sql`select last_value >= 8 as yes from tries`;
    return row?.yes === true;
  };
  await waitFor(isTriedOften, { what: "eight tries" });
  await stage.sql.unsafe(`drop trigger refuse on "${table}"`);
  await stage.waitForRows(table, 2);
  await stage.stopService(service);
  // At level debug it is said each time.
  const [line, ...others] = (await service.log()).split("\n")
    .filter((text) => text.includes("again and again") && /"level":"warn/i.test(text));
  assert.deepEqual(others, []);
  assert.match(line ?? "", new RegExp(`"table":"${table}".*could not serialize.*"40001"`));
});
