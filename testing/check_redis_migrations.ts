/**
 * Tries the Redis migrations of an engine as life will: twice, interrupted anywhere, beside a writer, and cleaned up.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Engine } from "../engine/engine.ts";
import { ApplyError, InterruptedError } from "../engine/errors.ts";
import type { RedisClient } from "../engine/redis/client.ts";
import { CountedClient } from "./counted_client.ts";
import { differences, type Snapshot, takeSnapshot } from "./snapshot.ts";

/** What the application does to its records while they are migrated. */
export interface Writer {
  /**
   * Changes a record or two, as the application would. Called between any two commands of a run.
   *
   * @param turn Counts from 0 in each run.
   */
  write(turn: number): Promise<void>;
  /** Looks, after the run, whether everything that was written is still there, under its old name or its new one. Throws where it is not. */
  check(): Promise<void>;
}

/** What is tried, and on what. */
export interface CheckOptions {
  /** A client of an empty database that is for this alone: everything in it is deleted again and again. The caller closes it. */
  readonly redis: RedisClient;
  /** Makes the engine, with nothing but the Redis migrations, over the client that it is given. */
  readonly engine: (client: RedisClient) => Engine;
  /** Writes the records of the old form: odd ones too, some with a time to live. */
  readonly seed: () => Promise<void>;
  /** Keys among the seeded ones that no migration may touch, as text. @default {[]} */
  readonly foreign?: readonly string[] | undefined;
  /** Left out, no run is tried beside a writer. */
  readonly writer?: Writer | undefined;
  /** How many runs are interrupted, each at another command, spread evenly over a whole run. @default {20} */
  readonly interruptions?: number | undefined;
}

/** What was tried. */
export interface CheckReport {
  /** Commands that an undisturbed run sends. */
  readonly commands: number;
  /** Runs that were interrupted and finished by a second one. */
  readonly interrupted: number;
  /** Records that the migrations changed, made or deleted, cleanup included. */
  readonly changed: number;
}

/** A migration did what it must not. */
export class BrokenPromiseError extends Error {
  /** For outputs. */
  override readonly name = "BrokenPromiseError";
  /** One sentence for each find. */
  readonly finds: readonly string[];

  /** Made by {@linkcode checkRedisMigrations}. */
  constructor(promise: string, finds: readonly string[]) {
    super(
      `${promise}: ${finds.slice(0, 5).join("; ")}${finds.length > 5 ? `; ${finds.length - 5} more` : ""}`,
    );
    this.finds = finds;
  }
}

/**
 * Checks that a run ends with everything applied and verified; that a second one changes nothing; that one which is interrupted
 * anywhere and run again ends in the same state; that records keep their time to live, and foreign keys everything; that cleaning
 * up changes no record of the new form; and that nothing of a writer beside it is lost.
 *
 * @returns What was tried.
 * @throws {BrokenPromiseError} For the first promise that is broken, with every find.
 * @throws {TypeError} When the database is not empty, or the seed makes nothing.
 */
export async function checkRedisMigrations(options: CheckOptions): Promise<CheckReport> {
  const { redis, interruptions = 20 } = options;
  if ((await takeSnapshot(redis)).size > 0) {
    throw new TypeError("Cannot check migrations: the database is not empty, and would be emptied");
  }
  try {
    return await new Check(options).run(interruptions);
  } finally {
    await empty(redis);
  }
}

