/**
 * A route as JetStream needs it, and how a fault of it is named.
 */
import { type Route, usesJetStream } from "../config/routing.ts";

/** A route that uses JetStream: it has a stream and a consumer. */
export interface StreamRoute extends Route {
  readonly name: string;
  readonly queue: string;
}

/** True when the route uses JetStream, false for core NATS. */
export function isStreamRoute(route: Route): route is StreamRoute {
  return usesJetStream(route);
}

/** Key of a configuration fault about a field of the route. */
export function routeKey(route: Route, field: string): string {
  return `ROUTING_FILE: route '${route.selector}': ${field}`;
}
