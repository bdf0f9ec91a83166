import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type ClickHouseClient, ClickHouseError } from "@clickhouse/client";
import type { ClickHouseClient as AnyClient } from "../../../engine/clickhouse/client.ts";
import { connectionError } from "../../../engine/clickhouse/errors.ts";
import { outpostGrants } from "../../../migrations/grants.ts";
import { connectClickHouse } from "../../../cli/stores/clickhouse.ts";
import { compareTables, readTables } from "../../../engine/clickhouse/schema.ts";
import { RefusedError, StoreDeniedError, StoreUnreachableError } from "../../../engine/errors.ts";
import { clickhouseSchemas } from "../../../migrations/sql/clickhouse.ts";
import { startClickHouse } from "../../support/clickhouse.ts";
import { startFakeServer } from "../../support/fake_server.ts";
import { freePort } from "../../support/server.ts";
import { around, backendOf, prefix, run, up } from "./deployment.ts";

async function differences(client: ClickHouseClient, version: number): Promise<string[]> {
  const expected = (clickhouseSchemas[version - 1] ?? []).map((table) => ({
    ...table,
    name: prefix + table.name,
  }));
  const live = await readTables(client, [`${prefix}events`, `${prefix}attempts`]);
  assertEquals(
    live,
    expected.toSorted((a, b) =>
      live.findIndex((t) => t.name === a.name) - live.findIndex((t) => t.name === b.name)
    ),
  );
  return compareTables(expected, live);
}

async function fill(client: ClickHouseClient): Promise<void> {
  await client.command({
    query:
      `INSERT INTO \`${prefix}events\` (event_id, tenant_id, destination_id, topic, eligible_for_retry, event_time, metadata, data)
      SELECT concat('e', toString(number)), 't', if(number % 10 = 0, '', concat('d', toString(number % 3))), 'x', true,
        toDateTime64('2025-01-01 00:00:00', 3) + number, '{}', '{"a": 1}' FROM numbers(1000)`,
  });
}

