import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { copyLittle, type LittleCopies, type Wire } from "../../../lib/store/little_copy.ts";
import { StatementError } from "../../../lib/store/statement_error.ts";

const encoder = new TextEncoder();

/** A message as a server sends it. */
function message(type: string, body: string): Uint8Array {
  const bytes = new Uint8Array(5 + body.length);
  bytes[0] = type.charCodeAt(0);
  new DataView(bytes.buffer).setUint32(1, 4 + body.length);
  bytes.set(encoder.encode(body), 5);
  return bytes;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** A wire whose server is the test. */
class FakeWire implements Wire {
  readonly written: Uint8Array[] = [];
  /** What the library got when the wire was released; null while it is diverted. */
  released: Uint8Array | null = null;
  receive: (bytes: Uint8Array) => void = () => assert.fail("nobody listens");

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
  }
  divert(listener: (bytes: Uint8Array) => void): void {
    this.receive = listener;
  }
  release(rest: Uint8Array): void {
    this.released = rest.slice();
  }
}

const ROWS: LittleCopies = { text: "COPY", ahead: [[encoder.encode("1\n")]], behind: [] };

const ANSWERS = joined(
  message("C", "BEGIN\0"),
  message("T", "\0\0"),
  message("D", "\0\0"),
  message("C", "SELECT 1\0"),
  message("N", "SNOTICE\0\0"),
  message("G", "\0\0\0"),
  message("S", "TimeZone\0UTC\0"),
  message("C", "COPY 12\0"),
  message("C", "COMMIT\0"),
  message("Z", "I"),
);

Deno.test("copyLittle() reads answers however they are cut, and leaves the rest to the library", async () => {
  const rest = message("N", "SNOTICE\0\0");
  const all = joined(ANSWERS, rest);
  for (let first = 0; first <= ANSWERS.length; first++) {
    for (
      const second of [first, Math.min(first + 1, all.length), Math.min(first + 7, all.length)]
    ) {
      const wire = new FakeWire();
      let rows = 0;
      const copying = copyLittle(wire, ROWS, { onRow: () => rows++ });
      const parts = [all.slice(0, first), all.slice(first, second), all.slice(second)];
      for (const part of parts) {
        if (wire.released === null) wire.receive(Buffer.from(part.buffer)); // as sockets give it
        part.fill(0xff); // the buffer is read into again
      }
      assert.deepEqual(await copying, { rows: [12], tag: "COMMIT" });
      assert.equal(rows, 1);
      const left = first >= ANSWERS.length || second >= ANSWERS.length
        ? [0, rest.length]
        : [rest.length];
      assert.ok(left.some((length) => (wire.released?.length ?? -1) <= length));
    }
  }
});

Deno.test("copyLittle() reads the first error, and settles when the server is ready again", async () => {
  const wire = new FakeWire();
  const copying = copyLittle(wire, ROWS);
  const fields = "SERROR\0VERROR\0C23505\0Mtwice\0Dnobody reads this\0spublic\0tt\0nt_pkey\0\0";
  wire.receive(joined(message("E", fields), message("E", "C42601\0Msecond\0\0")));
  assert.equal(wire.released, null);
  wire.receive(message("Z", "E"));
  await assert.rejects(copying, (error) => {
    assert(error instanceof StatementError);
    const { message, sqlState, schema, table, column, constraint } = error;
    assert.deepEqual(
      { message, sqlState, schema, table, column, constraint },
      {
        message: "twice",
        sqlState: "23505",
        schema: "public",
        table: "t",
        column: null,
        constraint: "t_pkey",
      },
    );
    return true;
  });
  assert.deepEqual(wire.released, new Uint8Array());
});

Deno.test("copyLittle() takes an error that says nothing", async () => {
  for (const fields of ["\0", "", "M", "Mno end"]) {
    const wire = new FakeWire();
    const copying = copyLittle(wire, ROWS);
    wire.receive(joined(message("E", fields), message("Z", "I")));
    await assert.rejects(
      copying,
      (error) => error instanceof StatementError && error.sqlState === "XX000",
    );
  }
});

Deno.test("copyLittle() rejects what is none of the protocol", async () => {
  for (
    const bytes of [
      message("X", ""),
      new Uint8Array([0x43, 0, 0, 0, 3]),
      encoder.encode("HTTP/1.1"),
    ]
  ) {
    const wire = new FakeWire();
    const copying = copyLittle(wire, ROWS);
    wire.receive(joined(bytes, ANSWERS));
    await assert.rejects(copying, /makes no sense/);
    assert.equal(wire.released, null);
  }
});

Deno.test("copyLittle() sends the data when it is asked for and may, and nothing when it is over", async () => {
  const mayGoOn = Promise.withResolvers<void>();
  const steps = { onReady: () => mayGoOn.promise };
  const wire = new FakeWire();
  const copying = copyLittle(wire, { ...ROWS, ahead: [], behind: ROWS.ahead }, steps);
  assert.equal(new TextDecoder().decode(wire.written[0]), "Q\0\0\0\x09COPY\0");
  wire.receive(message("G", "\0\0\0"));
  await Promise.resolve();
  assert.equal(wire.written.length, 1);
  wire.receive(joined(message("E", "C57014\0Mlate\0\0"), message("Z", "E")));
  await assert.rejects(copying, /late/);
  mayGoOn.resolve();
  for (let round = 0; round < 5; round++) await Promise.resolve();
  assert.equal(wire.written.length, 1);
});
