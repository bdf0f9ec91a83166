import { assertEquals, assertThrows } from "@std/assert";
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from "ioredis";
import { Redis as Redis5 } from "ioredis-5";
import { admitClient, isCluster, type RedisClient } from "../../../../engine/redis/client.ts";
import { RefusedError } from "../../../../engine/errors.ts";

const NODES = [{ host: "127.0.0.1", port: 1 }];
const alone = (options: RedisOptions) => new Redis({ ...options, lazyConnect: true });
const cluster = (options: ClusterOptions) => new Cluster(NODES, { ...options, lazyConnect: true });

Deno.test("admitClient() takes Redis and Cluster of ioredis, whatever copy they are of", () => {
  const clients: readonly RedisClient[] = [
    alone({ db: 3 }),
    new Redis5({ lazyConnect: true }),
    cluster({ scaleReads: "master" }),
  ];
  assertEquals(clients.map((client) => isCluster(admitClient(client))), [false, false, true]);
});

Deno.test("admitClient() refuses options that change keys, commands or replies, or read from replicas", () => {
  const refused: readonly [string, RedisClient][] = [
    ["keyPrefix", alone({ keyPrefix: "app:" })],
    ["stringNumbers", alone({ stringNumbers: true })],
    ["enableAutoPipelining", alone({ enableAutoPipelining: true })],
    ["replyMapping", new Redis({ protocol: 3, replyMapping: "resp3", lazyConnect: true })],
    ["keyPrefix", cluster({ keyPrefix: "app:" })],
    ["keyPrefix", cluster({ redisOptions: { keyPrefix: "app:" } })],
    ["stringNumbers", cluster({ redisOptions: { stringNumbers: true } })],
    ["enableAutoPipelining", cluster({ enableAutoPipelining: true })],
    ["scaleReads", cluster({ scaleReads: "slave" })],
    ["scaleReads", cluster({ scaleReads: (nodes: unknown[]) => nodes as never })],
  ];
  for (const [option, client] of refused) {
    assertThrows(() => admitClient(client), RefusedError, `its option "${option}"`);
  }
});

Deno.test("admitClient() refuses a client of another library", () => {
  const another = { isReady: true, duplicate: () => another, sendCommand: () => Promise.resolve() };
  // @ts-expect-error The compiler refuses it first.
  assertThrows(() => admitClient(another), RefusedError, "not one of ioredis");
});
