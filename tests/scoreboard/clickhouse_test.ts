import { assert, assertEquals, assertGreater, assertRejects, assertStringIncludes } from "@std/assert";
import type { ClickHouseClient } from "@clickhouse/client";
import { startClickHouse } from "../support/clickhouse.ts";
import { startRedis } from "../support/redis.ts";
import { OldLogs } from "../faults/old_log.ts";
import { startPostgres } from "../support/postgres.ts";
import { around, backendOf, prefix, run, up } from "../integration/clickhouse/deployment.ts";
import { chapter } from "./failure.ts";
import { type Answered, outpost } from "./stores.ts";

const RUNNER = "hookdeck/outpost";
const OWN = "the first release candidate of this project";
const EVENTS = `\`${prefix}events\``;

/** A ClickHouse, and a Redis for its lock. */
interface World extends AsyncDisposable {
  /** An empty database. */
  database(): Promise<{
    readonly name: string;
    readonly client: ClickHouseClient;
    run(line: string, more?: Readonly<Record<string, string>>): Promise<Answered>;
  }>;
}

async function start(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const clickhouse = stack.use(await startClickHouse());
  const redis = stack.use(await startRedis());
  const moved = stack.move();
  return {
    async database() {
      await redis.client().flushall();
      const { name, client } = await clickhouse.createDatabase();
      const env = {
        REDIS_HOST: "127.0.0.1",
        REDIS_PORT: String(redis.port),
        CLICKHOUSE_ADDR: `127.0.0.1:${clickhouse.port}`,
        CLICKHOUSE_DATABASE: name,
      };
      return { name, client, run: (line, more = {}) => outpost(line, { env: { ...env, ...more } }) };
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** A number that a table tells. @param from The table, quoted, and what may follow it. */
async function ask(client: ClickHouseClient, what: string, from: string): Promise<number> {
  const rows = await client.query({ query: `SELECT ${what} AS n FROM ${from}`, format: "JSONEachRow" });
  return Number((await rows.json<{ n: string }>())[0]!.n);
}

async function insert(client: ClickHouseClient, id: string): Promise<boolean> {
  const query = `INSERT INTO ${EVENTS}
    (event_id, tenant_id, destination_id, topic, eligible_for_retry, event_time, metadata, data)
    VALUES ('${id}', 't', 'dst', 'x', true, '2025-02-01 00:00:00', '{}', '{}')`;
  return await client.command({ query }).then(() => true, () => false);
}

/** The same by an application of the new form. */
async function insertNew(client: ClickHouseClient, id: string): Promise<boolean> {
  const query = `INSERT INTO ${EVENTS}
    (event_id, tenant_id, matched_destination_ids, topic, eligible_for_retry, event_time, metadata, data)
    VALUES ('${id}', 't', ['dst', 'other'], 'x', true, '2025-02-01 00:00:00', '{}', '{}')`;
  return await client.command({ query }).then(() => true, () => false);
}

chapter("ClickHouse", start, [
  {
    id: "B34",
    severity: "S2",
    failure: "no lock guards ClickHouse: two runs work on it at once",
    from: `${RUNNER}, its coordinator; golang-migrate #568`,
    shown: "Two runs at once: each ends with 0, and the history has every step once.",
    async prove(world) {
      const { client, run } = await world.database();
      const ends = await Promise.all([1, 2].map(() => run("migrate apply --yes --lock-wait 60s")));
      assertEquals(ends.map(({ code }) => code), [0, 0], ends.map(({ stderr }) => stderr).join());
      const versions = await ask(client, "max(version)", "schema_migrations");
      assertEquals(versions, 3);
      assertEquals((await run("migrate verify --sql-only")).code, 0);
    },
  },
  {
    id: "B41",
    severity: "S1",
    failure: "with Postgres and ClickHouse both configured only Postgres is migrated, listed and asked for",
    from: `${RUNNER}, its migration runner`,
    shown: "Both are planned, listed, applied and verified, and serve refuses while either is pending.",
    async prove(world) {
      const { run } = await world.database();
      await using postgres = await startPostgres();
      await using logs = await OldLogs.prepare(postgres);
      const both = { POSTGRES_URL: `postgres://postgres@127.0.0.1:${postgres.port}/${await logs.create()}` };
      const { sql, clickhouse } = (await run("migrate plan --json", both)).json;
      assertEquals([sql.steps.length, clickhouse.steps.length], [6, 3]);
      assertEquals((await run("migrate apply 5 6 7 8 9 10 --yes --store postgres", both)).code, 2);
      assertEquals((await run("migrate apply sql/5 sql/6 sql/7 sql/8 sql/9 sql/10 --yes", both)).code, 0);
      assertEquals((await run("serve --sql-only -- true", both)).code, 1);
      assertEquals((await run("migrate apply --yes", both)).code, 0);
      const { migrations } = (await run("migrate list --json", both)).json;
      const ids = migrations.map(({ id }: { id: string }) => id);
      assert(ids.includes("sql/000010") && ids.includes("clickhouse/000003"), ids.join());
      assertEquals((await run("migrate verify", both)).code, 0);
      assertEquals((await run("serve -- true", both)).code, 0);
    },
  },
  {
    id: "B42",
    severity: "S2",
    failure:
      "a deployment whose ID has a hyphen cannot be migrated, as the names of its tables are not quoted",
    from: `${RUNNER}, ClickHouse step 1 and golang-migrate's ClickHouse driver`,
    shown: "prod-eu is planned, applied, verified, and its tables are there under that name.",
    async prove(world) {
      const { client, run } = await world.database();
      for (const line of ["plan", "apply --yes", "verify"]) {
        const { code, stderr } = await run(`migrate ${line} --deployment-id prod-eu`);
        assertEquals(code, 0, stderr);
      }
      assertEquals(await ask(client, "count()", "`prod-eu_events`"), 0);
    },
  },
  {
    id: "B43",
    severity: "S2",
    failure: "a step that failed half-way fails for ever, as a column is already there",
    from: `${RUNNER}, ClickHouse steps 2 and 3`,
    shown: "Step 2 is cut off after its first and after its third statement: the next run ends it.",
    async prove(world) {
      for (const cut of [1, 3]) {
        const { client } = await world.database();
        const backend = backendOf(client);
        await up(backend, 1);
        assert(await insert(client, "kept"));
        const onStatement = (index: number) => {
          if (index === cut) throw new Error("cut off");
        };
        await assertRejects(() => up(backend, 2, { onStatement }), Error, "cut off");
        assertEquals((await backend.read()).entries[1]!.status, "failed");
        await up(backend, 3);
        assertEquals((await backend.verify()).issues, []);
        assertEquals(
          await ask(client, "count()", `${EVENTS} WHERE has(matched_destination_ids, 'dst')`),
          1,
        );
      }
    },
  },
  {
    id: "P1",
    severity: "S1",
    failure: "what a live application inserts while ClickHouse step 2 runs loses its destination",
    from: OWN,
    shown:
      "An insert around each request of the step: every one that was acknowledged keeps its destination.",
    async prove(world) {
      const { client } = await world.database();
      await up(backendOf(client), 1);
      let [asked, kept] = [0, 0];
      await up(
        backendOf(around(client, async () => void (await insert(client, `e${asked++}`) && kept++))),
        2,
      );
      assertGreater(kept, 5);
      assertEquals(await ask(client, "count()", EVENTS), kept);
      assertEquals(
        await ask(client, "count()", `${EVENTS} WHERE matched_destination_ids = ['dst']`),
        kept,
      );
    },
  },
  {
    id: "P1 down",
    severity: "S1",
    failure: "the way down of ClickHouse step 2 loses the destination of what is inserted meanwhile",
    from: OWN,
    shown:
      "An insert in the new form around each request of the way down: every one that was acknowledged keeps its destination.",
    async prove(world) {
      const { client } = await world.database();
      await up(backendOf(client), 2);
      let [asked, kept] = [0, 0];
      const live = backendOf(
        around(client, async () => void (await insertNew(client, `e${asked++}`) && kept++)),
      );
      {
        await using session = await live.connect();
        await session.down(2, run());
      }
      assertGreater(kept, 5);
      assertEquals(await ask(client, "count()", EVENTS), kept);
      assertEquals(await ask(client, "count()", `${EVENTS} WHERE destination_id = 'dst'`), kept);
    },
  },
  {
    id: "P17",
    severity: "S1",
    failure:
      "on a cluster of replicas a table is changed on one server, or one that does not answer counts as done",
    from: `${OWN}; golang-migrate #1180, #1221; goose #869; dbmate #245, #432`,
    shown:
      "As far as one engine goes: with a replica away step 2 stops before anything is dropped, and goes on later; a cluster of shards, one that is not known, and tables that replicate nowhere are named beforehand.",
    leftOut: () =>
      Promise.resolve(
        Deno.env.get("OUTPOST_TESTS_CLICKHOUSE") === undefined
          ? null
          : "this server knows none of the clusters",
      ),
    async prove(world) {
      const { client } = await world.database();
      await up(backendOf(client), 1);
      assert(await insert(client, "kept"));
      const cut = backendOf(client, { cluster: "broken" });
      {
        await using session = await cut.connect();
        await assertRejects(() => session.up(2, run()), Error, "clickhouse/000002");
      }
      assertEquals(await ask(client, "count()", `${EVENTS} WHERE destination_id = 'dst'`), 1);
      assertEquals((await cut.read()).entries[1]!.status, "failed");
      for (
        const [cluster, why] of [["nowhere", "knows no cluster"], ["sharded", "2 shards"], [
          "alone",
          "on one server",
        ]]
      ) {
        const blockers = await backendOf(client, { cluster }).blockers([2, 3]);
        assert(blockers.some(({ detail }) => detail.includes(why!)), cluster);
      }
      await up(backendOf(client), 3);
      assertEquals(await ask(client, "count()", `${EVENTS} WHERE matched_destination_ids = ['dst']`), 1);
    },
  },
  {
    id: "P14 ClickHouse",
    severity: "S1",
    failure: "verify passes on tables that lose rows or fill columns with something else",
    from: OWN,
    shown: "A TTL, a default, a materialized column: each is an issue by name, and the exit is 1.",
    async prove(world) {
      const { client, run } = await world.database();
      assertEquals((await run("migrate apply --yes")).code, 0);
      const changes = {
        eligible_for_retry: "MODIFY COLUMN eligible_for_retry Bool DEFAULT true",
        TTL: "MODIFY TTL toDateTime(event_time) + INTERVAL 1 DAY",
        topic: "MODIFY COLUMN topic String MATERIALIZED 'x'",
      };
      for (const change of Object.values(changes)) {
        await client.command({ query: `ALTER TABLE events ${change}` });
      }
      const { code, stdout } = await run("migrate verify --sql-only --json");
      assertEquals(code, 1);
      for (const word of Object.keys(changes)) assertStringIncludes(stdout, word);
    },
  },
]);
