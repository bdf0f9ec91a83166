/**
 * Whether the user may do all that applying needs: asked of the servers before anything is written, so that no run ends in its
 * middle for want of a right.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { type Blocker, remedy } from "../blocker.ts";
import { askedTogether } from "./asked_together.ts";
import { type Binary, display, toArgument } from "./binary.ts";
import type { CopyChange } from "./copy/change.ts";
import { findPairs } from "./copy/pairs.ts";
import { GRANTS_HINT, isUnavailable, replyCode } from "./errors.ts";
import { scanPage } from "./scan.ts";
import type { RedisStore } from "./store.ts";
import { readTopology } from "./topology.ts";
import type { TransformChange } from "./transform/change.ts";
import { matcherOf } from "./walk/pattern.ts";

/** What the scripts of the lock, of the bookkeeping and of a change in place run, and what runs them. */
const WRITING = [
  ...["EVAL", "EVALSHA", "GET", "SET", "DEL", "PTTL", "EXISTS", "TIME"],
  ...["HMGET", "HSET", "HPEXPIRETIME", "HPEXPIREAT"],
];
const COPYING = ["TYPE", "COPY", "HGET", "HDEL", "UNLINK"];
const COPYING_ACROSS_NODES = [...COPYING, "HSETNX", "DUMP", "RESTORE"];

/**
 * Asks a server about its user. ARGV: how many commands, the commands, keys. Returns the refused ones, each command followed by the
 * key, and nothing for a command that the server does not have, nor on one older than Redis 7.0, which cannot be asked.
 */
const ASK = `
local refused, count = {}, tonumber(ARGV[1])
if not redis.acl_check_cmd then return refused end
for i = 2, 1 + count do
  for j = 2 + count, #ARGV do
    local known, may = pcall(redis.acl_check_cmd, ARGV[i], ARGV[j], ARGV[j])
    if known and not may then
      refused[#refused + 1] = ARGV[i]
      refused[#refused + 1] = ARGV[j]
    end
  end
end
return refused`;

/** Keys of each server among which is looked for one that stands for all that a change writes, and how many are judged. */
const LOOKED_AT = 1000;
const JUDGED = 20;

/**
 * Says what the user lacks, on each server that refuses something. Writes nothing.
 *
 * @param states Keys of the bookkeeping.
 */
export async function findRightsBlockers(
  store: RedisStore,
  changes: readonly (CopyChange | TransformChange)[],
  states: readonly Binary[],
): Promise<readonly Blocker[]> {
  const copying = store.clustered ? COPYING_ACROSS_NODES : COPYING;
  const commands = changes.some(({ type }) => type === "copy") ? [...WRITING, ...copying] : WRITING;
  const { nodes } = await readTopology(store);
  const asked = await Promise.all(nodes.map(async ({ name, client }) => {
    const found = await Promise.all(changes.map((change) => exampleOf(store, client, change)));
    const keys = [...new Set([...states, ...found.flat()])];
    return { name, client, keys, refused: await ask(client, commands, keys) };
  }));
  const user = nodes[0]?.client.options.username ?? "default";
  const refusals = new Map<string, string[]>();
  for (const { name, keys, refused } of asked) {
    if (refused.size === 0) continue;
    const what = describe(refused, keys);
    refusals.set(what, [...refusals.get(what) ?? [], name]);
  }
  return [...refusals].map(([what, by]) => {
    const where = by.length === nodes.length ? "" : ` on ${by.join(", ")}`;
    return {
      store: "redis",
      kind: "rights",
      object: user,
      detail: `The Redis user ${user} may not run ${what}${where}, which applying needs`,
      ...remedy(GRANTS_HINT),
    };
  });
}

/** A key on a server that a change writes to, or none where few would be found. */
async function exampleOf(
  store: RedisStore,
  client: Redis,
  change: CopyChange | TransformChange,
): Promise<readonly Binary[]> {
  const keys = (await firstKeys(client)).filter(matcherOf(change.pattern)).slice(0, JUDGED);
  if (change.type === "transform") return keys.slice(0, 1);
  return (await findPairs(change, store, false, keys)).slice(0, 1).map(({ target }) => target);
}

const firstKeys = askedTogether(async (client: Redis) =>
  (await scanPage(client, { cursor: "0", pattern: "*", count: LOOKED_AT })).keys
);

/** @returns For each refused command the keys on which it is. */
async function ask(
  client: Redis,
  commands: readonly string[],
  keys: readonly Binary[],
): Promise<Map<string, Binary[]>> {
  const args = [ASK, "0", String(commands.length), ...commands, ...keys.map(toArgument)];
  for (const evaluate of ["EVAL_RO", "EVAL"]) {
    try {
      const told = await client.call(evaluate, ...args) as string[];
      const refused = new Map<string, Binary[]>();
      for (let i = 0; i < told.length; i += 2) {
        refused.set(told[i]!, [...refused.get(told[i]!) ?? [], told[i + 1]!]);
      }
      return refused;
    } catch (error) {
      if (!isUnavailable(error)) throw error; // Else an older server, or one that refuses this one.
      if (evaluate === "EVAL" && replyCode(error) === "NOPERM") return new Map([["EVAL", [...keys]]]);
    }
  }
  return new Map();
}

/** Commands that are refused on every key, then those that are on some. */
function describe(refused: ReadonlyMap<string, readonly Binary[]>, keys: readonly Binary[]): string {
  const whole = [...refused].filter(([, on]) => on.length === keys.length).map(([command]) => command);
  const others = [...refused].filter(([command]) => !whole.includes(command));
  const named = new Set(others.flatMap(([, on]) => on).map(display));
  const parts = [
    whole.join(", "),
    others.length === 0
      ? ""
      : `${others.map(([command]) => command).join(", ")} on keys like ${[...named].join(", ")}`,
  ];
  return parts.filter((part) => part !== "").join(", nor ");
}
