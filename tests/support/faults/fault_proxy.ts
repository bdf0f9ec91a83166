/**
 * A proxy before a store that understands what passes: any chosen command can be delayed, cut off, answered by half or not at
 * all, or refused with an error as the server would.
 *
 * ```ts
 * await using proxy = startFaultProxy({
 *   protocol: "postgres",
 *   target: server.port,
 *   decide: ({ name }) => name === "COMMIT" ? { type: "lost_reply" } : null,
 * });
 * ```
 *
 * @module
 */

import { Channel } from "./channel.ts";
import type { Decide } from "./fault.ts";
import { converseInPostgres } from "./postgres_conversation.ts";
import { converseInRedis } from "./redis_conversation.ts";

/** Options of {@linkcode startFaultProxy}. */
export interface FaultProxyOptions {
  readonly protocol: "redis" | "postgres";
  /** Port of the server on the loopback. */
  readonly target: number;
  /** What becomes of each command. It may wait: so does the command then, and all that follow on its connection. */
  readonly decide: Decide;
  /** Where to listen, for a cluster whose nodes announce their own ports. @default {"127.0.0.1"} */
  readonly hostname?: string;
  /** @default {0}, which means any free one. */
  readonly port?: number;
  /** Where `MOVED` and `ASK` lead, as `host:port`. By default back to this proxy. */
  readonly elsewhere?: string;
}

/** A proxy that runs. */
export interface FaultProxy extends AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
  /** How many commands passed or were to pass so far. */
  readonly commands: number;
  /** Decides anew from here on. */
  decide: Decide;
  /** Drops every connection at once. New ones are accepted. */
  cut(): void;
}

/** Starts a proxy on the loopback. TLS is refused, as by a server without certificate. */
export function startFaultProxy(options: FaultProxyOptions): FaultProxy {
  const hostname = options.hostname ?? "127.0.0.1";
  const listener = Deno.listen({ hostname, port: options.port ?? 0 });
  const { port } = listener.addr;
  const channels = new Set<Channel>();
  const serving = new Set<Promise<void>>();
  let [commands, connections] = [0, 0];
  const proxy: FaultProxy = {
    hostname,
    port,
    decide: options.decide,
    get commands() {
      return commands;
    },
    cut() {
      for (const channel of channels) channel.drop();
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      proxy.cut();
      await accepting;
      await Promise.all(serving);
    },
  };
  const serve = async (client: Deno.TcpConn, connection: number) => {
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: options.target });
    } catch {
      return client.close();
    }
    const channel = new Channel(client, server);
    channels.add(channel);
    const decide = async (command: { readonly name: string; readonly text: string }) =>
      await proxy.decide({ ...command, index: commands++, connection });
    await (options.protocol === "redis"
      ? converseInRedis(channel, decide, options.elsewhere ?? `${hostname}:${port}`)
      : converseInPostgres(channel, decide));
    channels.delete(channel);
  };
  const accepting = (async () => {
    try {
      for await (const client of listener) {
        const served: Promise<void> = serve(client, connections++).finally(() => serving.delete(served));
        serving.add(served);
      }
    } catch {
      // The listener was closed while it waited.
    }
  })();
  return proxy;
}
