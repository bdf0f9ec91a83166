import { assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import { createOutpostEngine } from "../../migrations/mod.ts";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { snapshot } from "../support/redis_records.ts";
import { chapter } from "./failure.ts";
import { FAILING_REDIS } from "./failing_redis.ts";
import { Stores } from "./stores.ts";

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
    shown: "Records are written before half of the pages was read; with --yes nothing is planned first.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      assertEquals((await outpost("migrate apply redis/1 --redis-only --yes")).code, 0);
      const batch = client.pipeline();
      // Many more pages than are read ahead, however slow the machine is.
      for (let i = 0; i < 20_000; i++) {
        batch.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: CREATED });
      }
      await batch.exec();
      // Of the walk that comes to the first record. What walks before it looks at no record, but for a sample of their sizes.
      let [order, reads, before] = [[] as ("page" | "write")[], 0, 0];
      const env = stores.through(({ name, text }) => {
        if (name === "SCAN") {
          if (/^(SCAN )?0 /.test(text) && !order.includes("write")) {
            [order, reads, before] = [[], 0, before + reads];
          }
          order.push("page");
        } else if (text.includes("tenant:{t")) {
          if (/^EVAL(SHA)?$/.test(name)) order.push("write");
          else reads++;
        }
        return null;
      });
      assertEquals((await outpost("migrate apply redis/2 --redis-only --yes", { env })).code, 0);
      const pages = order.filter((one) => one === "page").length;
      assertLess(before, 5);
      assertGreater(pages, 20);
      assertLess(order.slice(0, order.indexOf("write")).filter((one) => one === "page").length, pages / 2);
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
    id: "hookdeck/outpost #656",
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
  ...FAILING_REDIS,
]);
