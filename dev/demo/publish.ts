/** Publishes one message: `publish.ts <nats url> <subject> <text>`; for who has no nats command line. */
import { connect } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";
import { say } from "./report.ts";

if (import.meta.main) {
  const [url, subject, text] = Deno.args;
  if (url === undefined || subject === undefined || text === undefined) {
    say("Usage: publish.ts <nats url> <subject> <text>");
    Deno.exit(2);
  }
  const connection = await connect({ servers: url });
  const ack = await jetstream(connection).publish(subject, text);
  say(`Stored in stream ${ack.stream} as sequence ${ack.seq}`);
  await connection.close();
}
