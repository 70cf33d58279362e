/** What commands are run with. */
import type { OpenStore } from "./rejects_session.ts";
import type { RunService } from "./run.ts";

/** The composition root's own, or a test's. */
export interface Programs {
  readonly runService: RunService;
  readonly openStore: OpenStore;
}
