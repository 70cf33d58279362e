/** All workloads, in the order in which they run and are shown. */
import type { Workload } from "./workload.ts";
import { GROWTH } from "./workloads/growth.ts";
import { W4 } from "./workloads/latency.ts";
import { INSTANCE_COUNTS } from "./workloads/instances.ts";
import { BACKLOG, W2, W3 } from "./workloads/messages.ts";
import { W1, W5_TEXT, W5_WIDE, W7 } from "./workloads/rows.ts";
import { W6 } from "./workloads/statement_shapes.ts";
import { IDLE, START } from "./workloads/standing.ts";

/** See the top of this file. */
export const WORKLOADS: readonly Workload[] = [
  W1,
  W2,
  W3,
  W4,
  W5_WIDE,
  W5_TEXT,
  W6,
  W7,
  BACKLOG,
  IDLE,
  START,
  INSTANCE_COUNTS,
  GROWTH,
];
