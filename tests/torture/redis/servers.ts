/**
 * The Redis that a history plays on: one server, a cluster of three masters, or a primary with a replica.
 *
 * @module
 */

import type { Cluster, Redis } from "ioredis";
import { type Proxy, startProxy } from "../../support/proxy.ts";
import { type RedisCluster, type RedisServer, startRedis, startRedisCluster } from "../../support/redis.ts";
import { moveSlots } from "../../support/redis_resharding.ts";
import { eventually } from "../../support/server.ts";
import { outpostGrants } from "../../../migrations/grants.ts";
import type { History } from "../history.ts";
import type { Stores } from "../runner.ts";

/** How the servers stand to each other. */
export type Topology = "single" | "cluster" | "replica";

const MASTERS = 3;
/** How long nodes may take to agree about slots that have moved, in milliseconds. */
const AGREED_MS = 10_000;

/** The servers of a history. */
export interface RedisWorld extends AsyncDisposable, Stores {
  readonly topology: Topology;
  /** The application's own client. Writes through it are acknowledged. */
  readonly client: Redis | Cluster;
  /** Clients of every node that takes writes. */
  masters(): readonly Redis[];
  /** Empties everything, undoes what faults have set, and makes it ready for a history. */
  reset(wanted: Wanted): Promise<void>;
  /** A client in the first database, where there is more than one. */
  readonly first?: Redis;
  /** Kills the server and starts it again with what it has saved, if it has. */
  restart?: () => Promise<void>;
  /** Replicas that confirm a write: none where there are none, and while one is left behind. */
  readonly replicas: number;
  /** True while what is written is known to one server alone. */
  readonly lagging: boolean;
  /** Makes the replica take over from its primary, which dies. */
  failover?: () => Promise<void>;
  /** From here on the replica learns of nothing. */
  lag?: () => void;
  /** Moves some slots from a master to the next one and back, in the background. */
  moveSlots?: (seed: number) => void;
  /** Waits for what goes on in the background. */
  settled(): Promise<void>;
}

/** How the program is to find its servers. */
export type Wanted = Pick<History, "database" | "granted">;

/** How long a replica is waited for at a time, in milliseconds. */
const REPLICA_MS = 500;
const REDIS = { protocol: "redis" } as const;
const ALONE = { ...REDIS, replicas: 0, lagging: false, settled: () => Promise.resolve() };

/** Starts the servers. */
export async function startWorld(topology: Topology): Promise<RedisWorld> {
  switch (topology) {
    case "single":
      return await startSingle();
    case "cluster":
      return await startCluster();
    case "replica":
      return await startPair();
  }
}

async function startSingle(): Promise<RedisWorld> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "outpost-torture-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  let server = stack.use(await startRedis(["--dir", folder]));
  const { port } = server;
  const [client, first] = [server.client(), server.client()];
  const moved = stack.move();
  let wanted: Wanted = { database: 0, granted: false };
  return {
    topology: "single",
    client,
    first,
    ports: [port],
    targetOf: (port) => port,
    env: (host) => environment(host, port, wanted),
    masters: () => [client],
    ...ALONE,
    async reset(next) {
      wanted = next;
      await Deno.remove(`${folder}/dump.rdb`).catch(() => {});
      await resetNode(client, wanted);
    },
    async restart() {
      Deno.kill(server.pid, "SIGKILL");
      await eventually(() => assertSilent(port));
      server = moved.use(await startRedis(["--dir", folder], port));
      await eventually(() => Promise.all([client, first].map((one) => one.ping())));
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** @throws While anything answers at a port. */
async function assertSilent(port: number): Promise<void> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null);
  connection?.close();
  if (connection !== null) throw new Error(`Somebody answers at port ${port}`);
}

