/**
 * Real Redis servers for tests: one alone, or a cluster of three masters.
 *
 * @module
 */

import type { EventEmitter } from "node:events";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import {
  eventually,
  findProgram,
  freePort,
  isFree,
  type Server,
  spawnServer,
  stop,
  untilUp,
} from "./server.ts";

const BUS_OFFSET = 10_000;

/** Nothing is saved. A replica that asks is answered at once, and not in five seconds together with others. */
const IN_MEMORY = [
  "--save",
  "",
  "--appendonly",
  "no",
  "--daemonize",
  "no",
  "--repl-diskless-sync-delay",
  "0",
];
/** The same in the words of Dragonfly, which has others. */
const IN_MEMORY_DRAGONFLY = ["--dbfilename=", "--proactor_threads=2"];

/** A Redis of this test's own. */
export interface RedisServer extends Server {
  /** A new client, closed with the server. */
  client(options?: RedisOptions): Redis;
  /** A new client of a user who may send read commands alone, no scripts. */
  reader(): Promise<Redis>;
}

/**
 * Starts `redis-server` on a free port, without persistence. The variable `OUTPOST_TESTS_REDIS` names another program, such
 * as an older Redis or a Valkey.
 *
 * @param args More arguments, for example `["--requirepass", "secret"]`.
 */
export async function startRedis(args: readonly string[] = [], port = freePort()): Promise<RedisServer> {
  const directory = await Deno.makeTempDir({ prefix: "outpost-redis-" });
  const program = programOf();
  const process = spawnServer(program, [
    ...["--port", String(port), "--bind", "127.0.0.1", "--dir", directory],
    ...(program.endsWith("/dragonfly") ? IN_MEMORY_DRAGONFLY : IN_MEMORY),
    ...args,
  ]);
  const clients: Redis[] = [];
  await untilUp(process, async () => {
    using connection = await Deno.connect({
      hostname: "127.0.0.1",
      port: args.includes("--tls-port") ? Number(args[args.indexOf("--tls-port") + 1]) : port,
    });
    void connection;
  });
  const client = (options: RedisOptions = {}) => {
    const client = new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: 3, ...options });
    client.on("error", () => {}); // A test that stops the server expects it; commands report their own failures.
    clients.push(client);
    return client;
  };
  return {
    host: "127.0.0.1",
    port,
    pid: process.pid,
    client,
    async reader() {
      await client().call("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+@connection");
      return client({ username: "reader", password: "pw", enableReadyCheck: false });
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.disconnect();
      await stop(process);
      await Deno.remove(directory, { recursive: true }).catch(() => {});
    },
  };
}

/** True for a server that was built with TLS: it misses a certificate then, and ends at once in any case. */
export async function redisKnowsTls(): Promise<boolean> {
  const args = ["--port", "0", "--tls-port", String(freePort()), "--save", ""];
  const { stdout } = await new Deno.Command(programOf(), { args, stdout: "piped", stderr: "null" }).output();
  return new TextDecoder().decode(stdout).includes("tls-cert-file");
}

function programOf(): string {
  return Deno.env.get("OUTPOST_TESTS_REDIS") ??
    findProgram("redis-server", "redis-server", ["/usr/bin", "/usr/local/bin"]);
}

/** A cluster of this test's own. */
export interface RedisCluster extends AsyncDisposable {
  readonly host: string;
  readonly ports: readonly number[];
  readonly nodes: readonly RedisServer[];
  /** A new cluster client, closed with the cluster. */
  client(): Cluster;
}

/** Starts three masters that share the slots evenly. */
export async function startRedisCluster(masters = 3): Promise<RedisCluster> {
  await using stack = new AsyncDisposableStack();
  const nodes: RedisServer[] = [];
  for (let i = 0; i < masters; i++) {
    nodes.push(stack.use(
      await startRedis([
        ...["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"],
        ...["--cluster-require-full-coverage", "no"],
        // A master that gave its last slot away stays one, to take slots again.
        ...["--cluster-allow-replica-migration", "no"],
      ], freeClusterPort()),
    ));
  }
  const clients = nodes.map((node) => node.client());
  for (const [i, client] of clients.entries()) {
    const [first, last] = [Math.floor((i * 16384) / masters), Math.floor(((i + 1) * 16384) / masters) - 1];
    const slots = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    await client.call("CLUSTER", "ADDSLOTS", ...slots);
    if (i > 0) await client.call("CLUSTER", "MEET", "127.0.0.1", nodes[0]!.port);
  }
  for (const client of clients) {
    await eventually(async () => {
      const info = String(await client.call("CLUSTER", "INFO"));
      if (!info.includes("cluster_state:ok") || !info.includes("cluster_slots_assigned:16384")) {
        throw new Error(info);
      }
      if (!info.includes(`cluster_known_nodes:${masters}`)) throw new Error(info);
    });
  }
  const clusters: Cluster[] = [];
  const moved = stack.move();
  return {
    host: "127.0.0.1",
    ports: nodes.map((node) => node.port),
    nodes,
    client() {
      const cluster = new Cluster(nodes.map(({ host, port }) => ({ host, port })));
      (cluster as unknown as EventEmitter).on("error", () => {}); // Older compilers miss the inherited method.
      clusters.push(cluster);
      return cluster;
    },
    async [Symbol.asyncDispose]() {
      for (const cluster of clusters) cluster.disconnect();
      await moved.disposeAsync();
    },
  };
}

/** Starts a replica of one master and waits until it follows. */
export async function startReplica(cluster: RedisCluster, master: number): Promise<RedisServer> {
  const server = await startRedis([
    ...["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"],
  ], freeClusterPort());
  const [client, other] = [server.client(), cluster.nodes[master]!.client()];
  const id = String(await other.call("CLUSTER", "MYID"));
  await client.call("CLUSTER", "MEET", "127.0.0.1", cluster.ports[master]!);
  await eventually(() => client.call("CLUSTER", "REPLICATE", id));
  await eventually(async () => {
    if (!(await client.info("replication")).includes("master_link_status:up")) {
      throw new Error("It does not follow");
    }
  });
  // What it has not heard of its master's slots it would not serve in its place, and nobody would.
  await eventually(async () => {
    if (!String(await client.call("CLUSTER", "INFO")).includes("cluster_slots_assigned:16384")) {
      throw new Error("It has not heard of all slots");
    }
  });
  // By word of mouth, which takes a while before 7.0: whoever has not heard of it never takes it for the successor.
  for (const node of cluster.nodes) {
    await eventually(async () => {
      if (!String(await node.client().call("CLUSTER", "NODES")).includes("slave")) {
        throw new Error("Not all have noticed");
      }
    });
  }
  return server;
}

/** A free port whose bus port, 10,000 further, is free too: before 7.0 that cannot be chosen. */
function freeClusterPort(): number {
  while (true) {
    const port = freePort();
    if (isFree(port + BUS_OFFSET)) return port;
  }
}
