/**
 * A server of bad faith: it says to whoever connects what a test makes it say.
 *
 * @module
 */

/** Answers one connection. */
export type Behaviour = (connection: FakeConnection) => Promise<void> | void;

/** One client, as the behaviour sees it. */
export class FakeConnection {
  readonly #socket: Deno.TcpConn;
  readonly #heard: (bytes: Uint8Array) => void;
  #buffer = new Uint8Array();
  #closed = false;

  constructor(socket: Deno.TcpConn, heard: (bytes: Uint8Array) => void) {
    this.#socket = socket;
    this.#heard = heard;
  }

  /** What comes next: at least one byte, or as many as asked for. Null when the client has gone. */
  async read(count?: number): Promise<Uint8Array | null> {
    while (this.#buffer.length < (count ?? 1)) {
      const chunk = new Uint8Array(65536);
      const read = await this.#socket.read(chunk).catch(() => null);
      if (read === null) return null;
      this.#heard(chunk.subarray(0, read));
      this.#buffer = new Uint8Array([...this.#buffer, ...chunk.subarray(0, read)]);
    }
    const size = count ?? this.#buffer.length;
    const taken = this.#buffer.slice(0, size);
    this.#buffer = this.#buffer.slice(size);
    return taken;
  }

  /** Resolves when the client has gone. */
  async gone(): Promise<void> {
    while (await this.read() !== null);
  }

  /** @returns False when the client has gone. */
  async write(bytes: Uint8Array | string): Promise<boolean> {
    let rest = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    try {
      while (rest.length > 0) rest = rest.subarray(await this.#socket.write(rest));
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}

/** A fake server on a free port of the loopback. Dispose stops it. */
export interface FakeServer extends AsyncDisposable {
  readonly port: number;
  /** Everything that clients said, as Latin-1 text. */
  heard(): string;
  /** How many clients there were. */
  connections(): number;
}

/** Starts one. It reads only what its behaviour reads. */
export function startFakeServer(behave: Behaviour): FakeServer {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<FakeConnection>();
  const heard: string[] = [];
  const running: Promise<void>[] = [];
  let connections = 0;
  const serve = async (socket: Deno.TcpConn) => {
    connections++;
    const connection = new FakeConnection(
      socket,
      (bytes) => heard.push(new TextDecoder("latin1").decode(bytes)),
    );
    open.add(connection);
    try {
      await behave(connection);
    } finally {
      connection.close();
      open.delete(connection);
    }
  };
  const accepting = (async () => {
    try {
      for await (const socket of listener) running.push(serve(socket));
    } catch {
      // Closed.
    }
  })();
  return {
    port: listener.addr.port,
    heard: () => heard.join(""),
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const connection of open) connection.close();
      await Promise.allSettled(running);
    },
  };
}
