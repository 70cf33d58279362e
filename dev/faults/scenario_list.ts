/** All scenarios, in the order in which they run. */
import type { Scenario } from "./scenario.ts";
import { CRASH_SCENARIOS } from "./scenarios_crash.ts";
import { DATABASE_SCENARIOS } from "./scenarios_database.ts";
import { FAILOVER_SCENARIOS } from "./scenarios_failover.ts";
import { LOST_TAIL_SCENARIOS } from "./scenarios_lost_tail.ts";
import { NATS_SCENARIOS } from "./scenarios_nats.ts";
import { PARKING_SCENARIOS } from "./scenarios_parking.ts";
import { POSTGRES_SCENARIOS } from "./scenarios_postgres.ts";
import { SERVICE_SCENARIOS } from "./scenarios_service.ts";
import { SETTINGS_SCENARIOS } from "./scenarios_settings.ts";
import { SPAN_SCENARIOS } from "./scenarios_spans.ts";
import { TABLE_SCENARIOS } from "./scenarios_tables.ts";

/** See the top of this file. */
export const SCENARIOS: readonly Scenario[] = [
  ...SERVICE_SCENARIOS,
  ...CRASH_SCENARIOS,
  ...POSTGRES_SCENARIOS,
  ...FAILOVER_SCENARIOS,
  ...NATS_SCENARIOS,
  ...LOST_TAIL_SCENARIOS,
  ...SPAN_SCENARIOS,
  ...TABLE_SCENARIOS,
  ...SETTINGS_SCENARIOS,
  ...DATABASE_SCENARIOS,
  ...PARKING_SCENARIOS,
];
