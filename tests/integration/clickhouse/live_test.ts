import { assertEquals, assertGreater } from "@std/assert";
import type { ClickHouseClient } from "@clickhouse/client";
import type { ClickHouseClient as EngineClient } from "../../../engine/clickhouse/client.ts";
import { startClickHouse } from "../../support/clickhouse.ts";
import { around, backendOf, prefix, run, up } from "./deployment.ts";

const EVENTS = `\`${prefix}events\``;

/** What an application wrote and was told that it is kept. */
class Application {
  readonly acknowledged = new Map<string, string>();
  #written = 0;

  constructor(readonly client: ClickHouseClient, readonly form: "old" | "new") {}

  /** Inserts an event. A refusal is the application's to handle: such a row was never promised to be kept. */
  async insert(): Promise<void> {
    const id = `${this.form}_${++this.#written}`;
    const destination = `dst_${this.#written % 3}`;
    const [column, value] = this.form === "old"
      ? ["destination_id", `'${destination}'`]
      : ["matched_destination_ids", `['${destination}', 'other']`];
    try {
      await this.client.command({
        query:
          `INSERT INTO ${EVENTS} (event_id, tenant_id, ${column}, topic, eligible_for_retry, event_time, metadata, data)
          VALUES ('${id}', 't', ${value}, 'x', true, '2025-02-01 00:00:00', '{}', '{}')`,
      });
    } catch {
      return;
    }
    this.acknowledged.set(id, destination);
  }
}

async function firstDestinations(client: ClickHouseClient, expression: string): Promise<Map<string, string>> {
  const rows = await client.query({
    query: `SELECT event_id AS id, ${expression} AS destination FROM ${EVENTS}`,
    format: "JSONEachRow",
  });
  return new Map(
    (await rows.json<{ id: string; destination: string }>()).map((row) => [row.id, row.destination]),
  );
}

function missing(found: ReadonlyMap<string, string>, { acknowledged }: Application): string[] {
  return [...acknowledged].filter(([id, destination]) => found.get(id) !== destination).map(([id]) => id);
}

Deno.test("ClickHouse step 2 beside a live application", async (t) => {
  await using server = await startClickHouse();

  for (const form of ["old", "new"] as const) {
    await t.step(
      `up() keeps the destination of every row that an ${form} application inserts meanwhile`,
      async () => {
        const { client } = await server.createDatabase();
        await up(backendOf(client), 1);
        const application = new Application(client, form);
        if (form === "old") await application.insert();
        await up(backendOf(around(client, () => application.insert())), 2);
        assertGreater(application.acknowledged.size, 5);
        assertEquals(missing(await firstDestinations(client, "matched_destination_ids[1]"), application), []);
        assertEquals((await backendOf(client).verify()).issues, ["Pending: clickhouse/000003"]);
      },
    );

    await t.step(
      `down() keeps the first destination of every row that an ${form} application inserts meanwhile`,
      async () => {
        const { client } = await server.createDatabase();
        await up(backendOf(client), 2);
        const application = new Application(client, form);
        await application.insert();
        const backend = backendOf(around(client, () => application.insert()));
        await using session = await backend.connect();
        await session.down(2, run());
        assertGreater(application.acknowledged.size, 5);
        assertEquals(missing(await firstDestinations(client, "destination_id"), application), []);
      },
    );
  }

  await t.step(
    "up() finds a part that was written before the column was added, and appears after the fill",
    async () => {
      const { client } = await server.createDatabase();
      await up(backendOf(client), 1);
      const application = new Application(client, "old");
      for (let i = 0; i < 3; i++) await application.insert();
      // As an INSERT does that began before the step and ends in the middle of it.
      await client.command({ query: `ALTER TABLE ${EVENTS} DETACH PARTITION 202502` });
      let late = true;
      const backend = backendOf(around(client, async (query) => {
        if (!late || !/system\.mutations/.test(query)) return;
        late = false;
        await client.command({ query: `ALTER TABLE ${EVENTS} ATTACH PARTITION 202502` });
      }));
      await client.command({
        query:
          `INSERT INTO ${EVENTS} (event_id, tenant_id, destination_id, topic, eligible_for_retry, event_time, metadata, data)
        VALUES ('early', 't', 'd', 'x', true, '2025-01-01 00:00:00', '{}', '{}')`,
      });
      await up(backend, 2);
      assertEquals(late, false);
      assertEquals(missing(await firstDestinations(client, "matched_destination_ids[1]"), application), []);
    },
  );

  await t.step(
    "up() and down() cut off again and again, each time later, end as if they had not been",
    async () => {
      const { client } = await server.createDatabase();
      await up(backendOf(client), 1);
      const application = new Application(client, "old");
      await application.insert();
      /** Cuts a request off, then a later one, until one run gets through. */
      const throughCuts = async (work: (client: EngineClient) => Promise<void>) => {
        for (let cut = 1;; cut += 8) {
          let requests = 0;
          let done = true;
          const cutting = around(client, async () => {
            await application.insert();
            if (++requests === cut) throw new Error("Cut off");
          });
          await work(cutting).catch((error: Error) => {
            if (!error.message.includes("Cut off")) throw error;
            done = false;
          });
          if (done) return;
        }
      };
      await throughCuts((cutting) => up(backendOf(cutting), 2));
      assertEquals(missing(await firstDestinations(client, "matched_destination_ids[1]"), application), []);
      await throughCuts(async (cutting) => {
        const backend = backendOf(cutting);
        if ((await backendOf(client).read()).version < 2) return;
        await using session = await backend.connect();
        await session.down(2, run());
      });
      assertEquals((await backendOf(client).read()).version, 1);
      assertEquals(missing(await firstDestinations(client, "destination_id"), application), []);
      await up(backendOf(client), 3);
      assertEquals((await backendOf(client).verify()).issues, []);
    },
  );
});
