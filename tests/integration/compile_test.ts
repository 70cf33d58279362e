/**
 * `deno task compile`: the executable runs for an ordinary user, in an empty folder, with an empty
 * environment, and holds the program and nothing of what only development needs.
 */
import assert from "node:assert/strict";
import configuration from "../../deno.json" with { type: "json" };
import { findBaseBinary } from "../../dev/base_binary.ts";
import { compileExecutable, UNPRIVILEGED_UID } from "../support/executable.ts";
import { sharedNats, sharedPostgres } from "../support/servers.ts";
import { Stage } from "../support/stage.ts";

/** Sources and libraries come to 15 MB; the servers' binaries alone would be 60. */
const PROGRAM_BYTES_MAX = 25_000_000;

const servers = { nats: await sharedNats(), postgres: await sharedPostgres() };
const executable = await compileExecutable();
globalThis.addEventListener("unload", () => executable[Symbol.dispose]());

Deno.test("executable tells version and commit when asked with an empty environment", async () => {
  const command = await executable.command(["--version"], {});
  const { code, stdout, stderr } = await command.output();
  const [out, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.deepEqual({ code, error }, { code: 0, error: "" });
  assert.ok(out?.includes(`${configuration.version} (commit `), out);
});

Deno.test("executable lists its faults and exits with 2 when nothing is set", async () => {
  const command = await executable.command([], {});
  const { code, stderr } = await command.output();
  const error = new TextDecoder().decode(stderr);
  assert.equal(code, 2);
  assert.match(error, /DSN/);
  assert.doesNotMatch(error, /\n\s+at /);
});

Deno.test("executable holds the program and nothing of development when compiled", async () => {
  const { size } = await Deno.stat(executable.path);
  const baseBinaryBytes = (await Deno.stat(await findBaseBinary())).size;
  assert.ok(size - baseBinaryBytes < PROGRAM_BYTES_MAX, `the executable has ${size} bytes`);
});

Deno.test("executable does the main job as an ordinary user in an empty folder", async () => {
  await using stage = await Stage.open(servers);
  const { routeId, table } = await stage.addProcessor({ batchSize: 50, batchWindowTTL: 1 });
  const emptyFolder = await Deno.makeTempDir({ prefix: "state-tables-empty-" });
  await Deno.chmod(emptyFolder, 0o755);
  const service = await stage.startService({}, {
    executable: executable.path,
    cwd: emptyFolder,
    ...(Deno.uid() === 0 ? { uid: UNPRIVILEGED_UID } : {}),
  });
  await service.ready;
  for (let n = 0; n < 100; n++) {
    await stage.publish(routeId, [{ n, nested: { n } }, { n: n + 0.5 }]);
  }
  const rows = await stage.waitForRows(table, 200);
  assert.equal(new Set(rows.map((row) => row.n)).size, 200);
  await stage.settled();
  const [status] = await stage.waitForStatuses(routeId, 1);
  assert.equal(status?.status, "COMPLETED");
  await stage.stopService(service);
  assert.deepEqual(
    await Array.fromAsync(Deno.readDir(emptyFolder)),
    [],
    "it leaves nothing behind",
  );
  await Deno.remove(emptyFolder);
});
