/**
 * Consumes and acknowledges a stream as fast as the program's own client can: callback, a pull loop of
 * its own, acks in one synchronous loop. Arguments: URL, stream, consumer. Runs until it is ended.
 */
import type { Msg } from "@nats-io/nats-core";
import { systemClock } from "../../lib/clock.ts";
import { connectClient } from "../../lib/nats/client_transport.ts";

const ACK = new TextEncoder().encode("+ACK");
/** One request asks for so many; two are outstanding. */
const PULL_MESSAGES = 1_000;
const OUTSTANDING_MAX = 2 * PULL_MESSAGES;
const ACKS_TOGETHER = 1_000;
const PULL_EXPIRES_NS = 30e9;
/** What is left at the end is acked so soon, in milliseconds. */
const REST_MS = 20;

if (import.meta.main) {
  const [url, stream, consumer] = Deno.args;
  if (url === undefined || stream === undefined || consumer === undefined) {
    throw new TypeError("Cannot consume without URL, stream and consumer");
  }
  await consume(url, stream, consumer);
}

async function consume(url: string, stream: string, consumer: string): Promise<void> {
  const { connection } = await connectClient({ servers: url, noAsyncTraces: true }, systemClock);
  const inbox = `_INBOX.${consumer}`;
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
  const request = JSON.stringify({ batch: PULL_MESSAGES, expires: PULL_EXPIRES_NS });
  let outstanding = 0;
  let received: Msg[] = [];
  const pull = (): void => {
    for (; outstanding + PULL_MESSAGES <= OUTSTANDING_MAX; outstanding += PULL_MESSAGES) {
      connection.publish(subject, request, { reply: inbox });
    }
  };
  const ackAll = (): void => {
    for (const message of received) message.respond(ACK);
    received = [];
  };
  connection.subscribe(inbox, {
    callback: (_error, message) => {
      if (message.reply === undefined || message.reply === "") {
        outstanding -= Number(message.headers?.get("Nats-Pending-Messages") ?? 0);
      } else {
        outstanding--;
        received.push(message);
        if (received.length >= ACKS_TOGETHER) ackAll();
      }
      pull();
    },
  });
  pull();
  await connection.flush();
  setInterval(ackAll, REST_MS);
  // deno-lint-ignore no-console -- the bench waits for this line
  console.log("ready");
}
