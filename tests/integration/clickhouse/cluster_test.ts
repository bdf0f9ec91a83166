/**
 * A cluster of replicas, as far as one engine goes: it knows clusters, and asks all of their servers, itself among them; it neither
 * makes tables on several nor replicates any.
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { ClickHouseClient } from "../../../engine/clickhouse/client.ts";
import { startClickHouse } from "../../support/clickhouse.ts";
import { backendOf, prefix, run, up } from "./deployment.ts";

/** A client that keeps what the engine asks, with its settings. */
function noting(
  client: ClickHouseClient,
  asked: Parameters<ClickHouseClient["command"]>[0][],
): ClickHouseClient {
  return {
    query: (request) => {
      asked.push(request);
      return client.query(request);
    },
    command: (request) => {
      asked.push(request);
      return client.command(request);
    },
    insert: (request) => client.insert(request),
    ping: () => client.ping(),
  };
}

const ENGINE = Deno.env.get("OUTPOST_TESTS_CLICKHOUSE");

Deno.test({
  name: `ClickHouse replicas${
    ENGINE === undefined ? "" : " (left out: the server at hand knows none of the clusters)"
  }`,
  ignore: ENGINE !== undefined,
  async fn(t) {
    await using server = await startClickHouse();

    await t.step("step 2 waits for inserts at every replica, and for every replica to follow", async () => {
      const { client } = await server.createDatabase();
      await up(backendOf(client), 1);
      const insert =
        `INSERT INTO \`${prefix}events\` (event_id, tenant_id, destination_id, topic, eligible_for_retry, event_time,
        metadata, data) VALUES ('e', 't', 'd', 'x', true, '2025-02-01 00:00:00', '{}', '{}')`;
      await client.command({ query: insert });
      const asked: Parameters<ClickHouseClient["command"]>[0][] = [];
      await up(backendOf(noting(client, asked), { cluster: "alone" }), 3);
      const waits = asked.filter(({ query }) => query.includes("system.processes"));
      assertEquals(waits.length > 0, true);
      assertEquals(
        waits.filter(({ query }) => !query.includes("clusterAllReplicas(`alone`, system.processes)")),
        [],
      );
      const changes = asked.filter(({ query }) => query.startsWith("ALTER TABLE"));
      assertEquals(new Set(changes.map((change) => change.clickhouse_settings?.alter_sync)), new Set(["2"]));
      const rows = await client.query({
        query: `SELECT matched_destination_ids AS ids FROM \`${prefix}events\``,
        format: "JSONEachRow",
      });
      assertEquals(await rows.json(), [{ ids: ["d"] }]);
    });

    await t.step("a replica that does not answer stops step 2 before anything is dropped", async () => {
      const { client } = await server.createDatabase();
      await up(backendOf(client), 1);
      const backend = backendOf(client, { cluster: "broken" });
      await using session = await backend.connect();
      await assertRejects(() => session.up(2, run()), Error, "clickhouse/000002");
      const columns = await client.query({
        query:
          `SELECT name FROM system.columns WHERE table = '${prefix}events' AND database = currentDatabase()
          AND name = 'destination_id'`,
        format: "JSONEachRow",
      });
      assertEquals(await columns.json(), [{ name: "destination_id" }]);
      const { entries } = await backend.read();
      assertEquals(entries.map(({ status }) => status), ["applied", "failed", "pending"]);
      // Back again, the step goes on.
      await up(backendOf(client), 3);
      assertEquals((await backendOf(client).verify()).issues, []);
    });

    await t.step("what is known beforehand to stand in the way is named", async () => {
      const { client } = await server.createDatabase();
      await up(backendOf(client), 1);
      const told = async (cluster: string) => {
        const blockers = await backendOf(client, { cluster }).blockers([2, 3]);
        return blockers.map(({ kind, object, detail }) => [kind, object, detail].join("; "));
      };
      assertEquals(await told("nowhere"), ["cluster; nowhere; The server knows no cluster nowhere"]);
      assertEquals(await told("sharded"), [
        "cluster; sharded; The cluster sharded has 2 shards: only replicas of one can be changed together",
      ]);
      const alone = await told("alone");
      assertEquals(alone.length, 4);
      assertStringIncludes(alone[0]!, "attempts is a ReplacingMergeTree: it would be changed on one server");
      assertEquals(await backendOf(client).blockers([2, 3]), []);
    });
  },
});
