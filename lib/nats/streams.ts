/**
 * Finds or creates the stream of a route. A stream that owns the subject already is used whatever
 * its name and never changed. Asks for as little as possible: where the stream of the route's name
 * has the subject, only its `STREAM.INFO` is needed.
 */
import {
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { ConfigurationError } from "../errors.ts";
import type { Log } from "../log.ts";
import { API_ERROR, apiFailure, hasApiCode } from "./api_error.ts";
import { routeKey, type StreamRoute } from "./stream_route.ts";
import { coversSubject } from "./subject_cover.ts";

/** Looks again so often when another program creates the stream at the same moment. */
const TRIES_MAX = 3;

/** What {@linkcode ensureStream} needs. */
export interface EnsureStreamOptions {
  readonly api: JetStreamManager;
  readonly route: StreamRoute;
  readonly log: Log;
}

/**
 * The stream that holds the route's subject, created when nobody has it: as the Go service does,
 * with the server's defaults, or as a mirror.
 *
 * @throws {ConfigurationError} a stream of that name holds other subjects, or several streams share
 *   the route's wildcard
 */
export async function ensureStream(options: EnsureStreamOptions): Promise<StreamInfo> {
  const { api, route, log } = options;
  for (let attempt = 1;; attempt++) {
    const found = await findStream(options);
    if (found !== null) return found;
    try {
      const created = await api.streams.add(newStream(route));
      log.info("Stream created", { stream: route.name, subject: route.subject });
      return created;
    } catch (error) {
      const isRace = hasApiCode(error, API_ERROR.streamNameInUse, API_ERROR.streamSubjectOverlap);
      if (isRace && attempt < TRIES_MAX) continue;
      throw apiFailure(`create the stream '${route.name}'`, error);
    }
  }
}

async function findStream({ api, route }: EnsureStreamOptions): Promise<StreamInfo | null> {
  const named = await streamInfo(api, route.name);
  if (named !== null && isStreamOf(named, route)) return named;
  const owners = route.mirror === null ? await streamsOf(api, route.subject) : [];
  if (owners.length > 1) {
    throw new ConfigurationError([{
      key: routeKey(route, "subject"),
      rule: `must be held by one stream, but ${owners.join(", ")} hold parts of '${route.subject}'`,
    }]);
  }
  const [owner] = owners;
  if (owner !== undefined && owner !== route.name) {
    const info = await streamInfo(api, owner);
    if (info !== null) return info;
  }
  if (named === null) return null;
  throw new ConfigurationError([{ key: routeKey(route, "name"), rule: misfitRule(named, route) }]);
}

/** The stream has all of the route's subject, or mirrors what the route wants mirrored. */
function isStreamOf({ config }: StreamInfo, route: StreamRoute): boolean {
  if (route.mirror !== null) return config.mirror?.name === route.mirror;
  const subjects = config.subjects ?? [];
  // A mirror or a sourcing stream has no subjects of its own: its name is all that can be known.
  if (subjects.length === 0) return true;
  return subjects.some((subject) => coversSubject(subject, route.subject));
}

function misfitRule({ config }: StreamInfo, route: StreamRoute): string {
  if (route.mirror !== null) {
    return `the stream '${route.name}' exists and is no mirror of '${route.mirror}': ` +
      "choose another name, or remove mirror from the route";
  }
  return `the stream '${route.name}' exists with the subjects ${config.subjects.join(", ")}, ` +
    `which do not hold '${route.subject}': choose another name, or add the subject to the stream`;
}

function newStream(
  { name, subject, mirror }: StreamRoute,
): Partial<StreamConfig> & { name: string } {
  const defaults = { name, retention: RetentionPolicy.Limits, storage: StorageType.File };
  return mirror === null
    ? { ...defaults, subjects: [subject] }
    : { ...defaults, mirror: { name: mirror } };
}

async function streamInfo(api: JetStreamManager, name: string): Promise<StreamInfo | null> {
  try {
    return await api.streams.info(name);
  } catch (error) {
    if (hasApiCode(error, API_ERROR.streamNotFound)) return null;
    throw apiFailure(`look the stream '${name}' up`, error);
  }
}

async function streamsOf(api: JetStreamManager, subject: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const name of api.streams.names(subject)) names.push(name);
  } catch (error) {
    throw apiFailure(`find the stream of the subject '${subject}'`, error);
  }
  return names;
}
