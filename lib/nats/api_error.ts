/**
 * Errors of the JetStream API: which ones mean that something is not there, and how the others are
 * worded. Decides by the server's error code alone.
 */
import { JetStreamApiError } from "@nats-io/jetstream";
import { PermissionViolationError } from "@nats-io/nats-core";

/** Error codes of the JetStream API that this program acts on; `errors.json` of nats-server. */
export const API_ERROR = {
  consumerNotFound: 10014,
  consumerNameInUse: 10013,
  consumerExists: 10105,
  consumerAlreadyExists: 10148,
  streamNotFound: 10059,
  streamNameInUse: 10058,
  streamSubjectOverlap: 10065,
  /** A work-queue stream has a consumer without a filter already, or would get a second one. */
  workQueueUnfiltered: 10099,
  /** A work-queue stream has a consumer whose filter overlaps. */
  workQueueNotUnique: 10100,
} as const;

/** True when the server refused with one of these codes. */
export function hasApiCode(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof JetStreamApiError && codes.includes(error.code);
}

/** True when the stream or the consumer asked about is not there. */
export function isNotFound(error: unknown): boolean {
  return hasApiCode(error, API_ERROR.consumerNotFound, API_ERROR.streamNotFound);
}

/** An error that names the action that failed; the client's own says only what the server said. */
export function apiFailure(action: string, error: unknown): Error {
  return new Error(`Cannot ${action} as ${reasonOf(error)}`, { cause: error });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const violation = error instanceof PermissionViolationError ? error : error.cause;
  if (violation instanceof PermissionViolationError) {
    const verb = violation.operation === "publish" ? "publish to" : "subscribe to";
    return `the NATS user may not ${verb} '${violation.subject}'`;
  }
  return `NATS says: ${error.message}`;
}
