/**
 * Reads the routing file (contract §2) and picks routes out of it. The file holds the routes of every
 * service: a row is checked only when it is picked, and then strictly, so a neighbour's odd row never
 * stops this program. Faults carry the path of the field; URLs are never shown, they may hold a
 * password.
 */
import { CORE_SCHEMA, loadAll, mergeTag, YAMLException } from "js-yaml";
import * as v from "valibot";
import { ConfigurationError, type ConfigurationFault } from "../errors.ts";
import { parseNatsUrls, splitNatsUrls } from "./nats_url.ts";

/** One route, checked. */
export interface Route {
  readonly selector: string;
  /** Stream to create when no stream owns the subject. */
  readonly name: string | null;
  /** Queue group; under JetStream also the durable consumer. */
  readonly queue: string | null;
  readonly subject: string;
  /** Servers of one cluster, as written; may carry credentials, see `parseNatsUrls`. */
  readonly urls: readonly string[];
  /** `false` forces core NATS. */
  readonly jetstreamEnabled: boolean | null;
  /** Messages delivered and not settled; -1 for no limit; null for the default. */
  readonly maxAckPending: number | null;
  readonly ackWaitMs: number | null;
  readonly mode: "push" | "pull" | null;
  /** Messages per pull. */
  readonly batchSize: number | null;
  /** Stream that a created stream mirrors. */
  readonly mirror: string | null;
}

/** What a route is picked for: its subject is read from, or written to. */
export type RouteUse = "consume" | "publish";

