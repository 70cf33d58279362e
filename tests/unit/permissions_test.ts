/** Flags and permission sets agree with each other and with the settings that the program reads. */
import assert from "node:assert/strict";
import configuration from "../../deno.json" with { type: "json" };
import { permissionFlags, permittedVariables, V8_FLAGS } from "../../dev/permissions.ts";
import { SETTING_NAMES } from "../../lib/config/settings.ts";

for (const set of ["executable", "production"] as const) {
  Deno.test(`permittedVariables() names every setting and nothing else when asked for ${set}`, () => {
    assert.deepEqual([...permittedVariables(set)].sort(), [...SETTING_NAMES].sort());
  });

  Deno.test(`permissions of deno.json refuse what the program never needs in ${set}`, () => {
    const { write, run, ffi, sys, import: imports } = configuration.permissions[set];
    assert.deepEqual({ write, run, ffi, sys, imports }, {
      write: false,
      run: false,
      ffi: false,
      sys: false,
      imports: false,
    });
  });
}

Deno.test("permissionFlags() names hosts and files when the deployment does", () => {
  const flags = permissionFlags("production", { net: ["db:5432", "nats:4222"], read: ["r.yaml"] });
  assert.deepEqual(flags.filter((flag) => !flag.startsWith("--allow-env")), [
    "--no-prompt",
    "--allow-net=db:5432,nats:4222",
    "--allow-read=r.yaml",
    "--ignore-env",
  ]);
});

Deno.test("permissionFlags() gives net and read whole when asked for the executable", () => {
  const flags = permissionFlags("executable");
  assert.ok(flags.includes("--allow-net") && flags.includes("--allow-read"));
});

Deno.test("deno.json starts the program with the V8 flags of production", () => {
  assert.ok(configuration.tasks.start.command.split(" ").includes(V8_FLAGS));
});
