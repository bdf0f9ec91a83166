import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { Cluster } from "ioredis";
import { connectRedis, type RedisSettings } from "../../../cli/stores/redis.ts";
import { MigrationError, StoreDeniedError, StoreUnreachableError } from "../../../engine/errors.ts";
import { watchFailures } from "../../../engine/redis/errors.ts";
import { ownConnection } from "../../../engine/redis/lock/own_connection.ts";
import { within } from "../../../engine/within.ts";
import { certificates } from "../../support/certificates.ts";
import { startFaultProxy } from "../../support/faults/fault_proxy.ts";
import { redisKnowsTls, startRedis, startRedisCluster } from "../../support/redis.ts";
import { freePort } from "../../support/server.ts";
import { applyOne, HASH_TAGS, NEVER, outpostBackend } from "../../support/redis_records.ts";

const SETTINGS: RedisSettings = {
  host: "127.0.0.1",
  port: 1,
  username: "",
  password: "",
  database: 0,
  cluster: false,
  tls: false,
  tlsCa: null,
  tlsInsecure: false,
  clusterHostOverride: false,
};

/** Node's sockets leave timers behind in the oldest Deno, when an attempt to connect fails. */
const quietly = { sanitizeOps: false, sanitizeResources: false };

/** Reads the state through a client of its own. */
async function read(settings: Partial<RedisSettings>) {
  const client = connectRedis({ ...SETTINGS, ...settings });
  try {
    return await outpostBackend(client).read();
  } finally {
    client.disconnect();
  }
}

Deno.test("connectRedis() reaches a server with a user, a password and a database number", async () => {
  await using server = await startRedis(["--requirepass", "sesame"]);
  const admin = server.client({ password: "sesame", db: 5 });
  await admin.call("ACL", "SETUSER", "operator", "on", ">secret", "~*", "+@all");
  await admin.hset("outpost:migration:002_timestamps", "status", "applied");
  const state = await read({ port: server.port, username: "operator", password: "secret", database: 5 });
  assertEquals(state.entries.map(({ status }) => status), ["pending", "applied", "pending"]);
  for (const wrong of [{ password: "wr0ng" }, {}, { username: "operator", password: "wr0ng" }]) {
    const error = await assertRejects(() => read({ port: server.port, ...wrong }), StoreDeniedError);
    assert(!`${error.message} ${error.hint}`.includes("wr0ng"));
  }
});

Deno.test("connectRedis() never goes on in another database than the one asked for", quietly, async () => {
  await using server = await startRedis(["--databases", "4"]);
  const error = await assertRejects(() => read({ port: server.port, database: 4 }), StoreUnreachableError);
  assert(error.message.endsWith("Redis does not have this database"), error.message);
  assertEquals((await read({ port: server.port, database: 3 })).entries.length, 3);
  const client = connectRedis({ ...SETTINGS, port: server.port, database: 4 });
  await assertRejects(() => client.set("key", "value"));
  client.disconnect();
  assertEquals(await server.client().dbsize(), 0);
});

Deno.test("connectRedis() gives up on a server that is not there", quietly, async () => {
  for (const settings of [{}, { cluster: true }, { host: "unknown.invalid" }]) {
    await assertRejects(() => read(settings), StoreUnreachableError);
  }
});

Deno.test(
  "a command that was sent fails when its client gives up on connections that are accepted and dropped",
  quietly,
  async () => {
    await using server = await startRedis();
    let passing = true;
    await using proxy = startFaultProxy({
      protocol: "redis",
      target: server.port,
      decide: ({ name }) => passing && name !== "HGETALL" ? null : (passing = false, { type: "cut" }),
    });
    const client = server.client({
      port: proxy.port,
      retryStrategy: (times) => times > 3 ? null : 5,
      maxRetriesPerRequest: 60,
    });
    await assertRejects(() => outpostBackend(client).read(), StoreUnreachableError);
  },
);

Deno.test(
  "every command ends whenever a cluster's client was closed, before it connected too",
  quietly,
  async () => {
    await using cluster = await startRedisCluster();
    const nodes = [{ host: "127.0.0.1", port: cluster.ports[0]! }];
    const nobody = [{ host: "127.0.0.1", port: freePort() }];
    const once = (client: Cluster, event: string) => new Promise((resolve) => client.once(event, resolve));
    const closed: readonly ((client: Cluster) => Promise<unknown>)[] = [
      (client) => Promise.resolve(client.disconnect()),
      (client) => once(client, "connecting").then(() => client.disconnect()),
      (client) => once(client, "ready").then(() => client.disconnect()),
      (client) => once(client, "reconnecting").then(() => client.disconnect()),
    ];
    for (const [i, close] of closed.entries()) {
      for (const isWatched of [true, false]) {
        const client = new Cluster(i === 3 ? nobody : nodes);
        if (isWatched) watchFailures(client);
        else client.on("error", () => {});
        await close(client);
        watchFailures(client);
        const ended = client.ping().then(() => "answered", () => "failed");
        assertEquals([i, isWatched, await within(10_000, ended, () => "nothing")], [i, isWatched, "failed"]);
      }
    }
  },
);

Deno.test(
  "connectRedis() reaches a cluster, also at the configured host, and says when a server is none",
  quietly,
  async () => {
    await using cluster = await startRedisCluster();
    const port = cluster.ports[0]!;
    for (const clusterHostOverride of [false, true]) {
      const { identity } = await read({ port, cluster: true, clusterHostOverride });
      for (const each of cluster.ports) assert(identity.includes(String(each)));
    }
    const alone = await assertRejects(() => read({ port }), StoreUnreachableError);
    assert(alone.message.endsWith("Redis is a cluster"));
    await using server = await startRedis();
    const none = await assertRejects(() => read({ port: server.port, cluster: true }), StoreUnreachableError);
    assert(none.message.endsWith("Redis is no cluster"), none.message);
  },
);

