/**
 * The session's socket as both hear it: the client library, which registers its listener when it
 * connects, and whoever speaks over it while the library has nothing under way.
 */
import type { Socket } from "node:net";
import type { Wire } from "./little_copy.ts";

type Listener = (bytes: Uint8Array) => void;

/** `on` of a socket, as far as it concerns us. */
type On = (event: string, listener: Listener) => Socket;

/** A socket that can be diverted; see the top of this file. */
export class SocketWire implements Wire {
  readonly #socket: Socket;
  #library: Listener | null = null;
  #diverted: Listener | null = null;

  /** Before the library has the socket: it must not register a listener of data by itself. */
  constructor(socket: Socket) {
    this.#socket = socket;
    const on = socket.on.bind(socket) as On;
    const onOrDivert: On = (event, listener) => {
      if (event !== "data") return on(event, listener);
      this.#library = listener;
      return on("data", (bytes) => (this.#diverted ?? listener)(bytes));
    };
    socket.on = onOrDivert as typeof socket.on;
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  divert(listener: Listener): void {
    this.#diverted = listener;
  }

  release(rest: Uint8Array): void {
    this.#diverted = null;
    if (rest.length > 0) this.#library?.(rest);
  }
}
