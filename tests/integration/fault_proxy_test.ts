/** The fault proxy on real sockets: what it does to a connection is what the scenarios rely on. */
import assert from "node:assert/strict";
import { FaultProxy } from "../../dev/faults/fault_proxy.ts";

/** Answers every chunk with the same bytes. */
function startEcho(): Disposable & { readonly port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const connection of listener) {
      connection.readable.pipeTo(connection.writable).catch(() => undefined);
    }
  })().catch(() => undefined); // a connection may be reset before it is accepted
  return { port: listener.addr.port, [Symbol.dispose]: () => listener.close() };
}

async function connect(port: number): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: "127.0.0.1", port });
}

async function ask(connection: Deno.TcpConn, text: string): Promise<string> {
  await connection.write(new TextEncoder().encode(text));
  const answer = new Uint8Array(64);
  const size = await connection.read(answer);
  return new TextDecoder().decode(answer.subarray(0, size ?? 0));
}

Deno.test("FaultProxy passes bytes both ways when nothing is wrong", async () => {
  using echo = startEcho();
  await using proxy = await FaultProxy.open({ targetPort: echo.port });
  using connection = await connect(proxy.port);
  assert.equal(await ask(connection, "hello"), "hello");
});

Deno.test("resetAll() makes a read fail as the connection is reset", async () => {
  using echo = startEcho();
  await using proxy = await FaultProxy.open({ targetPort: echo.port });
  using connection = await connect(proxy.port);
  await ask(connection, "hello");
  assert.equal(proxy.resetAll(), 1);
  await assert.rejects(connection.read(new Uint8Array(8)), Deno.errors.ConnectionReset);
});

Deno.test("setBlackHole() swallows bytes and passes those of later connections again", async () => {
  using echo = startEcho();
  await using proxy = await FaultProxy.open({ targetPort: echo.port });
  using lost = await connect(proxy.port);
  await ask(lost, "hello");
  proxy.setBlackHole(true);
  await lost.write(new TextEncoder().encode("into the void"));
  proxy.setBlackHole(false);
  using fresh = await connect(proxy.port);
  assert.equal(await ask(fresh, "hello"), "hello");
  assert.equal(proxy.swallowedBytes, "into the void".length);
});

Deno.test("FaultProxy cuts where its filter says so", async () => {
  using echo = startEcho();
  const filter = {
    fromClient: () => ({ forward: [], cut: true }),
    fromServer: (chunk: Uint8Array) => ({ forward: [chunk], cut: false }),
  };
  await using proxy = await FaultProxy.open({ targetPort: echo.port, filter: () => filter });
  using connection = await connect(proxy.port);
  await assert.rejects(ask(connection, "hello"), Deno.errors.ConnectionReset);
  assert.equal(proxy.resets, 1);
});