class Check {
  readonly #options: CheckOptions;
  /** Names of bookkeeping and locks, which hold times. */
  #own: ReadonlySet<string> = new Set();

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  async run(interruptions: number): Promise<CheckReport> {
    await this.#findOwn();
    const seeded = await this.#seed();
    const commands = await this.#with(async (engine, client) => {
      try {
        await engine.apply();
      } catch (error) {
        if (!(error instanceof ApplyError)) throw error;
        assertNone(
          "A run that nothing disturbed does every record",
          error.results.flatMap(({ issues }) => issues),
        );
        throw error;
      }
      return client.commands;
    });
    const applied = await this.#records();
    await this.#verified("A run that nothing disturbed ends verified");
    this.#keepsForeign(seeded, applied);
    this.#keepsTimes(seeded, applied);
    await this.#again(applied);
    const cleaned = await this.#cleanUp(applied);
    for (let i = 1; i <= interruptions; i++) {
      await this.#interrupted(Math.ceil((i * commands) / (interruptions + 1)), applied);
    }
    await this.#besideWriter();
    const changed = differences(seeded, cleaned).length;
    return { commands, interrupted: interruptions, changed };
  }

  /** Works with an engine over a connection of its own. */
  async #with<T>(work: (engine: Engine, client: CountedClient) => Promise<T>): Promise<T> {
    const client = new CountedClient(this.#options.redis);
    try {
      return await work(this.#options.engine(client.client), client);
    } finally {
      client[Symbol.dispose]();
    }
  }

  /** What is there after everything was applied to nothing belongs to the engine. */
  async #findOwn(): Promise<void> {
    await this.#with((engine) => engine.apply());
    this.#own = new Set((await takeSnapshot(this.#options.redis)).keys());
  }

  async #seed(): Promise<Snapshot> {
    await empty(this.#options.redis);
    await this.#options.seed();
    const seeded = await this.#records();
    if (seeded.size === 0) throw new TypeError("Cannot check migrations: the seed wrote no record");
    return seeded;
  }

  async #records(): Promise<Snapshot> {
    const all = await takeSnapshot(this.#options.redis);
    return new Map([...all].filter(([key]) => !this.#own.has(key)));
  }

  async #verified(promise: string): Promise<void> {
    const { ok, redis } = await this.#with((engine) => engine.verify({ full: true }));
    if (!ok) throw new BrokenPromiseError(promise, redis.flatMap(({ issues }) => issues));
  }

  #keepsForeign(before: Snapshot, after: Snapshot): void {
    const foreign = new Set(this.#options.foreign?.map((key) => Buffer.from(key).toString("latin1")));
    const only = (all: Snapshot) => new Map([...all].filter(([key]) => foreign.has(key)));
    assertNone("Foreign keys stay as they are", differences(only(before), only(after)));
  }

  /** A record that has a time to live keeps it under its own name, and what the run made has one of those that were there. */
  #keepsTimes(before: Snapshot, after: Snapshot): void {
    const limited = [...before].filter(([, { expiresAt }]) => expiresAt !== null);
    const lost = limited.filter(([key]) => after.has(key) && after.get(key)!.expiresAt === null);
    assertNone("Records keep their time to live", lost.map(([key]) => `${JSON.stringify(key)} lost it`));
    const made = [...after].filter(([key]) => !before.has(key));
    const immortal = made.filter(([, { content, expiresAt }]) =>
      expiresAt === null && limited.some(([, original]) => original.content === content) &&
      ![...before.values()].some((one) => one.expiresAt === null && one.content === content)
    );
    assertNone(
      "Copies keep the time to live of their originals",
      immortal.map(([key]) => `${JSON.stringify(key)} has none`),
    );
  }

  async #again(applied: Snapshot): Promise<void> {
    await this.#with(async (engine) => {
      const { migrations } = await engine.list();
      const ids = migrations.filter(({ status }) => status === "applied").map(({ id }) => id);
      if (ids.length > 0) await engine.apply({ ids, rerun: true });
    });
    assertNone("A second run changes nothing", differences(applied, await this.#records()));
  }

  async #cleanUp(applied: Snapshot): Promise<Snapshot> {
    await this.#with(async (engine) => {
      for (const { id } of (await engine.planCleanup()).items) {
        const { issues } = await engine.cleanup(id);
        assertNone(`Cleanup of ${id} proves every record`, issues);
      }
    });
    const cleaned = await this.#records();
    const left = new Map([...applied].filter(([key]) => cleaned.has(key)));
    assertNone("Cleanup deletes, and changes nothing", differences(left, cleaned));
    await this.#verified("What was cleaned up still verifies");
    return cleaned;
  }

  /** Stops a run before one of its commands, and has another one finish. */
  async #interrupted(at: number, wanted: Snapshot): Promise<void> {
    await this.#seed();
    const controller = new AbortController();
    await this.#with(async (engine, client) => {
      client.beforeEach((command) => command === at && controller.abort());
      try {
        await engine.apply({ signal: controller.signal });
      } catch (error) {
        if (!(error instanceof InterruptedError)) throw error;
      }
    });
    await this.#with((engine) => engine.apply());
    const ended = differences(wanted, await this.#records());
    assertNone(`A run interrupted before its command ${at} and run again ends as one that was not`, ended);
  }

  async #besideWriter(): Promise<void> {
    const { writer } = this.#options;
    if (writer === undefined) return;
    await this.#seed();
    const writes: Promise<void>[] = [];
    await this.#with(async (engine, client) => {
      client.beforeEach((command) => writes.push(writer.write(command - 1)));
      await engine.apply();
    });
    await Promise.all(writes);
    try {
      await writer.check();
    } catch (error) {
      throw new BrokenPromiseError("No write of the application is lost", [String(error)]);
    }
  }
}

function assertNone(promise: string, finds: readonly string[]): void {
  if (finds.length > 0) throw new BrokenPromiseError(promise, finds);
}

async function empty(redis: RedisClient): Promise<void> {
  for (const key of (await takeSnapshot(redis)).keys()) {
    await redis.callBuffer("UNLINK", [Buffer.from(key, "latin1")]);
  }
}
