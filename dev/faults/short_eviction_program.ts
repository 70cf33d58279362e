/**
 * The program as `main.ts` runs it, with its production permissions, but forgetting an idle batch
 * writer after a fifth of a second; the setting begins at a minute.
 */
import { openServiceStore, runService } from "../../lib/service.ts";
import { main } from "../../main.ts";

const IDLE_EVICTION_MS = 200;

await main({
  runService: (options) =>
    runService({ ...options, settings: { ...options.settings, idleEvictionMs: IDLE_EVICTION_MS } }),
  openStore: openServiceStore,
}, Deno.args);
