/**
 * Proofs about stores as a whole: fresh or full, whose marks they bear, what was confirmed, and all rows.
 *
 * @module
 */

import { assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import type { Redis } from "ioredis";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { snapshot } from "../support/redis_records.ts";
import type { Failure } from "./failure.ts";
import type { Stores } from "./stores.ts";

const RUNNER = "hookdeck/outpost";
const CREATED = "2024-01-15T10:30:00Z";
const CREATED_MS = "1705314600000";

/** They work on the servers of `lost_data_test.ts`. */
export const WHOLE_STORES: readonly Failure<Stores>[] = [
  {
    id: "B21",
    severity: "S1",
    failure: "a step drops the destination of every event, and nothing keeps it",
    from: `${RUNNER}, Postgres step 7 and ClickHouse step 2 (measured)`,
    shown: "Row by row, the destination of an event before is the one it matched afterwards.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      const before = await sql`select id, destination_id from events order by id`;
      assertGreater(before.length, 5);
      assertEquals((await outpost("migrate apply --sql-only --yes")).code, 0);
      const after =
        await sql`select id, matched_destination_ids[1] as destination_id from events order by id`;
      assertEquals([...after], [...before]);
    },
  },
  {
    id: "B22",
    severity: "S1",
    failure: "a step deletes rows and drops a table, and the plan shows its name alone",
    from: `${RUNNER}, Postgres step 5 (measured)`,
    shown: "The plan counts the rows that go, and every one of them is kept in the quarantine.",
    async prove(stores) {
      const { outpost, sql } = await stores.deployment();
      const [{ orphans, indexed }] = await sql`
        select (select count(*)::int from deliveries where event_id not in (select id from events)) as orphans,
               (select count(*)::int from event_delivery_index) as indexed` as never as [
        { orphans: number; indexed: number },
      ];
      const { steps } = (await outpost("migrate plan --sql-only --json")).json.sql;
      const counted = steps[0].consequences.filter(({ kind }: { kind: string }) =>
        kind === "rows_quarantined"
      )
        .map(({ rows }: { rows: number }) => rows);
      assertEquals(counted, [orphans, indexed]);
      assertEquals((await outpost("migrate apply --sql-only --yes")).code, 0);
      const [{ kept }] = await sql`select count(*)::int as kept from outpost_quarantine` as never as [
        { kept: number },
      ];
      assertEquals(kept, orphans + indexed);
    },
  },
  {
    id: "B23",
    severity: "S1",
    failure: "one SCAN that finds nothing makes a full store a fresh one, and nothing is migrated",
    from: `${RUNNER} v0.16.0 (163 of 200 runs)`,
    shown: "Fifty tenants among any number of foreign keys: init never takes the store for a fresh one.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (let round = 0; round < 12; round++) {
        await client.flushall();
        for (let i = 0; i < 50; i++) {
          await client.hset(`tenant:{t${round}-${i}}:tenant`, { id: `t${round}-${i}`, created_at: CREATED });
        }
        await client.mset(Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${round}:${i}`, "1"])));
        await outpost("migrate init --redis-only");
        const { migrations } = (await outpost("migrate list --redis-only --json")).json;
        assertEquals(migrations[1].status, "pending", `round ${round}`);
      }
    },
  },
  {
    id: "B24",
    severity: "S1",
    failure: "marks that another deployment left count for one that never ran",
    from: `${RUNNER} #680 and its scripts/issue-680/migrate.sh`,
    shown:
      "A deployment inherits the shared marks, or bears copies of them with the junk that the script makes: verify says that its records are not converted.",
    async prove(stores) {
      for (const prefix of ["", "dp_1:"]) {
        const { outpost, client } = await stores.deployment();
        // The script takes words of a reason for fields and values.
        const junk = { reason: "Not", needed: "-", using: "DEPLOYMENT_ID" };
        for (const name of ["001_hash_tags", "002_timestamps", "003_entity"]) {
          await client.hset(`${prefix}outpost:migration:${name}`, {
            status: "applied",
            applied_at: CREATED,
            ...junk,
          });
        }
        await client.hset("dp_1:tenant:{t}:tenant", { id: "t", created_at: CREATED });
        const options = "--redis-only --deployment-id dp_1";
        const verified = await outpost(`migrate verify --full --json ${options}`);
        assertEquals(verified.code, 1);
        assertStringIncludes(verified.stdout, "dp_1:tenant:{t}:tenant");
        assertEquals(
          (await outpost(`migrate apply redis/2 redis/3 --rerun --yes ${options}`)).code,
          0,
        );
        assertEquals(await client.hget("dp_1:tenant:{t}:tenant", "created_at"), CREATED_MS);
        assertEquals((await outpost(`migrate verify --full ${options}`)).code, 0);
      }
    },
  },
  {
    id: "B29",
    severity: "S1",
    failure: "what was confirmed is not what is applied, and originals are edited in place",
    from: `${RUNNER}, its command line`,
    shown:
      "A saved plan that no longer fits changes nothing; after apply every original is byte for byte what it was.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      const file = await Deno.makeTempFile();
      try {
        await seedLegacyTenant(client, "one", 2);
        const originals = await originalsOf(client);
        assertEquals((await outpost(`migrate plan --out ${file}`)).code, 0);
        assertEquals((await outpost("migrate down --to 3 --yes")).code, 0);
        const refused = await outpost(`migrate apply --yes --plan ${file}`);
        assertEquals(refused.code, 5, refused.stderr);
        assertEquals(await client.exists("tenant:{one}:tenant"), 0);
        assertEquals((await outpost(`migrate plan --out ${file}`)).code, 0);
        assertEquals((await outpost(`migrate apply --yes --plan ${file}`)).code, 0);
        assertEquals(await client.exists("tenant:{one}:tenant"), 1);
        assertEquals(await originalsOf(client), originals);
      } finally {
        await Deno.remove(file);
      }
    },
  },
];

/** Every key of the legacy form, with what it holds. */
async function originalsOf(client: Redis): Promise<ReadonlyMap<string, string>> {
  return new Map([...await snapshot(client)].filter(([key]) => /^tenant:[^{]/.test(key)));
}