Deno.test("ClickHouse", async (t) => {
  await using server = await startClickHouse();

  await t.step("read() finds nothing applied in an empty database, and writes nothing", async () => {
    const { client } = await server.createDatabase();
    const state = await backendOf(client).read();
    assertEquals([state.version, state.latest, state.dirty, state.ahead], [0, 3, false, false]);
    assertEquals(state.entries.map(({ id, status }) => [id, status]), [
      ["clickhouse/000001", "pending"],
      ["clickhouse/000002", "pending"],
      ["clickhouse/000003", "pending"],
    ]);
    const tables = await client.query({ query: "SHOW TABLES", format: "JSONEachRow" });
    assertEquals(await tables.json(), []);
  });

  await t.step("plan() leads to verify() where a table is missing, and verify() to the repair", async () => {
    const { client } = await server.createDatabase();
    const backend = backendOf(client);
    await up(backend, 1);
    await client.command({ query: `DROP TABLE \`${prefix}events\`` });
    const error = await assertRejects(() => backend.plan([2, 3]), RefusedError);
    assertEquals(
      error.hint,
      "The tables are not what the recorded version says: see what differs with verify()",
    );
    assertEquals((await backend.verify()).incomplete, true);
  });

  await t.step("read(), plan() and verify() lead to the bookkeeping where that lacks a column", async () => {
    const { client } = await server.createDatabase();
    const backend = backendOf(client);
    await up(backend, 1);
    const books = `\`${prefix}schema_migrations\``;
    await client.command({ query: `ALTER TABLE ${books} RENAME COLUMN dirty TO unclean` });
    for (const read of [() => backend.read(), () => backend.plan([2, 3]), () => backend.verify()]) {
      const { message, hint } = await assertRejects(read, RefusedError);
      assertStringIncludes(
        message,
        `Cannot read ${prefix}schema_migrations and ${prefix}outpost_migrations: `,
      );
      assertEquals(
        hint,
        "One of the two has not the columns that it is made with: give them back, or take it out of a backup",
      );
    }
    await client.command({ query: `ALTER TABLE ${books} RENAME COLUMN unclean TO dirty` });
    assertEquals((await backend.read()).version, 1);
  });

  await t.step("read() tells a version that no number holds as it is recorded", async () => {
    const { client } = await server.createDatabase();
    const backend = backendOf(client);
    await up(backend, 3);
    await client.command({
      query: `INSERT INTO \`${prefix}schema_migrations\` VALUES (9007199254740993, 0, 18000000000000000000)`,
    });
    const { ahead, drift } = await backend.read();
    assertEquals([ahead, drift.length], [true, 1]);
    assertStringIncludes(drift[0]!, "9007199254740993");
  });

  await t.step(
    "read() takes a table that the user may not see for an error, and not for a missing one",
    async () => {
      const { client } = await server.createDatabase();
      await up(backendOf(client), 3);
      const message =
        "u: Not enough privileges. To execute this query, it's necessary to have the grant SHOW TABLES ON d.t. ";
      const blind: AnyClient = {
        ...{ command: (asked) => client.command(asked), insert: (asked) => client.insert(asked) },
        ping: () => client.ping(),
        // As the server answers a user without rights: its catalogue has nothing, and only a question for the table is refused.
        query: (asked) => {
          if (asked.query.includes("system.tables")) {
            return Promise.resolve({ json: () => Promise.resolve([{ n: 0 }]) });
          }
          if (!asked.query.startsWith("EXISTS")) return client.query(asked);
          return Promise.reject(new ClickHouseError({ message, code: "497", type: "ACCESS_DENIED" }));
        },
      };
      await assertRejects(() => backendOf(blind).read(), StoreDeniedError, "lacks SHOW TABLES ON d.t");
    },
  );

  await t.step("blockers() names each right that the user lacks", async () => {
    const { client } = await server.createDatabase();
    assertEquals(await backendOf(client).blockers([1, 2, 3]), []);
    const lacking = new Set(["ALTER UPDATE"]);
    const few: AnyClient = {
      ...{ command: (asked) => client.command(asked), insert: (asked) => client.insert(asked) },
      ping: () => client.ping(),
      query: (asked) => {
        const rights = /^CHECK GRANT (.*) ON /.exec(asked.query)?.[1]?.split(", ") ?? [];
        return rights.some((right) => lacking.has(right))
          ? Promise.resolve({ json: () => Promise.resolve([{ result: 0 }]) })
          : client.query(asked);
      },
    };
    const found = await backendOf(few).blockers([1, 2, 3]);
    assertEquals(found.map(({ kind, detail }) => [kind, detail]), [
      ["rights", "The ClickHouse user lacks ALTER UPDATE ON `9-dp_attempts`"],
      ["rights", "The ClickHouse user lacks ALTER UPDATE ON `9-dp_events`"],
    ]);
  });

  await t.step(
    "a right that the server refuses is named, and what migrate grants prints is what it reads",
    async () => {
      const { client } = await server.createDatabase();
      const refusal = await client.command({ query: "CREATE USER somebody" }).catch((error: unknown) =>
        error
      );
      const told = connectionError(refusal, "Cannot do it") as StoreDeniedError;
      assertEquals(told.code, "store_denied");
      assertStringIncludes(told.message, "the user lacks CREATE USER ON somebody");
      assertStringIncludes(told.hintWith((command) => `shop ${command}`)!, "shop grants");
      const options = { database: "d", clickhouse: "a `b", schema: "public", owner: "o" };
      const [, , , , apply] = outpostGrants(options);
      for (const statement of apply!.statements.slice(0, 3)) {
        await client.query({ query: `EXPLAIN AST ${statement}`, format: "JSONEachRow" });
      }
      assertEquals([apply!.store, apply!.purpose], ["clickhouse", "apply"]);
    },
  );

  await t.step("up() and down() leave the schema of a released Outpost after each version", async () => {
    const { client } = await server.createDatabase();
    const backend = backendOf(client);
    for (const version of [1, 2, 3]) {
      await up(backend, version);
      assertEquals(await differences(client, version), []);
    }
    assertEquals((await backend.verify()).issues, []);
    await using session = await backend.connect();
    for (const version of [3, 2, 1]) {
      await session.down(version, run());
      assertEquals(await differences(client, version - 1), []);
      assertEquals((await backend.read()).version, version - 1);
    }
  });

  await t.step("step 2 carries destination_id over, as its plan said", async () => {
    const { client } = await server.createDatabase();
    const backend = backendOf(client);
    await up(backend, 1);
    await fill(client);
    const plan = await backend.plan([2, 3]);
    assertEquals(plan.steps[0]!.tables.map(({ name, rows }) => [name, rows]), [["events", 1000]]);
    assertEquals(plan.steps[0]!.consequences.map(({ kind, rows }) => [kind, rows]), [
      ["table_rewritten", 900],
      ["column_dropped", 900],
    ]);
    assertStringIncludes(plan.steps[0]!.statements[0]!, "`9-dp_events`");
    await up(backend, 3);
    const result = await client.query({
      query:
        `SELECT countIf(empty(matched_destination_ids)) AS none, countIf(length(matched_destination_ids) = 1) AS one
        FROM \`${prefix}events\``,
      format: "JSONEachRow",
    });
    assertEquals(
      (await result.json<Record<string, unknown>>()).map(({ none, one }) => [Number(none), Number(one)]),
      [[100, 900]],
    );
    const down = await backend.planDown(2);
    assertEquals(down.steps.map(({ id }) => id), ["clickhouse/000003", "clickhouse/000002"]);
  });

  await t.step("up() continues a step that was cut off at any statement", async () => {
    for (let cut = 0; cut < 6; cut++) {
      const { client } = await server.createDatabase();
      const backend = backendOf(client);
      await up(backend, 1);
      await fill(client);
      const crash = (index: number) => {
        if (index === cut) throw new Error("cut off");
      };
      await assertRejects(() => up(backend, 2, { onStatement: crash }), Error, "cut off");
      const state = await backend.read();
      assertEquals([state.version, state.dirty, state.entries[1]!.status], [1, false, "failed"]);
      await up(backend, 3);
      assertEquals(await differences(client, 3), []);
      const rows = await client.query({
        query: `SELECT count() AS n FROM \`${prefix}events\` WHERE notEmpty(matched_destination_ids)`,
        format: "JSONEachRow",
      });
      assertEquals(Number((await rows.json<{ n: string }>())[0]!.n), 900);
    }
  });

  await t.step(
    "what is recorded is there at once, also where the user's inserts are to wait in the server",
    async () => {
      const { client } = await server.createDatabase();
      const waiting: unknown[] = [];
      const settled: AnyClient = {
        ...around(client, () => Promise.resolve()),
        insert: async (request) => {
          // As a server does it whose profile says async_insert = 1, wait_for_async_insert = 0.
          if (request.clickhouse_settings?.async_insert === "0") await client.insert(request);
          else waiting.push(request);
        },
      };
      await up(backendOf(settled), 3);
      assertEquals(waiting, []);
      assertEquals((await backendOf(client).read()).version, 3);
      await up(backendOf(settled, { cluster: "alone" }), 3);
    },
  );

  await t.step("a version left dirty by golang-migrate is dirty, and one it reached is applied", async () => {
    const { client } = await server.createDatabase();
    const backend = backendOf(client);
    await up(backend, 1);
    const table = `\`${prefix}schema_migrations\``;
    const record = (values: string) => client.command({ query: `INSERT INTO ${table} VALUES (${values})` });
    await record("2, 0, 1900000000000000000");
    assertEquals((await backend.read()).entries.map(({ status }) => status), [
      "applied",
      "applied",
      "pending",
    ]);
    await record("3, 1, 1900000000000000001");
    const state = await backend.read();
    assertEquals([state.version, state.dirty, state.entries[2]!.status], [3, true, "dirty"]);
    await using session = await backend.connect();
    await session.force(2);
    assertEquals(await backend.read().then(({ version, dirty }) => [version, dirty]), [2, false]);
    await record("7, 0, 2000000000000000000");
    assertEquals((await backend.read()).ahead, true);
  });

  await t.step("golang-migrate's rows count after those of a host whose clock is ahead", async () => {
    const { client } = await server.createDatabase();
    const backend = backendOf(client);
    const golangMigrate = async (version: number, dirty: boolean) => {
      const sequence = BigInt(Date.now()) * 1_000_000n;
      await client.command({
        query: `INSERT INTO \`${prefix}schema_migrations\` VALUES (${version}, ${
          dirty ? 1 : 0
        }, ${sequence})`,
      });
    };
    const standing = async () => {
      const { version, dirty } = await backend.read();
      return [version, dirty];
    };
    const ahead = <T>(work: () => Promise<T>) => {
      const now = Date.now;
      Date.now = () => now() + 3_600_000;
      return work().finally(() => Date.now = now);
    };
    await ahead(() => up(backend, 1));
    assertEquals(await standing(), [1, false]);
    await golangMigrate(2, true);
    assertEquals(await standing(), [2, true]);
    await using session = await backend.connect();
    await ahead(() => session.force(1));
    assertEquals(await standing(), [1, false]);
    await golangMigrate(0, false);
    assertEquals(await standing(), [0, false]);
  });

  await t.step(
    "what was begun and never came to the version table tells nothing of a later run",
    async () => {
      const { client } = await server.createDatabase();
      const backend = backendOf(client);
      await up(backend, 2);
      // Cut off between the two tables, and then in the middle of the way back.
      let inserts = 0;
      const cutOff = {
        ...around(client, () => Promise.resolve()),
        insert: (asked: Parameters<AnyClient["insert"]>[0]) => {
          if (++inserts === 2) throw new Error("cut off");
          return client.insert(asked as Parameters<ClickHouseClient["insert"]>[0]);
        },
      };
      await assertRejects(() => up(backendOf(cutOff), 3), Error, "cut off");
      const read = async () => (await backend.read()).entries.map(({ status }) => status);
      assertEquals(await read(), ["applied", "applied", "pending"]);
      await using session = await backend.connect();
      const crash = () => {
        throw new Error("cut off");
      };
      await assertRejects(() => session.down(2, run({ onStatement: crash })), Error, "cut off");
      assertEquals(await read(), ["applied", "failed", "pending"]);
      await session.down(2, run());
      assertEquals(await read(), ["applied", "pending", "pending"]);
    },
  );

  await t.step("verify() names what differs and leaves the operator's own objects in peace", async () => {
    const { client } = await server.createDatabase();
    const backend = backendOf(client);
    await up(backend, 3);
    await client.command({ query: `ALTER TABLE \`${prefix}events\` ADD COLUMN mine String` });
    assertEquals((await backend.verify()).ok, true);
    await client.command({ query: `ALTER TABLE \`${prefix}events\` DROP INDEX idx_topic` });
    await client.command({ query: `ALTER TABLE \`${prefix}attempts\` MODIFY COLUMN code Nullable(String)` });
    assertEquals((await backend.verify()).issues, [
      "The type of the column code of 9-dp_attempts is Nullable(String) and should be String",
      "The index idx_topic of 9-dp_events is missing",
    ]);
  });

  await t.step("verify() calls a fault what loses or refuses rows", async () => {
    const table = (definition: string) =>
      `CREATE TABLE \`${prefix}attempts_new\` AS \`${prefix}attempts\` ${definition}`;
    const replaced = (definition: string) => [
      table(definition),
      `DROP TABLE \`${prefix}attempts\``,
      `RENAME TABLE \`${prefix}attempts_new\` TO \`${prefix}attempts\``,
    ];
    const keys = "PARTITION BY toYYYYMM(attempt_time) ORDER BY (attempt_time, attempt_id)";
    const drifts: readonly (readonly [readonly string[], string])[] = [
      [[`ALTER TABLE \`${prefix}events\` MODIFY TTL toDateTime(event_time) + INTERVAL 1 DAY`], "has a TTL"],
      [[`ALTER TABLE \`${prefix}events\` MODIFY COLUMN topic String MATERIALIZED 'x'`], "is MATERIALIZED"],
      [[`ALTER TABLE \`${prefix}events\` ADD CONSTRAINT c CHECK topic != ''`], "may refuse rows"],
      [replaced(`ENGINE = ReplacingMergeTree(attempt_number) ${keys}`), "has the argument attempt_number"],
    ];
    for (const [statements, says] of drifts) {
      const { client } = await server.createDatabase();
      const backend = backendOf(client);
      await up(backend, 3);
      for (const query of statements) await client.command({ query });
      const { ok, issues } = await backend.verify();
      assertEquals(ok, false, says);
      assertStringIncludes(issues.join("\n"), says);
    }
  });

  await t.step("read() says that the store refuses, or cannot be reached", async () => {
    const at = (addr: string) =>
      connectClickHouse({ addr, username: "x", password: "hunter2", database: "d", tls: false });
    const wrong = at(`127.0.0.1:${server.port}`);
    const denied = await assertRejects(() => backendOf(wrong).read(), StoreDeniedError);
    assertEquals(denied.message.includes("hunter2"), false);
    const absent = at(`127.0.0.1:${freePort()}`);
    await assertRejects(() => backendOf(absent).read(), StoreUnreachableError);
    await using native = startFakeServer(async (connection) => {
      await connection.read();
      await connection.write(
        "HTTP/1.0 400 Bad Request\r\n\r\nPort 9000 is for clickhouse-client program\r\nYou must use port 8123 for HTTP.\r\n",
      );
      connection.close();
    });
    const client = at(`127.0.0.1:${native.port}`);
    const error = await assertRejects(
      () => backendOf(client).read(),
      StoreUnreachableError,
      "its own protocol",
    );
    assertStringIncludes(error.hint!, "HTTP port");
    await Promise.all([wrong.close(), absent.close(), client.close()]);
  });
});

