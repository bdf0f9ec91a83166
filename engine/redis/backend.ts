/**
 * The Redis store, as the engine sees it.
 *
 * @module
 */

import type { CleanupResult, MigrationInfo, MigrationResult } from "../migration.ts";
import type {
  KeptForm,
  RedisApplyOptions,
  RedisBackend,
  RedisDifference,
  RedisMigrationPlan,
  RedisRecordOptions,
  RedisRunOptions,
  RedisState,
  RedisVerification,
  RedisVerifyOptions,
  ResolveResult,
} from "../redis_backend.ts";
import type { Blocker } from "../blocker.ts";
import { RefusedError, UnknownMigrationError } from "../errors.ts";
import { encodeText } from "./binary.ts";
import { adoptOlder, markFresh } from "./adopt.ts";
import { Bookkeeping } from "./bookkeeping.ts";
import type { RedisLayout } from "./layout.ts";
import { toToldError, watchFailures } from "./errors.ts";
import type { CopyChange } from "./copy/change.ts";
import { cleanUp, countOriginals } from "./copy/cleanup.ts";
import { findDifferences, settleDifferences } from "./copy/resolve.ts";
import type { RedisMigration } from "./migration.ts";
import { forecast } from "./plan.ts";
import { findRightsBlockers } from "./rights.ts";
import { findRoomBlockers } from "./room.ts";
import { runMigrations } from "./run.ts";
import { entryOf, infoOf, readStandings, rulesFor, type Standing, writeContext } from "./standing.ts";
import type { RedisStore } from "./store.ts";
import { verifyMigrations } from "./verification.ts";
import { whereabouts } from "./whereabouts.ts";

/** What a Redis store is made of. */
interface RedisBackendOptions {
  /** The server or the cluster. */
  readonly store: RedisStore;
  /** All migrations, in order. */
  readonly migrations: readonly RedisMigration[];
  readonly layout: RedisLayout;
}

/**
 * Creates the Redis store. Nothing is sent before a method is called.
 *
 * Every method throws {@linkcode StoreUnreachableError} when the server does not answer, and
 * {@linkcode StoreDeniedError} when it refuses the credentials or the user lacks rights.
 */
export function createRedisBackend(options: RedisBackendOptions): RedisBackend {
  return new Backend(options);
}

class Backend implements RedisBackend {
  readonly migrations: readonly MigrationInfo[];
  readonly #definitions: readonly RedisMigration[];
  readonly #store: RedisStore;
  readonly #bookkeeping: Bookkeeping;
  readonly #lastFailure: () => Error | null;

  constructor({ store, migrations, layout }: RedisBackendOptions) {
    this.migrations = migrations.map(infoOf);
    this.#definitions = migrations;
    this.#store = store;
    this.#lastFailure = watchFailures(store.client);
    this.#bookkeeping = new Bookkeeping(store, layout);
  }

