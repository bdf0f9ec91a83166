import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { startRedis } from "../../support/redis.ts";
import { type Action, ID_FORMS, Model, type ModelRecord } from "../../support/redis_model.ts";
import {
  applyOne,
  ENTITY,
  expiryOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  TIMESTAMPS,
} from "../../support/redis_records.ts";

const RUNS = 90;
const OPERATIONS = 10_000;
const DESTINATIONS = ["d", "d:e", "{d}", "\xff", "x y"];

interface Scenario {
  readonly tenants: readonly {
    readonly form: number;
    readonly destinations: number;
    readonly deleted: boolean;
  }[];
  readonly actions: readonly Action[];
  /** The application acts before every such command of the migration. */
  readonly every: number;
  /** After how many commands each run is killed; the runs after these are not. */
  readonly kills: readonly number[];
  readonly runners: number;
  readonly batchSize: number;
  /** All migrations in one pass, or each by itself. */
  readonly together: boolean;
}

const action: fc.Arbitrary<Action> = fc.record({
  type: fc.constantFrom(
    "update",
    "soft_delete",
    "delete",
    "expire_later",
    "write_current",
    "soft_delete_current",
  ),
  at: fc.nat(1000),
});

const scenario: fc.Arbitrary<Scenario> = fc.record({
  tenants: fc.array(
    fc.record({
      form: fc.nat(ID_FORMS.length - 1),
      destinations: fc.nat(DESTINATIONS.length),
      deleted: fc.boolean(),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  actions: fc.array(action, { minLength: 100, maxLength: 180, size: "max" }),
  every: fc.integer({ min: 1, max: 4 }),
  kills: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 4 }),
  runners: fc.integer({ min: 1, max: 2 }),
  batchSize: fc.integer({ min: 1, max: 7 }),
  together: fc.boolean(),
});

/** A client that lets the application act before its commands, and loses its connection when it is time. */
function disturbed(client: Redis, before: () => Promise<void>, commandsLeft: number): Redis {
  const send = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
  let left = commandsLeft;
  client.callBuffer = (async (...args: unknown[]) => {
    await before();
    if (left-- <= 0) client.disconnect();
    return await send(...args);
  }) as typeof client.callBuffer;
  return client;
}

// Node's sockets leave timers behind in the oldest Deno, when a connection is lost.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "apply() and cleanup() lose no write, whatever the application and crashes do meanwhile",
  quietly,
  async () => {
    await using server = await startRedis();
    const application = server.client();
    let [operations, applied, settled] = [0, 0, 0];

    async function check(scenario: Scenario): Promise<void> {
      const { tenants, actions, every, kills, runners, batchSize, together } = scenario;
      await application.flushall();
      const model = new Model(application);
      for (const [n, { form, destinations, deleted }] of tenants.entries()) {
        await model.addTenant(ID_FORMS[form]!(n), DESTINATIONS.slice(0, destinations), deleted);
      }
      const queue = [...actions];
      let commands = 0;
      const act = async () => {
        if (++commands % every !== 0) return;
        const next = queue.shift();
        if (next !== undefined) await model.act(next);
      };
      const killed = [...kills];

      /** Runs until it has ended by itself, as often as it is killed. */
      async function run(work: (client: Redis) => Promise<unknown>): Promise<void> {
        while (true) {
          const limit = killed.shift();
          const client = disturbed(server.client({ retryStrategy: () => null }), act, limit ?? Infinity);
          try {
            await work(client);
            return;
          } catch (error) {
            if (limit === undefined) throw error;
          } finally {
            client.disconnect();
          }
        }
      }
      const apply = (...ids: string[]) =>
        Promise.all(Array.from({ length: runners }, () =>
          run(async (client) => {
            const results = await outpostBackend(client).apply(ids, { signal: NEVER, batchSize });
            for (const { id, outcome, failed, issues } of results) {
              assertEquals(outcome, failed === 0 ? "applied" : "failed");
              // Only what both applications wrote leaves the copies undone, and each such record is named.
              assert(failed === 0 || ids[0] === HASH_TAGS, `${id} failed`);
              assert(issues.length >= Math.min(failed, 10), issues.join());
              const why = id === HASH_TAGS ? "is different" : `${HASH_TAGS} could not do it`;
              assert(issues.slice(0, failed).every((issue) => issue.includes(why)), issues.join());
            }
          })));

      await apply(HASH_TAGS, ...together ? [TIMESTAMPS, ENTITY] : []);
      model.copied();
      // Without a lock one runner may say that all is done, and another that 001 could not do everything.
      const { entries: told } = await outpostBackend(application).read();
      for (const { id, status } of told.slice(1)) if (status !== "applied") await apply(id);
      while (queue.length > 0) await model.act(queue.shift()!);
      operations += model.operations;
      await compare(application, model, "after apply");
      const { entries } = await outpostBackend(application).read();
      assertEquals(entries.slice(1).map(({ status }) => status), ["applied", "applied"]);
      if (entries[0]?.status === "applied") applied++;
      else {
        // What both applications wrote is settled by a person, for one form or the other; a list then may differ in its turn.
        const backend = outpostBackend(application);
        const keep = batchSize % 2 === 0 ? "original" : "copy";
        let [outcome, left]: [string, unknown[]] = ["", []];
        for (let round = 0; outcome !== "applied"; round++) {
          assert(round < 4, JSON.stringify(left));
          const differences = await backend.differences(HASH_TAGS, null, { signal: NEVER });
          left = differences.map(({ key, fault, fields }) => [key, fault, fields]);
          const { resolved, issues } = await backend.settle(HASH_TAGS, differences, keep, { signal: NEVER });
          assertEquals([resolved, issues], [differences.length, []]);
          for (const { source } of differences) await model.settled(source, keep);
          await compare(application, model, "after resolve");
          model.copiedAgain();
          outcome = (await applyOne(backend, HASH_TAGS, { signal: NEVER })).outcome;
        }
        settled++;
      }

      killed.push(...kills);
      await run((client) => outpostBackend(client).cleanup(HASH_TAGS, { signal: NEVER, batchSize }));
      await compare(application, model, "after cleanup");
      for (const pair of model.pairs) {
        const kept = await getHash(application, pair.source);
        if (kept !== null) assertEquals(kept, model.sources.get(pair.source)?.fields);
        else {
          const copy = await read(application, pair.target);
          const original = JSON.stringify(model.sources.get(pair.source));
          assert(
            model.proves(pair, copy),
            `${pair.target} is ${JSON.stringify(copy)}, its original was ${original}`,
          );
        }
      }
    }

    await fc.assert(fc.asyncProperty(scenario, check), {
      numRuns: RUNS,
      endOnFailure: true,
      seed: seedOfRun(),
    });
    assert(applied > RUNS / 20 && settled > RUNS / 20, `${applied} runs were applied, ${settled} settled`);
    assert(operations >= OPERATIONS, `Only ${operations} operations were generated`);
  },
);

/** The same operations for every change; `OUTPOST_TESTS_MODEL_SEED` plays others, `random` others each time, and prints which. */
function seedOfRun(): number {
  const given = Deno.env.get("OUTPOST_TESTS_MODEL_SEED") ?? "1";
  if (given !== "random") return Number(given);
  const seed = Math.floor(Math.random() * 2 ** 31);
  // deno-lint-ignore no-console
  console.log(`OUTPOST_TESTS_MODEL_SEED=${seed}`);
  return seed;
}

/** Every current record must be one that the model allows, down to the millisecond of its end. */
async function compare(client: Redis, model: Model, when: string): Promise<void> {
  for (const pair of model.pairs) {
    const found = await read(client, pair.target);
    assert(
      model.allows(pair, found),
      `${when}: ${JSON.stringify(pair.target)} is ${JSON.stringify(found)}, allowed: ${model.allowed(pair)}`,
    );
  }
}

async function read(client: Redis, key: string): Promise<ModelRecord> {
  const fields = await getHash(client, key);
  return fields === null ? null : { fields, expiresAt: await expiryOf(client, key) };
}