Deno.test("A step that was cut off after its old column was gone is planned and goes on, and nobody is told to call it done", async () => {
  await using server = await startClickHouse();
  for (const way of ["up", "down"] as const) {
    for (const cut of ["MODIFY COLUMN", "DROP COLUMN"]) {
      const { client } = await server.createDatabase();
      const backend = backendOf(client);
      await up(backend, way === "up" ? 1 : 2);
      const reached = async () => (await backend.read()).version;
      const begun = await reached();
      let renamed = false;
      const onStatement = (_index: number, _count: number, text: string) => {
        renamed ||= text.includes("RENAME COLUMN");
        if (renamed && text.includes(cut)) throw new Error("cut off");
      };
      {
        await using session = await backend.connect();
        await assertRejects(() => session[way](2, run({ onStatement })), Error, "cut off");
      }
      const { fits, incomplete } = await backend.verify();
      assertEquals([fits, incomplete, await reached()], [undefined, undefined, begun]);
      const { steps } = way === "up" ? await backend.plan([2, 3]) : await backend.planDown({ to: 1 });
      assertEquals(steps[0]?.id, "clickhouse/000002");
      await using session = await backend.connect();
      await session[way](2, run());
      assertEquals(await reached(), way === "up" ? 2 : 1);
    }
  }
});
