/**
 * The program as `main.ts` runs it, with its production permissions, but for one failpoint at which it
 * ends as if it were killed: exit code 137, nothing written or closed any more. The first argument
 * names it, `after-commit:3` for the third commit; what follows is the program's own.
 */
import { openServiceStore, runService } from "../../lib/service.ts";
import { main } from "../../main.ts";
import { decorateWithFailpoint, EXIT_AT_FAILPOINT, readFailpoint } from "./failpoints.ts";

const [choice = "", ...args] = Deno.args;
const decorate = decorateWithFailpoint(
  readFailpoint(choice),
  () => Deno.exit(EXIT_AT_FAILPOINT),
);
await main({
  runService: (options) => runService(options, decorate),
  openStore: openServiceStore,
}, args);
