/**
 * The Redis store, as the engine sees it.
 *
 * @module
 */

import type { CleanupResult, MigrationInfo, MigrationResult } from "../migration.ts";
import type {
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
import { RefusedError } from "../errors.ts";
import { encodeText } from "./binary.ts";
import { adoptOlder, markFresh } from "./adopt.ts";
import { Bookkeeping } from "./bookkeeping.ts";
import type { RedisLayout } from "./layout.ts";
import { toToldError, watchFailures } from "./errors.ts";
import { cleanUp, countOriginals } from "./copy/cleanup.ts";
import { findDifferences, settleDifferences } from "./copy/resolve.ts";
import { reasonAgainst, type RedisMigration } from "./migration.ts";
import { emptyForecast, forecast } from "./plan.ts";
import { findRightsBlockers } from "./rights.ts";
import { findRoomBlockers } from "./room.ts";
import { runMigrations } from "./run.ts";
import { entryOf, infoOf, type Standing } from "./standing.ts";
import { Standings } from "./standings.ts";
import type { RedisStore } from "./store.ts";
import { verifyMigrations } from "./verification.ts";
import { whereabouts } from "./whereabouts.ts";

/** What a Redis store is made of. */
export interface RedisBackendOptions {
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
  readonly #store: RedisStore;
  readonly #layout: RedisLayout;
  readonly #bookkeeping: Bookkeeping;
  readonly #standings: Standings;
  readonly #lastFailure: () => Error | null;

  constructor({ store, migrations, layout }: RedisBackendOptions) {
    this.migrations = migrations.map(infoOf);
    this.#store = store;
    this.#lastFailure = watchFailures(store.client);
    this.#layout = layout;
    this.#bookkeeping = new Bookkeeping(this.#store, layout);
    this.#standings = new Standings({ store, migrations, layout, bookkeeping: this.#bookkeeping });
  }

  read(): Promise<RedisState> {
    return this.#asking("Cannot read the state of the Redis migrations", async () => {
      const standings = await this.#standings.all();
      return {
        entries: standings.map(entryOf),
        adoptable: standings.some(({ adoptable }) => adoptable),
        recorded: standings.some(({ state }) => state.own),
        ...await whereabouts(this.#store, this.#layout.deployment),
      };
    });
  }

  plan(ids: readonly string[], options: RedisRunOptions): Promise<readonly RedisMigrationPlan[]> {
    return this.#asking("Cannot plan the Redis migrations", async () => {
      const chosen = await Promise.all(ids.map((id) => this.#standings.of(id)));
      const planned = await Promise.all(
        chosen.filter(({ reason }) => reason === null).map(async (standing) => {
          const { migration } = standing;
          return {
            migration,
            rules: this.#standings.rulesFor(standing),
            applied: await this.#standings.appliedAfter(migration),
          };
        }),
      );
      const forecasts = await forecast(this.#store, planned, options);
      return chosen.map(({ migration }) => {
        const { id, name, description } = infoOf(migration);
        return { id, name, description, ...forecasts.get(migration) ?? emptyForecast() };
      });
    });
  }

  blockers(ids: readonly string[]): Promise<readonly Blocker[]> {
    return this.#asking("Cannot look for what stands in the way", async () => {
      const chosen = ids.map((id) => this.#standings.find(id)).filter((migration) =>
        reasonAgainst(migration) === null
      );
      const copies = chosen.flatMap(({ change }) => change.type === "copy" ? [change] : []);
      if (chosen.length === 0) return [];
      const changes = chosen.map(({ change }) => change);
      const states = chosen.map(({ name }) => encodeText(this.#layout.stateKey(name)));
      return [
        ...await findRightsBlockers(this.#store, changes, states),
        ...await findRoomBlockers(this.#store, copies),
      ];
    });
  }

  async apply(id: string, options: RedisApplyOptions): Promise<MigrationResult> {
    const [result] = await this.applyTogether([id], options);
    return result!;
  }

  applyTogether(ids: readonly string[], options: RedisApplyOptions): Promise<readonly MigrationResult[]> {
    return this.#asking(`Cannot apply ${ids.join(", ")}`, async () => {
      const nothing = { processed: 0, failed: 0, skipped: 0, conflicts: 0, durationMs: 0 };
      const results = new Map<string, MigrationResult>();
      const running: Standing[] = [];
      for (const id of ids) {
        const standing = await this.#standings.of(id);
        const { migration, reason, state } = standing;
        if (reason !== null) {
          await this.#bookkeeping.notApplicable(migration.name, reason, options.fence);
          results.set(id, { id, outcome: "applied", ...nothing, issues: [reason] });
          // What another installation has finished meanwhile is true of its records, and was pending here when this run was agreed to.
        } else if (state.own && state.status === "applied" && options.rerun !== true) {
          results.set(id, { id, outcome: "applied", ...nothing, issues: [] });
        } else running.push(standing);
      }
      if (running.length > 0) {
        const steps = await Promise.all(running.map((standing) => this.#standings.stepOf(standing)));
        const run = { store: this.#store, bookkeeping: this.#bookkeeping, steps, options };
        for (const result of await runMigrations(run)) results.set(result.id, result);
      }
      return ids.map((id) => results.get(id)!);
    });
  }

  verify(ids: readonly string[], options: RedisVerifyOptions): Promise<readonly RedisVerification[]> {
    return this.#asking("Cannot verify the Redis migrations", async () => {
      const asked = await Promise.all(ids.map(async (id) => {
        const standing = await this.#standings.of(id);
        return { id, ...standing, rules: this.#standings.rulesFor(standing) };
      }));
      return await verifyMigrations(this.#store, asked, options);
    });
  }

  planCleanup(id: string, options: Parameters<RedisBackend["planCleanup"]>[1]): Promise<number | null> {
    return this.#asking(`Cannot plan the cleanup of ${id}`, async () => {
      const standing = await this.#standings.of(id);
      const { migration: { change }, reason } = standing;
      if (change.type !== "copy" || reason !== null) return null;
      return await countOriginals(
        change,
        { ...this.#standings.rulesFor(standing), ...options },
        options.any === true,
      );
    });
  }

  cleanup(id: string, options: RedisApplyOptions): Promise<CleanupResult> {
    return this.#asking(`Cannot clean up ${id}`, async () => {
      const standing = await this.#standings.of(id);
      const { migration: { change }, reason, state } = standing;
      if (change.type !== "copy" || reason !== null) return { id, deleted: 0, kept: 0, issues: [] };
      const { status } = state;
      if (status !== "applied") throw new RefusedError(`Cannot clean up ${id}: it is ${status}, not applied`);
      const context = await this.#standings.writeContext(standing, options);
      return { id, ...await cleanUp(id, change, context, options.onProgress) };
    });
  }

  differences(
    id: string,
    keys: readonly string[] | null,
    options: RedisRunOptions,
  ): Promise<readonly RedisDifference[]> {
    return this.#asking(`Cannot look at the records of ${id}`, async () => {
      const { standing, change } = await this.#copying(id);
      const context = { ...this.#standings.rulesFor(standing), ...options };
      return await findDifferences(id, change, context, keys);
    });
  }

  settle(
    id: string,
    differences: readonly RedisDifference[],
    keep: "original" | "copy",
    options: RedisApplyOptions,
  ): Promise<ResolveResult> {
    return this.#asking(`Cannot settle records of ${id}`, async () => {
      const { standing, change } = await this.#copying(id);
      const context = await this.#standings.writeContext(standing, options);
      const { resolved, issues } = await settleDifferences(change, context, differences, keep);
      return { id, resolved, issues: [...issues, ...context.tally.issues] };
    });
  }

  /** @throws {RefusedError} When the migration makes no copies here. */
  async #copying(id: string) {
    const standing = await this.#standings.of(id);
    const { migration: { change }, reason } = standing;
    if (change.type === "copy" && reason === null) return { standing, change };
    throw new RefusedError(
      `Cannot settle records of ${id}: it makes no copies${reason === null ? "" : " here"}`,
    );
  }

  adopt(options: RedisRecordOptions): Promise<boolean> {
    return this.#asking("Cannot adopt older bookkeeping", async () => {
      return await adoptOlder(
        { store: this.#store, bookkeeping: this.#bookkeeping },
        await this.#standings.all(),
        options,
      );
    });
  }

  markFresh(options: RedisRecordOptions): Promise<boolean> {
    return this.#asking("Cannot mark the Redis migrations as applied", async () => {
      return await markFresh(
        { store: this.#store, bookkeeping: this.#bookkeeping },
        await this.#standings.all(),
        this.#layout,
        options,
      );
    });
  }

  async #asking<T>(action: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw toToldError(error, action, this.#lastFailure());
    }
  }
}
