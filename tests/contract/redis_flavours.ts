/**
 * The kinds of Redis that the contract is tested on: a server and a cluster, each for a user who may do everything and for one
 * who may send read commands alone.
 *
 * @module
 */

import { Cluster, type Redis } from "ioredis";
import type { EventEmitter } from "node:events";
import { startRedis, startRedisCluster } from "../support/redis.ts";

/** One kind of Redis, running. */
export interface RedisFlavour extends AsyncDisposable {
  readonly name: string;
  /** Sees and writes everything, for what a case prepares and looks at afterwards. */
  readonly client: Redis | Cluster;
  /** What the backend under test is given. */
  readonly subject: Redis | Cluster;
  /** True when the subject may write. */
  readonly writes: boolean;
  /** Empties it. */
  clear(): Promise<void>;
}

/** How each of them is started: the servers with their two users. */
export const REDIS_FLAVOURS: Readonly<Record<string, () => Promise<readonly RedisFlavour[]>>> = {
  "One Redis": startSingle,
  "A Redis Cluster": startClustered,
};

/** What `docs/deploy.md` says that a user needs: to look, and to apply and clean up. A cluster asks for `+cluster` besides. */
const RIGHTS = {
  reader: ["~*", "+@read", "+@connection"],
  writer: [
    "~*",
    "+@read",
    "+@write",
    "+@scripting",
    "+@transaction",
    "+@connection",
    "+info",
    "+wait",
    "+time",
  ],
} as const;

async function startSingle(): Promise<readonly RedisFlavour[]> {
  const server = await startRedis();
  const client = server.client();
  await client.call("ACL", "SETUSER", "writer", "on", ">pw", ...RIGHTS.writer);
  const common = {
    client,
    clear: async () => void await client.flushall(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
  return [
    { ...common, name: "a server", subject: server.client(), writes: true },
    {
      ...common,
      name: "a server's writer",
      subject: server.client({ username: "writer", password: "pw" }),
      writes: true,
    },
    { ...common, name: "a server's reader", subject: await server.reader(), writes: false },
  ];
}

async function startClustered(): Promise<readonly RedisFlavour[]> {
  const cluster = await startRedisCluster();
  // Without the cluster's own words no client finds its way in one.
  for (const node of cluster.nodes) {
    for (const [user, rights] of Object.entries(RIGHTS)) {
      await node.client().call("ACL", "SETUSER", user, "on", ">pw", ...rights, "+cluster");
    }
  }
  const clients = Object.keys(RIGHTS).map((username) => {
    const subject = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })), {
      redisOptions: { username, password: "pw", enableReadyCheck: false },
      enableReadyCheck: false,
    });
    (subject as unknown as EventEmitter).on("error", () => {}); // Older compilers miss the inherited method.
    return { name: `a cluster's ${username}`, subject, writes: username === "writer" };
  });
  const common = {
    client: cluster.client(),
    clear: async () => {
      for (const node of cluster.nodes) await node.client().flushall();
    },
    async [Symbol.asyncDispose]() {
      for (const { subject } of clients) subject.disconnect();
      await cluster[Symbol.asyncDispose]();
    },
  };
  return [
    { ...common, name: "a cluster", subject: cluster.client(), writes: true },
    ...clients.map((client) => ({ ...common, ...client })),
  ];
}
