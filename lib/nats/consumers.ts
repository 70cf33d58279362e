/**
 * Attaches to the durable consumer of a route, or creates it (contract §2). An existing consumer is
 * used as it is, push or pull, and never changed; where it cannot be used, one sentence says why.
 */
import type {
  ConsumerConfig,
  ConsumerInfo,
  JetStreamManager,
  StreamInfo,
} from "@nats-io/jetstream";
import { ConfigurationError } from "../errors.ts";
import type { StreamOrigin } from "../ingest/delivery.ts";
import type { ChooseStart, ConsumerLimits } from "../ingest/ports.ts";
import type { StreamLimits } from "../ingest/start_advice.ts";
import type { Log } from "../log.ts";
import { API_ERROR, apiFailure, hasApiCode, isNotFound } from "./api_error.ts";
import {
  type ConsumerKind,
  differencesOf,
  filterOf,
  kindOf,
  limitsOf,
  newConsumer,
  refusalOf,
  streamLimitsOf,
} from "./consumer_rules.ts";
import { routeKey, type StreamRoute } from "./stream_route.ts";
import { ensureStream } from "./streams.ts";

/** Looks again so often when another program creates or deletes the consumer at the same moment. */
const TRIES_MAX = 3;

/** Another program made the consumer in the meantime. */
const EXISTS_ALREADY = [
  API_ERROR.consumerExists,
  API_ERROR.consumerAlreadyExists,
  API_ERROR.consumerNameInUse,
];

/** Existing consumers that a refusal names at most. */
const NAMES_MAX = 10;

/** A consumer that can be read from. */
export interface ConsumerBinding {
  readonly kind: ConsumerKind;
  readonly origin: StreamOrigin;
  readonly limits: ConsumerLimits;
  readonly streamLimits: StreamLimits;
  /** As the server holds it. */
  readonly config: ConsumerConfig;
  /** Another program made it, and may delete it when it stops (contract §2). */
  readonly isShared: boolean;
  /** Where it differs from the route, one sentence each. */
  readonly differences: readonly string[];
}

/** What {@linkcode attachConsumer} needs. */
export interface AttachOptions {
  readonly api: JetStreamManager;
  readonly route: StreamRoute;
  readonly chooseStart: ChooseStart;
  /** First tokens of the subject that a push consumer of ours delivers to. */
  readonly inboxPrefix: string;
  readonly log: Log;
}

/**
 * Finds the route's stream and consumer, creates what is missing.
 *
 * @throws {ConfigurationError} the consumer that is there cannot be used as the route says, or a
 *   work-queue stream allows no second one
 */
export async function attachConsumer(options: AttachOptions): Promise<ConsumerBinding> {
  const { route } = options;
  for (let attempt = 1;; attempt++) {
    const stream = await ensureStream(options);
    try {
      const found = await consumerInfo(options.api, stream.config.name, route.queue);
      return bindingOf(found ?? await createConsumer(options, stream), stream, options);
    } catch (error) {
      const isRace = isNotFound(error) || hasApiCode(error, ...EXISTS_ALREADY);
      if (!isRace) throw error;
      if (attempt >= TRIES_MAX) throw apiFailure(`attach to the consumer '${route.queue}'`, error);
    }
  }
}

async function consumerInfo(
  api: JetStreamManager,
  stream: string,
  consumer: string,
): Promise<ConsumerInfo | null> {
  try {
    return await api.consumers.info(stream, consumer);
  } catch (error) {
    if (hasApiCode(error, API_ERROR.consumerNotFound)) return null;
    if (isNotFound(error)) throw error;
    throw apiFailure(`look the consumer '${consumer}' of the stream '${stream}' up`, error);
  }
}

