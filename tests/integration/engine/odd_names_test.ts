import { assertEquals, assertRejects } from "@std/assert";
import * as orders from "../../../examples/shop/steps/000001_orders.ts";
import * as orderNote from "../../../examples/shop/steps/000002_order_note.ts";
import { createEngine, StoreDeniedError } from "../../../mod.ts";
import { startPostgres } from "../../support/postgres.ts";

Deno.test("The tables of the bookkeeping may be called whatever Postgres takes", async () => {
  await using server = await startPostgres();
  for (const name of ["ShopVersion", "shop version", 'shop"version', "größe", "select", "public.version"]) {
    const url = await server.createDatabase();
    const sql = server.client(url);
    const engineOver = (client: typeof sql) =>
      createEngine({
        registry: { postgres: { steps: [orders, orderNote], directory: null, schemas: [[], []] } },
        names: {
          tool: "shop",
          postgres: { bookkeepingTable: name, historyTable: `${name} history`, lockKey: () => 5n },
          lock: { lock: "shop:lock", older: [], fence: "shop:fence" },
        },
        postgres: { client },
        version: "1.0.0",
        owner: { host: "shop-1", pid: 1 },
      });
    const engine = engineOver(sql);
    assertEquals((await engine.plan()).blockers, [], name);
    assertEquals((await engine.apply()).results.length, 2, name);
    assertEquals(await engine.down(1), ["sql/000002"], name);
    await engine.apply();
    await engine.force(2);
    await engine.assertCurrent();
    const found = await sql`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`;
    assertEquals(new Set(found.map((row) => row.name)), new Set([name, `${name} history`, "orders"]));
    // A role that may not write them is told so before the first step.
    await engine.down({ to: 1 });
    const role = `few_${crypto.randomUUID().slice(0, 8)}`;
    await sql.unsafe(`CREATE ROLE ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role};
      ALTER TABLE orders OWNER TO ${role}; GRANT CREATE ON SCHEMA public TO ${role}`);
    const few = server.client(url, { connection: { role } });
    await assertRejects(() => engineOver(few).apply(), StoreDeniedError, "lacks", name);
  }
});
