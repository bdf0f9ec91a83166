/**
 * A primary with a replica that can be made to lag, for tests of failovers.
 *
 * @module
 */

import { assertStringIncludes } from "@std/assert";
import { type Proxy, startProxy } from "./proxy.ts";
import { type RedisServer, startRedis } from "./redis.ts";
import { eventually } from "./server.ts";

/** Both servers. */
export interface RedisPair extends AsyncDisposable {
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  /** The way by which the replica follows. */
  readonly link: Proxy;
}

/** Starts a primary, and a replica that follows it over a proxy of its own. @param args More arguments, of both. */
export async function startPair(args: readonly string[] = []): Promise<RedisPair> {
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(await startRedis(["--repl-diskless-sync-delay", "0", ...args]));
  const link = stack.use(startProxy(primary.port));
  const replica = stack.use(await startRedis(["--repl-diskless-sync-delay", "0", ...args]));
  await replica.client().call("REPLICAOF", "127.0.0.1", link.port);
  await follows(replica);
  const moved = stack.move();
  return { primary, replica, link, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** Waits until a replica follows its primary. */
export async function follows(replica: RedisServer): Promise<void> {
  await eventually(async () => {
    assertStringIncludes(await replica.client().info("replication"), "master_link_status:up");
  });
}
