/**
 * Arguments of `state-tables rejects`: which rejects, and what to do with them. What would touch every
 * reject has to say so with `--all`.
 */
import { object, or } from "@optique/core/constructs";
import { type Message, message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import type { InferValue, Parser } from "@optique/core/parser";
import { argument, command, constant, option } from "@optique/core/primitives";
import { choice, integer, string, type ValueParser } from "@optique/core/valueparser";
import { REJECT_STATES, type RejectFilter } from "../ingest/kept_reject.ts";
import { duration } from "./duration.ts";

/** What a listing shows unless told otherwise. */
const LIST_ROWS = 50;

/** A listing is built in memory. */
const LIST_ROWS_MAX = 100_000;

/** Ids on one command line. */
const IDS_MAX = 10_000;

/** `bigint` of PostgreSQL has 19 digits at most. */
const ID = string({
  metavar: "ID",
  pattern: /^[0-9]{1,18}$/,
  errors: {
    patternMismatch: (input) => message`Expected the number of a reject, but got ${input}.`,
  },
});

const JSON_OPTION = option("--json", { description: message`Write an object a line.` });

const ALL_OPTION = option("--all", { description: message`Every reject.` });

const FILTER = {
  processorId: chosen("--processor", string({ metavar: "ID" }), message`Of this processor.`),
  tableName: chosen("--table", string({ metavar: "NAME" }), message`Meant for this table.`),
  routeId: chosen("--route", string({ metavar: "ID" }), message`Of this route.`),
  reasonPart: chosen(
    "--reason",
    string({ metavar: "TEXT" }),
    message`With this text in the reason, in any case.`,
  ),
  ageMinMs: chosen("--older-than", duration, message`Kept for longer, for example ${"7d"}.`),
  ageMaxMs: chosen("--newer-than", duration, message`Kept for less, for example ${"12h"}.`),
};

const STATE = chosen(
  "--state",
  choice(REJECT_STATES, { metavar: "rejected|parked" }),
  message`Rejected, or parked until their table is back.`,
);

const IDS = multiple(argument(ID, { description: message`Numbers, as list shows them.` }), {
  max: IDS_MAX,
});

const LIMIT = optional(option("--limit", integer({ min: 1, metavar: "COUNT" }), {
  description: message`The oldest of them only, at most so many.`,
}));

const LIST = object({
  kind: constant("rejects-list"),
  ...FILTER,
  state: STATE,
  limit: withDefault(
    option("--limit", integer({ min: 1, max: LIST_ROWS_MAX, metavar: "COUNT" }), {
      description: message`At most so many, the newest first.`,
    }),
    LIST_ROWS,
  ),
  json: JSON_OPTION,
});

const SHOW = object({
  kind: constant("rejects-show"),
  id: argument(ID, { description: message`Number, as list shows it.` }),
  json: JSON_OPTION,
});

const REPLAY = object({
  kind: constant("rejects-replay"),
  ids: IDS,
  ...FILTER,
  all: ALL_OPTION,
  limit: LIMIT,
  json: JSON_OPTION,
});

const PURGE = object({
  kind: constant("rejects-purge"),
  ids: IDS,
  ...FILTER,
  state: STATE,
  all: ALL_OPTION,
  limit: LIMIT,
  json: JSON_OPTION,
  yes: option("--yes", { description: message`Do not ask.` }),
});

/** `rejects list`. */
export type ListArguments = InferValue<typeof LIST>;
/** `rejects show`. */
export type ShowArguments = InferValue<typeof SHOW>;
/** `rejects replay`. */
export type ReplayArguments = InferValue<typeof REPLAY>;
/** `rejects purge`. */
export type PurgeArguments = InferValue<typeof PURGE>;

/** One of the `rejects` commands. */
export type RejectsArguments = ListArguments | ShowArguments | ReplayArguments | PurgeArguments;

/** The parser of everything behind the program's name that begins with `rejects`. */
export const REJECTS = command(
  "rejects",
  or(
    command("list", LIST, {
      brief: message`List rejects, the newest first.`,
    }),
    command("show", SHOW, {
      brief: message`Show everything that is kept of one reject.`,
    }),
    command("replay", REPLAY, {
      brief: message`Write rejects that fit by now into their tables.`,
      description:
        message`Takes ids, filters, or --all. A reject leaves in the transaction that writes its rows; one that still does not fit stays, with its new reason. Exit code 3 says that some stayed.`,
    }),
    command("purge", PURGE, {
      brief: message`Delete rejects for good.`,
      description:
        message`Takes ids, filters, or --all, and asks first unless --yes is given. Parked rows go only with --state=parked.`,
    }),
  ),
  {
    brief: message`Look at what could not be written, and replay or purge it.`,
    description: message`Reads the same settings as run, and needs only the database.`,
  },
);

/** The filter that arguments ask for. */
export function filterOf(
  choice: Omit<ListArguments, "kind" | "limit" | "json" | "state"> & {
    readonly state?: ListArguments["state"];
    readonly ids?: readonly string[];
  },
): RejectFilter {
  const { ids, processorId, tableName, routeId, reasonPart, state, ageMinMs, ageMaxMs } = choice;
  return {
    ids: ids === undefined || ids.length === 0 ? null : ids,
    processorId: processorId ?? null,
    tableName: tableName ?? null,
    routeId: routeId ?? null,
    reasonPart: reasonPart ?? null,
    state: state ?? null,
    ageMinMs: ageMinMs ?? null,
    ageMaxMs: ageMaxMs ?? null,
  };
}

/** What is wrong with a choice that would change rejects: none made, or two that contradict. */
export function choiceFault(filter: RejectFilter, all: boolean): string | null {
  const isNarrowed = Object.values(filter).some((value) => value !== null);
  if (!isNarrowed && !all) return "name ids or filters, or say --all";
  return isNarrowed && all ? "--all contradicts ids and filters: leave one of them out" : null;
}

function chosen<T>(
  name: `--${string}`,
  value: ValueParser<"sync", T>,
  description: Message,
): Parser<"sync", T | undefined, unknown> {
  return optional(option(name, value, { description }));
}