Deno.test("connectRedis() verifies the server's certificate", quietly, async (t) => {
  const knowsTls = await redisKnowsTls();
  const name = knowsTls ? "a server with TLS" : "left out: this server was built without TLS";
  await t.step({ name, ignore: !knowsTls, fn: verifiesCertificates });
});

async function verifiesCertificates(): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const [ca, certificate, key] = await certificates(directory);
    const port = freePort();
    await using _server = await startRedis([
      ...[
        "--tls-port",
        String(port),
        "--tls-cert-file",
        certificate,
        "--tls-key-file",
        key,
        "--tls-ca-cert-file",
        ca,
      ],
      ...["--tls-auth-clients", "no"],
    ]);
    await assertRejects(() => read({ port, tls: true }), StoreUnreachableError);
    for (const host of ["127.0.0.1", "localhost"]) {
      assertEquals((await read({ host, port, tls: true, tlsCa: ca })).entries.length, 3);
    }
    assertEquals((await read({ port, tls: true, tlsInsecure: true })).entries.length, 3);
    assertThrows(
      () => connectRedis({ ...SETTINGS, tls: true, tlsCa: `${directory}/none.pem` }),
      MigrationError,
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test(
  "a user who may not run what a script needs is told that, and not that the server is away",
  quietly,
  async () => {
    await using server = await startRedis();
    await server.client().hset("tenant:t", { id: "t" });
    for (const command of ["time", "copy"]) {
      await server.client().call("ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", `-${command}`);
      const client = server.client({ username: "limited", password: "pw", enableReadyCheck: false });
      const denied = () => applyOne(outpostBackend(client), "redis/001_hash_tags", { signal: NEVER });
      const error = await assertRejects(denied, StoreDeniedError, "Redis refuses");
      assert(error.hint?.includes("rights"), error.hint);
    }
  },
);

Deno.test(
  "No client, nor the connection of a lease, leaves a failure to nobody when a node goes on the way to a slot",
  quietly,
  async () => {
    await using cluster = await startRedisCluster();
    const host = "127.1.2.3";
    const seen = { GET: 0, ASKING: 0 };
    await using proxies = new AsyncDisposableStack();
    for (const port of cluster.ports) {
      proxies.use(startFaultProxy({
        protocol: "redis",
        target: port,
        hostname: host,
        port,
        decide: ({ name }) => {
          if (name === "GET" && seen.GET++ === 0) return { type: "error", code: "ASK" };
          return name === "ASKING" && seen.ASKING++ === 0 ? { type: "cut" } : null;
        },
      }));
    }
    using failures = new Unwaited();
    const client = connectRedis({
      ...SETTINGS,
      host,
      port: cluster.ports[0]!,
      cluster: true,
      clusterHostOverride: true,
    });
    watchFailures(client);
    for (const one of [client, ownConnection(client, 10_000)]) {
      seen.GET = seen.ASKING = 0;
      await one.get("key").catch((error) => assertEquals(error.message, "Connection is closed."));
      one.disconnect();
      await macrotask();
      assertEquals([failures.seen, seen.ASKING > 0], [[], true]);
    }
  },
);

/** Failures of promises that nobody waited for, which else would end the process. */
class Unwaited implements Disposable {
  readonly seen: string[] = [];
  readonly #listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    this.seen.push(String(event.reason));
  };

  constructor() {
    globalThis.addEventListener("unhandledrejection", this.#listener);
  }

  [Symbol.dispose]() {
    globalThis.removeEventListener("unhandledrejection", this.#listener);
  }
}

/** Waits until all that was settled before has been told. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

Deno.test(
  "a replica says that the configuration has to name the master, and a server that is gone says where it was",
  quietly,
  async () => {
    await using server = await startRedis();
    const client = server.client();
    await client.hset("tenant:t", { id: "t" });
    const apply = () => applyOne(outpostBackend(client), "redis/001_hash_tags", { signal: NEVER });
    await client.call("REPLICAOF", "127.0.0.1", freePort());
    const replica = await assertRejects(apply, StoreUnreachableError, "READONLY");
    assert(replica.hint?.includes("this is a replica"), replica.hint);
    await using gone = await startRedis();
    const other = gone.client({ maxRetriesPerRequest: 0, retryStrategy: () => null });
    await other.ping();
    await gone[Symbol.asyncDispose]();
    const read = () => outpostBackend(other).read();
    const unreachable = await assertRejects(read, StoreUnreachableError, "cannot be reached");
    assert(unreachable.hint !== undefined && !unreachable.hint.includes("replica"), unreachable.hint);
  },
);

Deno.test("connectRedis() says which right is missing to reach a cluster", quietly, async () => {
  await using cluster = await startRedisCluster();
  for (const right of ["info", "slots", "nodes"]) {
    for (const node of cluster.nodes) {
      const rules = ["on", ">secret", "~*", "+@all", `-cluster|${right}`];
      await node.client().call("ACL", "SETUSER", `no_${right}`, ...rules);
    }
    const settings = { port: cluster.ports[0]!, username: `no_${right}`, password: "secret", cluster: true };
    const reading = async () => {
      const client = connectRedis({ ...SETTINGS, ...settings });
      try {
        const backend = outpostBackend(client);
        await backend.read();
        await backend.plan([HASH_TAGS], { signal: NEVER });
      } finally {
        client.disconnect();
      }
    };
    const error = await assertRejects(reading, StoreDeniedError);
    assertStringIncludes(error.message, `Redis refuses CLUSTER ${right.toUpperCase()} (NOPERM)`);
  }
});
