/**
 * A new Redis migration.
 *
 * @module
 */

import { camelCase, type Scaffold } from "./scaffold.ts";

/** The list of the Redis migrations. */
export const REDIS_LIST = "migrations/redis.ts";

/**
 * @param name For example `lower_topics`.
 * @param list Text of {@linkcode REDIS_LIST}.
 * @returns Null when the list is not of the form that it has in a checkout.
 */
export function scaffoldRedisMigration(name: string, list: string): Scaffold | null {
  const imports = [...list.matchAll(/^import \{ \w+ \} from "\.\/redis\/(\d+)_\w+\.ts";\n/gm)];
  const last = imports.at(-1);
  const entries = /return \[([^\]]*)\];/.exec(list);
  if (last === undefined || entries === null) return null;
  const version = Number(last[1]) + 1;
  const number = String(version).padStart(3, "0");
  const [full, symbol] = [`${number}_${name}`, camelCase(name)];
  const changed = splice(
    splice(list, entries.index, entries[0].length, `return [${entries[1]}, ${symbol}(deploymentId)];`),
    last.index + last[0].length,
    0,
    `import { ${symbol} } from "./redis/${full}.ts";\n`,
  );
  return {
    id: `redis/${full}`,
    created: [
      { path: `migrations/redis/${full}.ts`, text: migrationText({ name: full, version, symbol }) },
      {
        path: `tests/integration/migrations/redis/${full}_test.ts`,
        text: testText({ name: full, symbol }),
      },
    ],
    changed: { path: REDIS_LIST, text: changed },
    next: [
      `Say in migrations/redis/${full}.ts which fields it reads, and what they become`,
      `Seed records of the old form in its test, and say what they should be: ./dev test tests/integration/migrations`,
      "Look at what it would do: ./dev deno run -A main.ts migrate plan --redis-only; docs/library.md goes all the way",
    ],
  };
}

interface Named {
  readonly name: string;
  readonly version: number;
  readonly symbol: string;
}

function splice(text: string, at: number, removed: number, added: string): string {
  return text.slice(0, at) + added + text.slice(at + removed);
}

function migrationText({ name, version, symbol }: Named): string {
  return `/**
 * What it is for, in a sentence or two.
 *
 * Before: \`field\` = \`old\`. After: \`field\` = \`new\`. A rerun is safe: what is new already is left alone, and a write
 * happens only over the value that was read.
 *
 * @module
 */

import type { RedisMigration } from "../../engine/redis/migration.ts";
import { transformRecords } from "../../engine/redis/transform/change.ts";
import { currentRecords } from "./current_records.ts";

/** Builds the migration for a deployment. */
export function ${symbol}(deploymentId: string): RedisMigration {
  return {
    name: "${name}",
    version: ${version},
    description: "What it is for, in a line",
    change: transformRecords({
      ...currentRecords(deploymentId),
      fields: ["id", "field"], // Read of every tenant and destination; "id" tells what the record is.
      // Pure: null leaves the record alone, "invalid" says that it cannot be converted. Values are bytes: decodeText() of engine/redis/binary.ts.
      change: (kind, [, field]) => kind === "destinations" && field === "old" ? ["field", "new"] : null,
    }),
  };
}
`;
}

function testText({ name, symbol }: Omit<Named, "version">): string {
  return `import { assertEquals } from "@std/assert";
import { createOutpostEngine } from "../../../../mod.ts";
import { ${symbol} } from "../../../../migrations/redis/${name}.ts";
import { checkRedisMigrations } from "../../../../testing/mod.ts";
import { startRedis } from "../../../support/redis.ts";

Deno.test("${name} keeps the promises: twice, interrupted anywhere, cleaned up", async () => {
  await using server = await startRedis();
  const redis = server.client();
  await checkRedisMigrations({
    redis,
    engine: (client) =>
      createOutpostEngine({ redis: client, version: "test", owner: { host: "test", pid: Deno.pid } }),
    async seed() {
      // Records of the old form, odd ones too, some that end: at a fixed time, as each run is compared with the first.
      await redis.hset("tenant:{t}:tenant", { id: "t", created_at: "1705289400123", entity: "tenant" });
      await redis.hset("tenant:{t}:destination:d", { id: "d", field: "old", entity: "destination" });
      await redis.hset("tenant:{t}:destination:gone", { id: "gone", field: "old", entity: "destination" });
      await redis.pexpireat("tenant:{t}:destination:gone", 4_102_444_800_000);
      await redis.set("rsmq:queue", "not ours");
    },
    foreign: ["rsmq:queue"],
  });
});

Deno.test("${name} changes what it should", () => {
  const { change } = ${symbol}("");
  if (change.type !== "transform") throw new Error("it is no transformation");
  assertEquals(change.change("destinations", ["d", "old"]), ["field", "new"]);
  assertEquals(change.change("destinations", ["d", "new"]), null);
  assertEquals(change.change("destinations", ["d", null]), null);
});
`;
}