  read(): Promise<RedisState> {
    return this.#asking("Cannot read the state of the Redis migrations", async () => {
      const standings = await this.#all();
      return {
        entries: standings.map(entryOf),
        adoptable: standings.some(({ adoptable }) => adoptable),
        recorded: standings.some(({ state }) => state.own),
        ...await whereabouts(this.#store, this.#bookkeeping.layout.deployment),
      };
    });
  }

  plan(ids: readonly string[], options: RedisRunOptions): Promise<readonly RedisMigrationPlan[]> {
    return this.#asking("Cannot plan the Redis migrations", async () => {
      return await forecast(this.#store, await this.#standings(ids), options);
    });
  }

  blockers(ids: readonly string[]): Promise<readonly Blocker[]> {
    return this.#asking("Cannot look for what stands in the way", async () => {
      const chosen = (await this.#standings(ids)).filter(({ reason }) => reason === null);
      if (chosen.length === 0) return [];
      const changes = chosen.map(({ migration: { change } }) => change);
      const { layout } = this.#bookkeeping;
      const states = chosen.map(({ migration: { name } }) => encodeText(layout.stateKey(name)));
      return [
        ...await findRightsBlockers(this.#store, changes, states),
        ...await findRoomBlockers(this.#store, changes.filter((change) => change.type === "copy")),
      ];
    });
  }

  apply(ids: readonly string[], options: RedisApplyOptions): Promise<readonly MigrationResult[]> {
    return this.#asking(`Cannot apply ${ids.join(", ")}`, async () => {
      const nothing = { processed: 0, failed: 0, skipped: 0, conflicts: 0, durationMs: 0 };
      const results = new Map<string, MigrationResult>();
      const running: Standing[] = [];
      for (const standing of await this.#standings(ids)) {
        const { id, migration: { name }, reason, state } = standing;
        if (reason !== null) {
          await this.#bookkeeping.notApplicable(name, reason, options.fence);
          results.set(id, { id, outcome: "applied", ...nothing, issues: [reason] });
          // What another installation has finished meanwhile is true of its records, and was pending here when this run was agreed to.
        } else if (state.own && state.status === "applied" && options.rerun !== true) {
          results.set(id, { id, outcome: "applied", ...nothing, issues: [] });
        } else running.push(standing);
      }
      if (running.length > 0) {
        for (const result of await runMigrations(this.#bookkeeping, running, options)) {
          results.set(result.id, result);
        }
      }
      return ids.map((id) => results.get(id)!);
    });
  }

  verify(ids: readonly string[], options: RedisVerifyOptions): Promise<readonly RedisVerification[]> {
    return this.#asking("Cannot verify the Redis migrations", async () => {
      return await verifyMigrations(this.#store, await this.#standings(ids), options);
    });
  }

  planCleanup(id: string, options: Parameters<RedisBackend["planCleanup"]>[1]): Promise<number | null> {
    return this.#asking(`Cannot plan the cleanup of ${id}`, async () => {
      const { standing, change } = await this.#copying(id);
      if (change === null) return null;
      return await countOriginals(
        change,
        { ...rulesFor(this.#store, standing), ...options },
        options.any === true,
      );
    });
  }

  cleanup(id: string, options: RedisApplyOptions): Promise<CleanupResult> {
    return this.#asking(`Cannot clean up ${id}`, async () => {
      const { standing, change } = await this.#copying(id);
      if (change === null) return { id, deleted: 0, kept: 0, issues: [] };
      const { status } = standing.state;
      if (status !== "applied") throw new RefusedError(`Cannot clean up ${id}: it is ${status}, not applied`);
      return await cleanUp(id, change, writeContext(this.#store, standing, options), options.onProgress);
    });
  }

  differences(
    id: string,
    keys: readonly string[] | null,
    options: RedisRunOptions,
  ): Promise<readonly RedisDifference[]> {
    return this.#asking(`Cannot look at the records of ${id}`, async () => {
      const { standing, change } = await this.#settling(id);
      return await findDifferences(id, change, { ...rulesFor(this.#store, standing), ...options }, keys);
    });
  }

  settle(
    id: string,
    differences: readonly RedisDifference[],
    keep: KeptForm,
    options: RedisApplyOptions,
  ): Promise<ResolveResult> {
    return this.#asking(`Cannot settle records of ${id}`, async () => {
      const { standing, change } = await this.#settling(id);
      const context = writeContext(this.#store, standing, options);
      const { resolved, issues } = await settleDifferences(change, context, differences, keep);
      return { id, resolved, issues: [...issues, ...context.tally.issues] };
    });
  }

  adopt(options: RedisRecordOptions): Promise<boolean> {
    return this.#asking("Cannot adopt older bookkeeping", async () => {
      return await adoptOlder(this.#bookkeeping, await this.#all(), options);
    });
  }

  markFresh(options: RedisRecordOptions): Promise<boolean> {
    return this.#asking("Cannot mark the Redis migrations as applied", async () => {
      return await markFresh(this.#bookkeeping, await this.#all(), options);
    });
  }

  #all(): Promise<readonly Standing[]> {
    return readStandings(this.#bookkeeping, this.#definitions);
  }

  /** Where some stand, in this order. @throws {UnknownMigrationError} When there is none of an ID. */
  async #standings(ids: readonly string[]): Promise<readonly Standing[]> {
    const all = new Map((await this.#all()).map((standing) => [standing.id, standing]));
    return ids.map((id) => {
      const standing = all.get(id);
      if (standing !== undefined) return standing;
      throw new UnknownMigrationError(`No Redis migration is called "${id}"`, [...all.keys()]);
    });
  }

  /** Where one stands, and the copies that it makes; null where it makes none here. */
  async #copying(id: string): Promise<{ readonly standing: Standing; readonly change: CopyChange | null }> {
    const [standing] = await this.#standings([id]) as [Standing];
    const { migration: { change }, reason } = standing;
    return { standing, change: change.type === "copy" && reason === null ? change : null };
  }

  /** @throws {RefusedError} When the migration makes no copies here. */
  async #settling(id: string): Promise<{ readonly standing: Standing; readonly change: CopyChange }> {
    const { standing, change } = await this.#copying(id);
    if (change !== null) return { standing, change };
    const where = standing.reason === null ? "" : " here";
    throw new RefusedError(`Cannot settle records of ${id}: it makes no copies${where}`);
  }

  async #asking<T>(action: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw toToldError(error, action, this.#lastFailure());
    }
  }
}
