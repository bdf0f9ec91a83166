import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import { createOutpostEngine } from "../../migrations/mod.ts";
import { startFaultProxy } from "../support/faults/fault_proxy.ts";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { startProxy } from "../support/proxy.ts";
import { snapshot } from "../support/redis_records.ts";
import { startPair } from "../support/redis_pair.ts";
import { eventually } from "../support/server.ts";
import { chapter } from "./failure.ts";
import { outpost as runOutpost, Stores } from "./stores.ts";

const RUNNER = "hookdeck/outpost";
const OWN = "the first release candidate of this project";
const CREATED = "2024-01-15T10:30:00Z";
const CREATED_MS = "1705314600000";
const APPLY = "migrate apply --redis-only --yes";

chapter("Runs over the records of a Redis", Stores.start, [
  {
    id: "B28",
    severity: "S2",
    failure: "the whole work list is in memory before the first record is written",
    from: `${RUNNER}, 002_timestamps and 003_entity`,
    shown:
      "Records are written before half of the pages was read; with --yes nothing is planned, and no page is asked for twice.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      assertEquals((await outpost("migrate apply redis/1 --redis-only --yes")).code, 0);
      const batch = client.pipeline();
      for (let i = 0; i < 6000; i++) {
        batch.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: CREATED });
      }
      await batch.exec();
      const order: string[] = [];
      const env = stores.through(({ name, text }) => {
        if (name === "SCAN") order.push("page");
        else if (/^EVAL(SHA)?$/.test(name) && text.includes("tenant:{t")) order.push("record");
        return null;
      });
      assertEquals((await outpost("migrate apply redis/2 --redis-only --yes", { env })).code, 0);
      const pages = order.filter((one) => one === "page").length;
      assertLess(order.indexOf("record"), pages / 2);
      // Pages hold 100 keys; to plan beforehand would take as many again.
      assertLess(pages, 1.5 * 6000 / 100);
    },
  },
  {
    id: "B4",
    severity: "S1",
    failure: "a key of another type under a record's name is counted as migrated, and deleted by cleanup",
    from: `${RUNNER}, 001_hash_tags`,
    shown: "A string at tenant:x is somebody else's: it is not counted, not copied, and there after cleanup.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "one", 1);
      await client.set("tenant:x", "what is this");
      await client.set("tenant:{y}:tenant", "and this");
      const { code, stdout } = await outpost(`${APPLY} --json`);
      assertEquals(code, 0, stdout);
      const done = stdout.split("\n").filter((line) => line.includes('"event":"done"')).map((line) =>
        JSON.parse(line)
      );
      assertEquals(done.map(({ processed }: { processed: number }) => processed), [3, 2, 2]);
      assertEquals((await outpost("migrate cleanup --redis-only --yes")).code, 0);
      assertEquals(await client.mget("tenant:x", "tenant:{y}:tenant"), ["what is this", "and this"]);
    },
  },
  {
    id: "hookdeck #656",
    severity: "S3",
    failure: "a user name for Redis cannot be given, so that ACLs cannot be used",
    from: "hookdeck/outpost #656",
    shown:
      "A user with the rights that `migrate grants` prints applies; one without them is refused by name.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "one", 1);
      const { stdout } = await outpost("migrate grants --redis-only --json");
      const rule = /ACL SETUSER outpost_migrator ([^"]*)/.exec(stdout)?.[1] ?? "";
      assertStringIncludes(rule, "+@scripting");
      const withoutPassword = rule.split(" ").filter((word) => !/^[<>#]/.test(word));
      await client.call("ACL", "SETUSER", "migrator", "reset", "on", ">secret", ...withoutPassword);
      await client.call("ACL", "SETUSER", "nobody", "reset", "on", ">secret", "+ping", "+info", "~*");
      const as = (name: string) => ({ env: { REDIS_USERNAME: name, REDIS_PASSWORD: "secret" } });
      assertEquals((await outpost(APPLY, as("nobody"))).code, 4);
      const applied = await outpost(APPLY, as("migrator"));
      assertEquals(applied.code, 0, applied.stderr);
    },
  },
  {
    id: "pgroll #583",
    severity: "S2",
    failure: "a backfill never ends while an application keeps inserting",
    from: "pgroll #583, PR #648",
    shown: "Before each page that is read the application writes ten new records: apply ends all the same.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (let i = 0; i < 100; i++) {
        await client.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: CREATED });
      }
      let written = 0;
      const env = stores.through(async ({ name }) => {
        if (name !== "SCAN") return null;
        for (let i = 0; i < 10; i++) {
          const id = `new${written++}`;
          await client.hset(`tenant:{${id}}:tenant`, { id, created_at: CREATED_MS, entity: "tenant" });
        }
        return null;
      });
      assertEquals((await outpost(APPLY, { env })).code, 0);
      assertGreater(written, 10);
      assertEquals((await outpost("migrate verify --redis-only --full")).code, 0);
    },
  },
  {
    id: "R7",
    severity: "S1",
    failure: "a Redis that evicts loses records while it is migrated, and every migration is applied",
    from: OWN,
    shown: "allkeys-lru without room for a second form of every record: refused before the first write.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      const batch = client.pipeline();
      for (let i = 0; i < 1500; i++) {
        batch.hset(`tenant:t${i}`, { id: `t${i}`, created_at: CREATED, metadata: "x".repeat(400) });
      }
      await batch.exec();
      const before = await snapshot(client);
      const used = Number(/used_memory:(\d+)/.exec(await client.info("memory"))![1]);
      try {
        await client.config("SET", "maxmemory", Math.round(used * 1.4));
        await client.config("SET", "maxmemory-policy", "allkeys-lru");
        const { code, json } = await outpost(`${APPLY} --json`);
        assertEquals([code, json.error.code], [1, "blocked"]);
        assertStringIncludes(json.error.message, "allkeys-lru");
        assertEquals(await snapshot(client), before);
      } finally {
        await client.config("SET", "maxmemory", 0);
        await client.config("SET", "maxmemory-policy", "noeviction");
      }
    },
  },
  {
    id: "R8",
    severity: "S1",
    failure:
      "init that stood still for longer than its lease marks everything applied over data that has appeared",
    from: OWN,
    shown:
      "Another run takes the lock when init has looked, and records appear: it ends with 3 and marks nothing.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      let acted = false;
      const env = stores.through(async ({ name, text }) => {
        if (acted || !/^EVAL(SHA)?$/.test(name) || !text.includes(" applied")) return null;
        acted = true;
        for (const key of await client.keys("*lock*")) await client.del(key);
        for (const key of await client.keys("*fence*")) await client.del(key);
        await client.set("outpost:migration:lock", '{"token":"another"}', "PX", 60_000);
        await client.hset("tenant:{t}:tenant", { id: "t", created_at: CREATED });
        return null;
      });
      const { code } = await outpost("migrate init --redis-only", { env });
      assert(acted);
      assertEquals(code, 3);
      assertEquals(await client.exists("outpost:migration:002_timestamps"), 0);
    },
  },
  {
    id: "R9",
    severity: "S1",
    failure: "a failover while a migration is being recorded leaves it applied with records unconverted",
    from: OWN,
    shown: "A replica that lags takes over at that very command: every record is converted on it.",
    async prove() {
      await using pair = await startPair();
      await using way = startProxy(pair.primary.port);
      let [writes, failed] = [0, false];
      await using proxy = startFaultProxy({
        protocol: "redis",
        target: way.port,
        async decide({ name, text }) {
          if (name !== "EVALSHA") return null;
          if (text.includes("created_at") && ++writes === 3) pair.link.close(); // The replica gets nothing more.
          if (!failed && text.includes("002_timestamps") && text.includes("status applied")) {
            failed = true;
            await pair.replica.client().call("REPLICAOF", "NO", "ONE");
            way.redirect(pair.replica.port);
          }
          return null;
        },
      });
      const client = pair.primary.client();
      for (let i = 0; i < 200; i++) {
        await client.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: CREATED });
      }
      await eventually(async () => assertEquals(await pair.replica.client().dbsize(), 200));
      const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(proxy.port) };
      const line = `${APPLY} --batch-size 10 --lock-wait 60s`;
      let { code } = await runOutpost(line, { env });
      assert(failed);
      if (code !== 0) ({ code } = await runOutpost(line, { env }));
      assertEquals(code, 0);
      for (let i = 0; i < 200; i++) {
        assertEquals(
          await pair.replica.client().hget(`tenant:{t${i}}:tenant`, "created_at"),
          CREATED_MS,
          `t${i}`,
        );
      }
    },
  },
  {
    id: "R11",
    severity: "S1",
    failure: "migrations write into hashes of others whose names only look like those of records",
    from: OWN,
    shown: "A list and statistics whose names fit a destination's: bit for bit what they were.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      const foreign = [
        "tenant:{a}:destination:b:destinations",
        "tenant:{x}:destination:d1:stats",
        "tenant:{z}:tenant",
      ];
      for (const key of foreign) await client.hset(key, { d1: "{}", created_at: CREATED });
      await client.hset("tenant:{x}:tenant", { id: "x", created_at: CREATED });
      assertEquals((await outpost(APPLY)).code, 0);
      for (const key of foreign) {
        assertEquals(await client.hgetall(key), { d1: "{}", created_at: CREATED }, key);
      }
      assertEquals(await client.hget("tenant:{x}:tenant", "created_at"), CREATED_MS);
    },
  },
  {
    id: "R14",
    severity: "S2",
    failure: "one script over a large hash holds the server for seconds",
    from: OWN,
    shown:
      "A list of 15,000 destinations is copied on one server, verified and cleaned up, the last two in pieces.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await client.hset("tenant:t", { id: "t", created_at: CREATED });
      for (let from = 0; from < 15_000; from += 5000) {
        const fields = Array.from({ length: 5000 }, (_, i) => [`d${from + i}`, "{}"]).flat();
        await client.hset("tenant:t:destinations", ...fields);
      }
      assertEquals((await outpost(APPLY)).code, 0);
      assertEquals(await client.hlen("tenant:{t}:destinations"), 15_000);
      await client.config("RESETSTAT");
      assertEquals((await outpost("migrate verify --redis-only --full")).code, 0);
      assertEquals((await outpost("migrate cleanup --redis-only --yes")).code, 0);
      assertEquals(await client.exists("tenant:t:destinations"), 0);
      const stats = await client.info("commandstats");
      assertGreater(Number(/cmdstat_hscan:calls=(\d+)/.exec(stats)?.[1] ?? 0), 3);
    },
  },
  {
    id: "R15",
    severity: "S1",
    failure: "a deployment whose ID is a part of key names takes another installation's records for its own",
    from: OWN,
    shown: "Such an ID is refused, by the program and by the library.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "one", 1);
      const before = await snapshot(client);
      for (const id of ["tenant", "destination_summary"]) {
        assertEquals((await outpost(`${APPLY} --deployment-id ${id}`)).code, 2, id);
        let message = "";
        try {
          createOutpostEngine(
            { redis: client, deploymentId: id, owner: { host: "h", pid: 1 }, version: "1" } as never,
          );
        } catch (error) {
          message = (error as Error).message;
        }
        assertStringIncludes(message, id);
      }
      assertEquals(await snapshot(client), before);
    },
  },
]);
