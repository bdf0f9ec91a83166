/**
 * A TCP proxy between a client and a server, for tests that cut or stall a connection in the middle.
 *
 * @module
 */

/** A proxy that runs. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Drops every connection at once, as a network that resets does. New ones are accepted. */
  cut(): void;
  /** Loses everything that is sent over the connections there are, without closing them. New ones work. */
  stall(): void;
  /** Drops every connection and refuses new ones. */
  close(): void;
  /** Drops every connection; new ones lead to another server, as after a failover. */
  redirect(target: number): void;
}

/** Starts a proxy on a free port of the loopback. @param target Port of the server. */
export function startProxy(target: number): Proxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Set<Deno.Conn>();
  const stalled = new WeakSet<Deno.Conn>();
  let closed = false;
  const drop = (connection: Deno.Conn) => {
    if (!connections.delete(connection)) return;
    try {
      connection.close();
    } catch {
      // The other side was first.
    }
  };
  const cut = () => connections.forEach(drop);
  const serve = async (client: Deno.Conn) => {
    connections.add(client);
    if (closed) return drop(client);
    try {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: target });
      connections.add(server);
      await Promise.race([pump(client, server, stalled), pump(server, client, stalled)]);
      drop(server);
    } catch {
      // A cut connection ends here.
    } finally {
      drop(client);
    }
  };
  const serving = (async () => {
    const all: Promise<void>[] = [];
    for await (const client of listener) all.push(serve(client));
    await Promise.allSettled(all);
  })();
  return {
    port: listener.addr.port,
    cut,
    stall() {
      for (const connection of connections) stalled.add(connection);
    },
    close() {
      closed = true;
      cut();
    },
    redirect(other) {
      target = other;
      cut();
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      cut();
      await serving;
    },
  };
}

async function pump(from: Deno.Conn, to: Deno.Conn, stalled: WeakSet<Deno.Conn>): Promise<void> {
  const buffer = new Uint8Array(16_384);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      for (let sent = 0; sent < count && !stalled.has(from);) {
        sent += await to.write(buffer.subarray(sent, count));
      }
    }
  } catch {
    // A cut connection ends here.
  }
}
