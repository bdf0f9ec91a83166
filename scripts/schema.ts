/**
 * `deno task schema`: runs every SQL step on servers of its own and writes down which schema each leaves, as the difference to
 * the one before. What `verify` compares with. Run it after adding a step; a change to an older version shows in the diff.
 *
 * @module
 */

import { createClickHouseBackend } from "../engine/clickhouse/backend.ts";
import { readTables } from "../engine/clickhouse/schema.ts";
import { createPostgresBackend } from "../engine/postgres/backend.ts";
import { readSchemaObjects } from "../engine/postgres/schema_objects.ts";
import type { SqlBackend } from "../engine/sql_backend.ts";
import { composeSchemas, diffSchema, type SchemaChange } from "../engine/sql/schema_changes.ts";
import { outpostNames } from "../migrations/mod.ts";
import { clickhouseSteps, clickhouseStepsDirectory } from "../migrations/sql/clickhouse.ts";
import { postgresSteps, postgresStepsDirectory } from "../migrations/sql/postgres.ts";
import { startClickHouse } from "../tests/support/clickhouse.ts";
import { queryThrough } from "../engine/postgres/query.ts";
import { startPostgres } from "../tests/support/postgres.ts";

type Schema = readonly { readonly name: string }[];

const names = outpostNames("");
const who = { name: "outpost", version: "0.0.0", who: "schema" };

/** Tables of the tool and of golang-migrate, which are no part of what a step leaves. */
const isOwn = (name: string) => name.startsWith("outpost_") || name === names.postgres!.bookkeepingTable;

async function postgresSchemas(): Promise<Schema[]> {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = createPostgresBackend({
    sql,
    steps: postgresSteps,
    directory: postgresStepsDirectory,
    schemas: postgresSteps.map(() => []),
    names: names.postgres!,
    tool: who,
    lease: { lockName: "schema", ttlMs: 30_000 },
  });
  return await eachVersion(backend, postgresSteps.length, async () => {
    const objects = await readSchemaObjects(
      queryThrough(sql),
      "public",
    );
    return objects.filter(({ name }) => !isOwn(name));
  });
}

async function clickhouseSchemas(): Promise<Schema[]> {
  await using server = await startClickHouse();
  const { client } = await server.createDatabase();
  const { prefix, ...tables } = names.clickhouse!;
  const backend = createClickHouseBackend({
    client,
    steps: clickhouseSteps,
    directory: clickhouseStepsDirectory,
    schemas: clickhouseSteps.map(() => []),
    tables,
    prefix,
    recorder: { who: who.who, toolVersion: who.version },
    cluster: null,
    identity: "schema",
  });
  return await eachVersion(backend, clickhouseSteps.length, async () => {
    const found = await client.query({ query: "SHOW TABLES", format: "JSONEachRow" });
    const all = (await found.json<{ name: string }>()).map(({ name }) => name);
    return await readTables(client, all.filter((name) => !isOwn(name)).sort());
  });
}

async function eachVersion(
  backend: SqlBackend,
  latest: number,
  read: () => Promise<Schema>,
): Promise<Schema[]> {
  await using session = await backend.connect();
  await session.tryLock(null);
  const schemas: Schema[] = [];
  for (let version = 1; version <= latest; version++) {
    const signal = new AbortController().signal;
    await session.up(version, { signal, beforeCommit: () => Promise.resolve() });
    schemas.push(await read());
  }
  return schemas;
}

async function write(file: string, schemas: readonly Schema[]): Promise<void> {
  const changes: readonly SchemaChange[] = schemas.map((schema, i) =>
    diffSchema(schemas[i - 1] ?? [], schema)
  );
  if (JSON.stringify(composeSchemas(changes)) !== JSON.stringify(schemas)) {
    throw new Error(`The changes in ${file} would not lead to the schemas that were read`);
  }
  const path = new URL(`../migrations/sql/${file}`, import.meta.url);
  await Deno.writeTextFile(path, `${JSON.stringify(changes, null, 2)}\n`);
}

if (import.meta.main) {
  await write("postgres_schemas.json", await postgresSchemas());
  await write("clickhouse_schemas.json", await clickhouseSchemas());
}