function bindingOf(
  info: ConsumerInfo,
  stream: StreamInfo,
  { route, inboxPrefix }: AttachOptions,
): ConsumerBinding {
  const { config } = info;
  const kind = kindOf(config);
  if (route.mode !== null && route.mode !== kind) {
    throw new ConfigurationError([{
      key: routeKey(route, "mode"),
      rule: `is ${route.mode}, but the consumer '${info.name}' exists as a ${kind} consumer: ` +
        `remove mode from the route, or delete the consumer when nobody uses it any more`,
    }]);
  }
  const refusal = refusalOf(config);
  if (refusal !== null) {
    throw new ConfigurationError([{
      key: routeKey(route, "queue"),
      rule: `the consumer '${info.name}' cannot be used as ${refusal}: choose another queue, ` +
        `or delete the consumer when nobody uses it any more`,
    }]);
  }
  return {
    kind,
    origin: {
      consumer: info.name,
      filter: filterOf(config),
      stream: stream.config.name,
      created: stream.created,
      consumerCreated: info.created,
    },
    limits: limitsOf(config),
    streamLimits: streamLimitsOf(stream.config),
    config,
    isShared: kind === "push" &&
      config.deliver_subject !== pushSubject(inboxPrefix, stream.config.name, route.queue),
    differences: differencesOf(config, route),
  };
}

/** The same for everybody who creates it, so that two at once ask for the same consumer. */
function pushSubject(inboxPrefix: string, stream: string, queue: string): string {
  return `${inboxPrefix}.push.${stream}.${queue}`;
}

/**
 * When a message was stored, the server's text verbatim; null when the stream does not have it.
 *
 * @throws {Error} the server does not answer, or refuses
 */
export async function storedAt(
  api: JetStreamManager,
  stream: string,
  sequence: number,
): Promise<string | null> {
  try {
    return (await api.streams.getMessage(stream, { seq: sequence }))?.timestamp ?? null;
  } catch (error) {
    throw apiFailure(`read message ${sequence} of the stream '${stream}'`, error);
  }
}

async function createConsumer(options: AttachOptions, stream: StreamInfo): Promise<ConsumerInfo> {
  const { api, route, chooseStart, log, inboxPrefix } = options;
  const { state } = stream;
  const name = stream.config.name;
  const start = await chooseStart({
    origin: { consumer: route.queue, filter: route.subject, stream: name, created: stream.created },
    retention: stream.config.retention,
    messages: state.messages,
    firstSequence: state.first_seq,
    lastSequence: state.last_seq,
  }, (sequence) => storedAt(api, name, sequence));
  const kind = route.mode ?? "pull";
  const deliverSubject = pushSubject(inboxPrefix, name, route.queue);
  const config = newConsumer({ kind, route, stream, start, deliverSubject });
  try {
    const created = await api.consumers.add(name, config);
    log.info("Consumer created", {
      stream: name,
      consumer: route.queue,
      kind,
      start: start.kind === "sequence" ? start.sequence : start.kind,
      max_ack_pending: created.config.max_ack_pending,
    });
    return created;
  } catch (error) {
    if (isNotFound(error) || hasApiCode(error, ...EXISTS_ALREADY)) throw error;
    if (hasApiCode(error, API_ERROR.workQueueUnfiltered, API_ERROR.workQueueNotUnique)) {
      throw await workQueueConflict(options, name, error);
    }
    throw apiFailure(`create the consumer '${route.queue}' of the stream '${name}'`, error);
  }
}

async function workQueueConflict(
  { api, route }: AttachOptions,
  stream: string,
  cause: unknown,
): Promise<ConfigurationError> {
  const names: string[] = [];
  for await (const { name } of api.consumers.list(stream)) {
    if (names.push(`'${name}'`) >= NAMES_MAX) break;
  }
  const rule = `must be the name of the consumer that exists: the stream '${stream}' is a work ` +
    `queue, where only one consumer may read '${route.subject}', and has ${names.join(", ")}`;
  return new ConfigurationError(
    [{ key: routeKey(route, "queue"), rule, value: route.queue }],
    { cause },
  );
}
