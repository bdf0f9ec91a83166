/**
 * A proxy before a Postgres, behind which a client stands still after so many of its messages: they have arrived, and nothing more
 * comes from it on any connection, none of which ends.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { ByteQueue } from "./faults/byte_queue.ts";
import { Channel } from "./faults/channel.ts";

/** A proxy that runs. */
export interface FreezingProxy extends AsyncDisposable {
  readonly port: number;
  /** Once the client stands still. */
  readonly frozen: Promise<void>;
  /** Ends all connections. */
  cut(): void;
}

/**
 * Starts a proxy on the loopback.
 *
 * @param target Port of the server.
 * @param messages How many pass, over all connections, those of logging in left out.
 */
export function startFreezingProxy(target: number, messages: number): FreezingProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const frozen = Promise.withResolvers<void>();
  const channels = new Set<Channel>();
  let passed = 0;
  const serve = async (client: Deno.TcpConn) => {
    const channel = new Channel(client, await Deno.connect({ hostname: "127.0.0.1", port: target }));
    channels.add(channel);
    const asked = new ByteQueue();
    let started = false;
    await channel.carry(async (chunk) => {
      asked.push(chunk);
      while (true) {
        const header = started ? 1 : 0;
        if (asked.bytes.length < header + 4) return;
        const length = header + Buffer.from(asked.bytes).readInt32BE(header);
        if (asked.bytes.length < length) return;
        if (passed >= messages) return frozen.resolve();
        const message = asked.take(length);
        if (started && message[0] !== "X".charCodeAt(0)) passed++;
        started = true;
        await channel.toServer(message);
      }
    }, (chunk) => channel.toClient(chunk));
    channels.delete(channel);
  };
  const cut = () => channels.forEach((channel) => channel.drop());
  const serving = (async () => {
    const all: Promise<void>[] = [];
    for await (const client of listener) all.push(serve(client));
    await Promise.all(all);
  })();
  return {
    port: listener.addr.port,
    frozen: frozen.promise,
    cut,
    async [Symbol.asyncDispose]() {
      listener.close();
      cut();
      await serving;
    },
  };
}
