/**
 * Runners in processes of their own: many at once, killed, and paused past their lease. With `LOCK_ROUNDS` set, each test
 * runs that many rounds instead of the few that fit into every run of the tests.
 */

import { assert, assertEquals } from "@std/assert";
import { clearLock, readLock } from "../../../engine/lock/clear.ts";
import type { LockOwner } from "../../../engine/lock/lock.ts";
import { tagOfSlot } from "../../../engine/redis/hash_slot.ts";
import type { ChildOptions } from "../../support/lock_child.ts";
import { assertExclusive, createLogTable, type Runner, startRunner } from "../../support/lock_runner.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";

const names = {
  lock: "outpost:migration:lock",
  older: [".outpost:migration:lock", ".outpost:migration_lock"],
  fence: "outpost:migration:fence",
};

function rounds(few: number): number {
  return Number(Deno.env.get("LOCK_ROUNDS") ?? few);
}

async function startStores(): Promise<
  AsyncDisposable & {
    readonly options: ChildOptions;
    readonly owner: () => Promise<LockOwner | null>;
    /** Clears the lock of a runner that was killed, which would keep the next round waiting. */
    readonly clear: () => Promise<unknown>;
    readonly prove: (runners: readonly Runner[]) => Promise<readonly string[]>;
  }
> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const server = stack.use(await startPostgres());
  const url = await server.createDatabase();
  const sql = server.client(url);
  await createLogTable(sql);
  const client = redis.client();
  const lists = ["log"];
  const moved = stack.move();
  return {
    options: {
      redisPorts: [redis.port],
      postgresUrl: url,
      names,
      ttlMs: 1500,
      waitMs: 120_000,
      rounds: 1,
      writes: 3,
      pauseMs: 5,
      lists,
    },
    owner: () => readLock({ redis: { client, names } }),
    clear: () => clearLock({ redis: { client, names } }, { force: true }),
    prove: (runners) => assertExclusive(runners, lists, client, sql),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

Deno.test("acquireLock() lets twenty processes that start at once work one after the other", async () => {
  await using stores = await startStores();
  await using stack = new AsyncDisposableStack();
  const count = rounds(20);
  const runners = Array.from(
    { length: count },
    () => stack.use(startRunner({ ...stores.options, ttlMs: 10_000 })),
  );
  assertEquals(await Promise.all(runners.map(({ code }) => code)), runners.map(() => 0));
  assertEquals((await stores.prove(runners)).length, count);
});

Deno.test("acquireLock() goes by itself to the next runner when its holder is killed at any moment", async () => {
  await using stores = await startStores();
  await using stack = new AsyncDisposableStack();
  const all: Runner[] = [];
  const start = () => all.push(stack.use(startRunner({ ...stores.options, rounds: 1_000_000, writes: 5 })));
  start();
  start();
  const killed = new Set<number>();
  for (let i = 0; i < rounds(8); i++) {
    await eventually(async () => assertEquals(killed.has((await stores.owner())?.pid ?? 0), false));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
    // Whoever holds it now, wherever it is: taking, writing, committing or giving back.
    const holder = await eventually(async () => {
      const owner = await stores.owner();
      const found = all.find(({ pid }) => pid === owner?.pid && !killed.has(pid));
      if (found === undefined) throw new Error("nobody holds the lock");
      return found;
    });
    // Every other one has written before, however busy the machine is: so there is something to prove.
    if (i % 2 === 0) await holder.next("wrote");
    killed.add(holder.pid);
    holder.kill("SIGKILL");
    start();
  }
  await eventually(async () => assertEquals(killed.has((await stores.owner())?.pid ?? 0), false));
  for (const runner of all) runner.kill("SIGKILL");
  await Promise.all(all.map(({ code }) => code));
  const tokens = await stores.prove(all);
  assert(tokens.length >= rounds(8) / 2, `only ${tokens.length} turns`);
});

Deno.test("acquireLock() keeps a runner from writing that was paused past its lease", async () => {
  await using stores = await startStores();
  await using stack = new AsyncDisposableStack();
  for (let i = 0; i < rounds(3); i++) {
    const paused = stack.use(startRunner({ ...stores.options, writes: 100_000, insists: true }));
    await paused.next("wrote");
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 50));
    paused.kill("SIGSTOP");
    const second = stack.use(startRunner({ ...stores.options, writes: 100_000, ttlMs: 8000 }));
    await second.next("wrote");
    paused.kill("SIGCONT");
    const insisted = await paused.next("insisted");
    assert(insisted.event === "insisted" && insisted.refused >= 100 && insisted.accepted === 0);
    assertEquals(await paused.code, 3);
    await second.next("wrote");
    second.kill("SIGKILL");
    await second.code;
    await stores.prove([paused, second]);
    await stores.clear();
  }
});

Deno.test("acquireLock() fences a paused runner on every master of a cluster", async () => {
  await using redis = await startRedisCluster();
  await using stack = new AsyncDisposableStack();
  const client = redis.client();
  const lists = [0, 6000, 12_000].map((slot) => `log:{${tagOfSlot(slot)}}`);
  const options: ChildOptions = {
    ...{ redisPorts: redis.ports, postgresUrl: null, names, lists },
    ...{ ttlMs: 1500, waitMs: 60_000, rounds: 1, writes: 100_000, pauseMs: 0 },
  };
  for (let i = 0; i < rounds(2); i++) {
    const paused = stack.use(startRunner({ ...options, insists: true }));
    await paused.next("wrote");
    paused.kill("SIGSTOP");
    const second = stack.use(startRunner({ ...options, ttlMs: 8000 }));
    await second.next("wrote");
    paused.kill("SIGCONT");
    const insisted = await paused.next("insisted");
    assert(insisted.event === "insisted" && insisted.refused >= 100 && insisted.accepted === 0);
    assertEquals(await paused.code, 3);
    await second.next("wrote");
    second.kill("SIGKILL");
    await second.code;
    await assertExclusive([paused, second], lists, client, null);
    await clearLock({ redis: { client, names } }, { force: true });
  }
});