async function startCluster(): Promise<RedisWorld> {
  const cluster = await startRedisCluster(MASTERS);
  const client = cluster.client();
  const nodes = cluster.nodes.map((node) => node.client());
  let wanted: Wanted = { database: 0, granted: false };
  let moving: Promise<void> | null = null;
  let over = false;
  return {
    topology: "cluster",
    client,
    ports: cluster.ports,
    targetOf: (port) => port,
    env: (host) => ({
      ...environment(host, cluster.ports[0]!, wanted),
      REDIS_CLUSTER_ENABLED: "true",
      REDIS_DEV_CLUSTER_HOST_OVERRIDE: "true",
    }),
    masters: () => nodes,
    ...ALONE,
    async reset(next) {
      wanted = next;
      await Promise.all(nodes.map((node) => resetNode(node, wanted)));
    },
    moveSlots(seed) {
      moving ??= moveThereAndBack(cluster, seed, () => over);
      moving.catch(() => {}); // Whoever waits for it is told.
    },
    async settled() {
      over = true;
      try {
        await moving;
        // Slots that move there and back so fast may be nobody's in the end, whatever is waited for: that is no fault of the program.
        if (moving !== null) await eventually(() => assertAgreed(nodes), AGREED_MS);
      } finally {
        over = false;
        moving = null;
      }
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/** @throws When the nodes do not agree about whose each slot is. */
async function assertAgreed(nodes: readonly Redis[]): Promise<void> {
  const views = await Promise.all(nodes.map(async (node) => {
    const ranges = await node.call("CLUSTER", "SLOTS") as [number, number, [string, number]][];
    return JSON.stringify(ranges.map(([first, last, [, port]]) => [first, last, port]).sort());
  }));
  if (new Set(views).size > 1) throw new Error("The nodes do not agree about whose slots are whose");
}

async function moveThereAndBack(cluster: RedisCluster, seed: number, isOver: () => boolean): Promise<void> {
  const from = seed % MASTERS;
  const to = (from + 1) % MASTERS;
  const [first, last] = [from, from + 1].map((i) => Math.floor((i * 16384) / MASTERS)) as [number, number];
  const slots = [...new Set(Array.from({ length: 12 }, (_, i) => first + (seed + i * 977) % (last - first)))];
  const moved = await moveSlots(cluster, slots, { from, to, isOver });
  await moveSlots(cluster, slots.slice(0, moved), { from: to, to: from });
}

/** A primary, and a replica that follows through a proxy, so that it can be left behind. */
async function startPair(): Promise<RedisWorld> {
  await using stack = new AsyncDisposableStack();
  const primary = stack.use(await startRedis(["--repl-diskless-sync-delay", "0"]));
  const proxy: Proxy = stack.use(startProxy(primary.port));
  const replica = stack.use(
    await startRedis(["--replicaof", "127.0.0.1", String(proxy.port)]),
  );
  const [first, second] = [primary.client(), replica.client()];
  await eventually(async () => {
    if (!(await second.info("replication")).includes("master_link_status:up")) throw new Error("no link yet");
  });
  const moved = stack.move();
  let wanted: Wanted = { database: 0, granted: false };
  let state: "following" | "lagging" | "over" = "following";
  let now: { server: RedisServer; client: Redis } = { server: primary, client: first };
  return {
    ...REDIS,
    topology: "replica",
    get client() {
      return now.client;
    },
    ports: [primary.port],
    targetOf: () => now.server.port,
    env: (host) => environment(host, primary.port, wanted),
    masters: () => [now.client],
    async reset(next) {
      wanted = next;
      await resetNode(now.client, wanted);
      // It takes over with users and a database of its own.
      await grantTo(second);
      await second.select(wanted.database);
    },
    get replicas() {
      return state === "following" ? 1 : 0;
    },
    get lagging() {
      return state === "lagging";
    },
    async settled() {
      if (state !== "lagging") return;
      // Only the connection that there was is stalled.
      proxy.cut();
      await eventually(async () => {
        if (await first.wait(1, REPLICA_MS) === 0) throw new Error("The replica does not follow again");
      });
      state = "following";
    },
    lag() {
      if (state !== "following") return;
      state = "lagging";
      proxy.stall();
    },
    async failover() {
      if (state === "over") return;
      state = "over";
      first.disconnect();
      Deno.kill(primary.pid, "SIGKILL");
      proxy.close();
      await second.call("REPLICAOF", "NO", "ONE");
      now = { server: replica, client: second };
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

function environment(host: string, port: number, { database, granted }: Wanted): Record<string, string> {
  return {
    ...{ REDIS_HOST: host, REDIS_PORT: String(port), REDIS_DATABASE: String(database) },
    ...(granted ? { REDIS_USERNAME: USER, REDIS_PASSWORD: "PASSWORD" } : {}),
  };
}

async function resetNode(client: Redis, { database }: Wanted): Promise<void> {
  await calm(client);
  await client.flushall();
  await grantTo(client);
  await client.select(database);
}

/** What `migrate grants` says of the user who migrates, whose database and schema are of no account here. */
const GRANT: readonly string[] = outpostGrants({ database: "", clickhouse: null, schema: "", owner: "" })
  .find(({ purpose, store }) => purpose === "apply" && store === "redis")!.statements[0]!.split(" ");
/** The user's name. */
export const USER: string = GRANT[2]!;

async function grantTo(client: Redis): Promise<void> {
  await client.call(GRANT[0]!, ...GRANT.slice(1));
}

/** Undoes what faults have set on a server. */
export async function calm(client: Redis): Promise<void> {
  await client.call("CLIENT", "UNPAUSE");
  await client.config("SET", "maxmemory", "0");
  await client.config("SET", "maxmemory-policy", "noeviction");
  const role = (await client.call("ROLE")) as unknown[];
  if (String(role[0]) === "slave" && !(await client.info("cluster")).includes("cluster_enabled:1")) {
    await client.call("REPLICAOF", "NO", "ONE");
  }
}