/** A row of the file, not yet checked. */
export interface RoutingRow {
  /** Position in `messageConfig.routes`, from 0. */
  readonly index: number;
  readonly selector: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const TEXT = v.string("must be text");
const WHOLE = v.pipe(v.number("must be a whole number"), v.integer("must be a whole number"));
const COUNT = v.pipe(WHOLE, v.minValue(0, "must not be negative"));
const LIMIT = v.pipe(WHOLE, v.minValue(-1, "must be a count, or -1 for no limit"));
const SECONDS = v.pipe(
  v.number("must be a number of seconds"),
  v.finite("must be a number of seconds"),
  v.minValue(0, "must not be negative"),
);

/** Empty and 0 stand for "not set", as in the Go service. */
const SET_TEXT = v.pipe(v.nullish(TEXT, null), v.transform((text) => text || null));
const setNumber = <Kind extends v.GenericSchema<number>>(
  kind: Kind,
): v.GenericSchema<unknown, number | null> =>
  v.pipe(v.nullish(kind, null), v.transform((value) => value || null));

const ROUTE_FIELDS = v.object({
  name: SET_TEXT,
  queue: SET_TEXT,
  subject: v.pipe(TEXT, v.minLength(1, "must not be empty")),
  url: v.nullish(TEXT),
  jetstream_enabled: v.nullish(v.boolean("must be true or false")),
  max_ack_pending: setNumber(LIMIT),
  ack_wait: setNumber(SECONDS),
  mode: SET_TEXT,
  batch_size: setNumber(COUNT),
  mirror: SET_TEXT,
});
type RouteFields = v.InferOutput<typeof ROUTE_FIELDS>;

/** YAML 1.2, with keys to be merged. */
const SCHEMA = CORE_SCHEMA.withTags(mergeTag);

/**
 * Reads the text of the routing file.
 *
 * @throws {ConfigurationError} the text is no YAML, or has no list of routes
 */
export function parseRouting(yamlText: string): readonly RoutingRow[] {
  const [content, ...others] = readDocuments(yamlText);
  if (others.length > 0) {
    throw routingError("", `must be one YAML document, and holds ${others.length + 1}`);
  }
  return readRoutingRows(content);
}

/** The last of several equal keys counts. */
function readDocuments(yamlText: string): readonly unknown[] {
  try {
    return loadAll(yamlText, { schema: SCHEMA, json: true });
  } catch (error) {
    // What the parser says may quote the text, and the text may hold a password. It throws others, too.
    const mark = error instanceof YAMLException ? error.mark : undefined;
    const place = mark === undefined
      ? ""
      : `: fault at line ${mark.line + 1}, column ${mark.column + 1}`;
    throw routingError("", `must be YAML${place}`);
  }
}

/**
 * Finds the rows in the content of the routing file. Rows without a selector are left out.
 *
 * @throws {ConfigurationError} there is no list `messageConfig.routes`
 */
export function readRoutingRows(content: unknown): readonly RoutingRow[] {
  const messageConfig = isRecord(content) ? content.messageConfig : undefined;
  const routes = isRecord(messageConfig) ? messageConfig.routes : undefined;
  if (!Array.isArray(routes)) {
    throw routingError("messageConfig.routes", "must be a list of routes");
  }
  return routes.flatMap((fields: unknown, index) =>
    isRecord(fields) && typeof fields.selector === "string"
      ? [{ index, selector: fields.selector, fields }]
      : []
  );
}

/**
 * Picks the route of a selector: the row with exactly this selector (the last one, as in the Go
 * service), else the one whose selector ends in `/*` and begins likewise; null when there is none.
 * `urls`, when given, replaces the row's own `url`.
 *
 * @throws {ConfigurationError} several wildcards match, or the row is wrong; lists every fault
 */
export function selectRoute(
  rows: readonly RoutingRow[],
  selector: string,
  options: { readonly use: RouteUse; readonly urls: readonly string[] | null },
): Route | null {
  const exact = rows.findLast((row) => row.selector === selector);
  if (exact !== undefined) return readRoute(exact, options);
  const matches = rows.filter((row) =>
    row.selector.endsWith("/*") && selector.startsWith(row.selector.slice(0, -1))
  );
  const [match, ...others] = matches;
  if (others.length > 0) {
    throw routingError(
      "messageConfig.routes",
      `must have one route for the selector ${selector}: rows ` +
        `${matches.map((row) => row.index).join(", ")} all match it by their wildcard`,
    );
  }
  return match === undefined ? null : readRoute(match, options);
}

/** JetStream is used when the route has both a name and a queue, and does not turn it off. */
export function usesJetStream(route: Route): boolean {
  return route.name !== null && route.queue !== null && route.jetstreamEnabled !== false;
}

function readRoute(
  row: RoutingRow,
  options: { readonly use: RouteUse; readonly urls: readonly string[] | null },
): Route {
  const path = (field: string): string => `messageConfig.routes[${row.index}].${field}`;
  const parsed = v.safeParse(ROUTE_FIELDS, row.fields);
  if (!parsed.success) {
    throw new ConfigurationError(parsed.issues.map((issue) => ({
      key: routingKey(path(String(issue.path?.[0].key ?? ""))),
      rule: issue.message,
    })));
  }
  const fields = parsed.output;
  const urls = options.urls ?? splitNatsUrls(fields.url ?? "");
  const faults = [
    ...checkSubject(fields.subject, options.use),
    ...checkNames(fields),
    ...checkMode(fields.mode, options.use),
  ].map(([field, rule]): ConfigurationFault => ({ key: routingKey(path(field)), rule }));
  if (options.urls === null) faults.push(...checkUrls(urls, routingKey(path("url"))));
  if (faults.length > 0) throw new ConfigurationError(faults);
  return {
    selector: row.selector,
    name: fields.name,
    queue: fields.queue,
    subject: fields.subject,
    urls,
    jetstreamEnabled: fields.jetstream_enabled ?? null,
    maxAckPending: fields.max_ack_pending,
    ackWaitMs: fields.ack_wait === null ? null : fields.ack_wait * 1_000,
    mode: fields.mode === "push" || fields.mode === "pull" ? fields.mode : null,
    batchSize: fields.batch_size,
    mirror: fields.mirror,
  };
}

type FieldFault = readonly [field: string, rule: string];

function checkSubject(subject: string, use: RouteUse): readonly FieldFault[] {
  const tokens = subject.split(".");
  if (/[{}]/.test(subject)) return [["subject", "cannot hold a placeholder in braces"]];
  if (/\s/.test(subject) || tokens.includes("") || tokens.slice(0, -1).includes(">")) {
    return [["subject", "must be a NATS subject: tokens joined by dots, '>' only as the last one"]];
  }
  return use === "publish" && (tokens.includes("*") || tokens.includes(">"))
    ? [["subject", "cannot hold a wildcard as messages are published to it"]]
    : [];
}

/** What JetStream takes as the name of a stream or a durable. */
function checkNames(fields: RouteFields): readonly FieldFault[] {
  const names: FieldFault[] = [];
  if (fields.name === null || fields.queue === null) {
    return fields.queue !== null && /\s/.test(fields.queue)
      ? [["queue", "cannot hold white space"]]
      : names;
  }
  for (const field of ["name", "queue", "mirror"] as const) {
    if (/[\s.*>/\\]/.test(fields[field] ?? "")) {
      names.push([field, "cannot hold white space or one of . * > / \\"]);
    }
  }
  return names;
}

function checkMode(mode: string | null, use: RouteUse): readonly FieldFault[] {
  if (use === "publish" || mode === null || mode === "push" || mode === "pull") return [];
  return [["mode", "must be push or pull, or be left out, as nobody waits for a reply"]];
}

function checkUrls(urls: readonly string[], key: string): readonly ConfigurationFault[] {
  try {
    parseNatsUrls(urls, key);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function routingKey(path: string): string {
  return path === "" ? "ROUTING_FILE" : `ROUTING_FILE: ${path}`;
}

function routingError(path: string, rule: string, options?: ErrorOptions): ConfigurationError {
  return new ConfigurationError([{ key: routingKey(path), rule }], options);
}
