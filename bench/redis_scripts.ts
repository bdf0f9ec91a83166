/**
 * What scripts that do nothing but what has to be done cost a server, beside the same plain commands: the least that any way of
 * reading and writing records by scripts can come to. Starts servers of its own.
 *
 * Usage: `deno run -A bench/redis_scripts.ts [--records 330000]`
 *
 * @module
 */

import { parseArgs } from "node:util";
import type { Redis } from "ioredis";
import { seedLegacyRedis } from "../tests/support/legacy_redis_data.ts";
import { type RedisServer, startRedis } from "../tests/support/redis.ts";
import { copyOf, type Cost, LimitMeter, measureStream, pagesOf } from "./redis_limit.ts";

const { values } = parseArgs({ options: { records: { type: "string", default: "330000" } } });
const RECORDS = Number(values.records);
/** Records that a script takes. */
const BATCH = 250;
const FIELDS = ["id", "deleted_at", "created_at", "updated_at", "entity"];
const SET = ["1705289400123", "1705289400123", "destination"];

/** Reads fields of all records that are named. */
const READ = `
local keys, rows, call = cjson.decode(ARGV[1]), {}, redis.call
for i = 1, #keys do
  rows[i] = call('HMGET', keys[i], '${FIELDS.join("', '")}')
end
return cjson.encode(rows)
`;

/** Copies each record and sets three fields of the copy. */
const writing = (compare: string) => `
local keys, told, call, at = cjson.decode(ARGV[1]), cjson.decode(ARGV[2]), redis.call, 0
for i = 1, #keys, 2 do
  ${compare}
  call('COPY', keys[i], keys[i + 1])
  call('HSET', keys[i + 1], 'created_at', told[at + 1], 'updated_at', told[at + 2], 'entity', told[at + 3])
  at = at + 3
end
`;
const WRITE = writing("");
const COMPARE_AND_WRITE = writing(`
  local found = call('HMGET', keys[i], '${FIELDS.join("', '")}')
  for j = 1, ${FIELDS.length} do
    if found[j] ~= told[at + j] then return 'changed' end
  end
  at = at + ${FIELDS.length}
`);

const limit = await onServer(async (server) =>
  (await LimitMeter.create(server)).measure(["scan", "read", "copy", "write"])
);
print(`| way | server us a record | plain commands of that | us a record |`);
print("| --- | --- | --- | --- |");
row("plain commands", limit);
row("scripts that read, copy and set", await byScripts(WRITE));
row("the same, on the condition that all is as it was read", await byScripts(COMPARE_AND_WRITE));

/** Each step for all records before the next one, as the plain commands are measured. */
async function byScripts(write: string): Promise<Cost> {
  return await onServer(async (server) => {
    const client = server.client();
    const { cursors, keys } = await pagesOf(client);
    const rows = await rowsOf(client, keys);
    const batches = Array.from({ length: Math.ceil(keys.length / BATCH) }, (_, i) => i * BATCH);
    const some = <T>(all: readonly T[], at: number) => all.slice(at, at + BATCH);
    const streams = [
      cursors.map((cursor) => ["SCAN", cursor, "COUNT", "1000"]),
      batches.map((at) => ["EVAL", READ, "0", JSON.stringify(some(keys, at))]),
      batches.map((at) => {
        const names = some(keys, at).flatMap((key) => [key, copyOf(key)]);
        const told = some(rows, at).flatMap((row) =>
          write === WRITE ? SET : [...row.map((value) => value ?? false), ...SET]
        );
        return ["EVAL", write, "0", JSON.stringify(names), JSON.stringify(told)];
      }),
    ];
    let [ms, serverMs] = [0, 0];
    for (const stream of streams) {
      const cost = await measureStream(server, client, stream);
      [ms, serverMs] = [ms + cost.ms, serverMs + cost.serverMs];
    }
    if (await client.dbsize() !== 2 * keys.length) throw new Error("The scripts left records without a copy");
    return { ms, serverMs };
  });
}

async function rowsOf(client: Redis, keys: readonly string[]): Promise<(string | null)[][]> {
  const rows: (string | null)[][] = [];
  for (let at = 0; at < keys.length; at += BATCH) {
    const pipeline = client.pipeline();
    for (const key of keys.slice(at, at + BATCH)) pipeline.hmget(key, ...FIELDS);
    for (const [, row] of (await pipeline.exec())!) rows.push(row as (string | null)[]);
  }
  return rows;
}

async function onServer<T>(work: (server: RedisServer) => Promise<T>): Promise<T> {
  await using server = await startRedis();
  await seedLegacyRedis(server, { tenants: RECORDS / 10, destinationsPerTenant: 9, deletedShare: 0 });
  return await work(server);
}

function row(way: string, { ms, serverMs }: Cost): void {
  const us = (of: number) => (of * 1000 / RECORDS).toFixed(1);
  print(`| ${way} | ${us(serverMs)} | ${(100 * limit.serverMs / serverMs).toFixed(0)} % | ${us(ms)} |`);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
