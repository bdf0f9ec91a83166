/**
 * The Redis store, as the engine sees it.
 *
 * @module
 */

import {
  type CleanupResult,
  type MigrationEntry,
  migrationId,
  type MigrationInfo,
  type MigrationResult,
  type StorePlace,
} from "../migration.ts";
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
import { digestOf } from "../checksum.ts";
import { RefusedError, UnknownMigrationError } from "../errors.ts";
import { type Binary, display, encodeText, parseDisplayed } from "./binary.ts";
import { type AdoptedState, Bookkeeping } from "./bookkeeping.ts";
import type { RedisLayout } from "./layout.ts";
import type { StoredState } from "./stored_state.ts";
import type { Ioredis } from "./client.ts";
import type { RecordRules, WriteContext } from "./context.ts";
import { toToldError, watchFailures } from "./errors.ts";
import { cleanUp, countOriginals } from "./copy/cleanup.ts";
import { findDifferences, settleDifferences } from "./copy/resolve.ts";
import { isFresh } from "./freshness.ts";
import { changesAfter, reasonAgainst, type RedisMigration } from "./migration.ts";
import { MasterWatch } from "./master_watch.ts";
import { forecast } from "./plan.ts";
import { ProgressReporter } from "./walk/progress.ts";
import { findRightsBlockers } from "./rights.ts";
import { findRoomBlockers } from "./room.ts";
import { firstBegin, runMigrations } from "./run.ts";
import { RedisStore } from "./store.ts";
import { Tally } from "./walk/tally.ts";
import type { TransformChange } from "./transform/change.ts";
import { readTopology } from "./topology.ts";
import { verifyMigrations } from "./verification.ts";

/** What a Redis store is made of. */
export interface RedisBackendOptions {
  /** Owned by the caller: never closed here. It must not add a prefix to keys. */
  readonly client: Ioredis;
  /** All migrations, in order. */
  readonly migrations: readonly RedisMigration[];
  readonly layout: RedisLayout;
  /** The time, for bookkeeping. @default The clock of this machine. */
  readonly now?: () => Date;
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
  readonly #layout: RedisLayout;
  readonly #bookkeeping: Bookkeeping;
  readonly #lastFailure: () => Error | null;

  constructor({ client, migrations, layout, now = () => new Date() }: RedisBackendOptions) {
    this.#definitions = migrations;
    this.migrations = migrations.map(infoOf);
    this.#store = new RedisStore(client);
    this.#lastFailure = watchFailures(client);
    this.#layout = layout;
    this.#bookkeeping = new Bookkeeping(this.#store, layout, now);
  }

  read(): Promise<RedisState> {
    return this.#asking("Cannot read the state of the Redis migrations", async () => {
      const entries: MigrationEntry[] = [];
      let [adoptable, recorded] = [false, false];
      for (const migration of this.#definitions) {
        const stored = await this.#bookkeeping.read(migration.name, migration.version);
        const reason = reasonAgainst(migration);
        adoptable ||= isAdoptable(stored, reason);
        recorded ||= stored.own;
        entries.push(toEntry(migration, judgeState(stored, reason)));
      }
      return { entries, adoptable, recorded, ...await this.#whereabouts() };
    });
  }

  plan(ids: readonly string[], options: RedisRunOptions): Promise<readonly RedisMigrationPlan[]> {
    return this.#asking("Cannot plan the Redis migrations", async () => {
      const chosen = ids.map((id) => this.#find(id));
      const applicable = chosen.filter((migration) => reasonAgainst(migration) === null);
      const planned = await Promise.all(applicable.map(async (migration) => {
        return { migration, rules: this.#rulesFor(migration, await this.#stateOf(migration)) };
      }));
      const forecasts = await forecast(this.#store, planned, options);
      return chosen.map((migration) => {
        const found = forecasts.find((one) => one.migration === migration);
        const { id, name, description } = infoOf(migration);
        const { items = 0, scope = {}, examples = [], invalidItems = 0, invalid = [] } = found ?? {};
        return { id, name, description, estimatedItems: items, scope, examples, invalidItems, invalid };
      });
    });
  }

  blockers(ids: readonly string[]): Promise<readonly Blocker[]> {
    return this.#asking("Cannot look for what stands in the way", async () => {
      const chosen = ids.map((id) => this.#find(id)).filter((migration) => reasonAgainst(migration) === null);
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
      const running: { readonly migration: RedisMigration; readonly state: StoredState }[] = [];
      for (const id of ids) {
        const migration = this.#find(id);
        const reason = reasonAgainst(migration);
        const state = await this.#stateOf(migration);
        if (reason !== null) {
          await this.#bookkeeping.notApplicable(migration.name, reason, options.fence);
          results.set(id, { id, outcome: "applied", ...nothing, issues: [reason] });
          // What another installation has finished meanwhile is true of its records, and was pending here when this run was agreed to.
        } else if (state.own && state.status === "applied" && options.rerun !== true) {
          results.set(id, { id, outcome: "applied", ...nothing, issues: [] });
        } else running.push({ migration, state });
      }
      if (running.length > 0) {
        const steps = await Promise.all(running.map(async ({ migration, state }) => ({
          migration,
          state,
          later: changesAfter(this.#definitions, migration),
          applied: await this.#appliedAfter(migration),
          markers: this.#markersOf(migration),
        })));
        const run = { store: this.#store, bookkeeping: this.#bookkeeping, steps, options };
        for (const result of await runMigrations(run)) results.set(result.id, result);
      }
      return ids.map((id) => results.get(id)!);
    });
  }

  verify(ids: readonly string[], options: RedisVerifyOptions): Promise<readonly RedisVerification[]> {
    return this.#asking("Cannot verify the Redis migrations", async () => {
      const asked = await Promise.all(ids.map(async (id) => {
        const migration = this.#find(id);
        const state = await this.#stateOf(migration);
        return { id, migration, state, rules: this.#rulesFor(migration, state) };
      }));
      return await verifyMigrations(this.#store, asked, options);
    });
  }

  planCleanup(id: string, options: Parameters<RedisBackend["planCleanup"]>[1]): Promise<number | null> {
    return this.#asking(`Cannot plan the cleanup of ${id}`, async () => {
      const migration = this.#find(id);
      const { change } = migration;
      if (change.type !== "copy" || reasonAgainst(migration) !== null) return null;
      const rules = this.#rulesFor(migration, await this.#stateOf(migration));
      return await countOriginals(change, { ...rules, ...options }, options.any === true);
    });
  }

  cleanup(id: string, options: RedisApplyOptions): Promise<CleanupResult> {
    return this.#asking(`Cannot clean up ${id}`, async () => {
      const migration = this.#find(id);
      const { change } = migration;
      if (change.type !== "copy" || reasonAgainst(migration) !== null) {
        return { id, deleted: 0, kept: 0, issues: [] };
      }
      const state = await this.#stateOf(migration);
      const { status } = state;
      if (status !== "applied") throw new RefusedError(`Cannot clean up ${id}: it is ${status}, not applied`);
      const watch = await MasterWatch.begin(this.#store, options.signal);
      const fate = await watch.prove(options.signal);
      if (fate.state !== "kept") {
        const why = fate.state === "changed" ? "another Redis took over meanwhile" : fate.why;
        throw new RefusedError(`Cannot clean up ${id} yet: ${why}`, {
          hint: "Nothing was deleted. Run the same command again when the replicas follow",
        });
      }
      const tally = new Tally();
      const progress = new ProgressReporter(id, tally, options.onProgress);
      const report = await cleanUp(change, {
        ...await this.#writeContext(migration, state, options, tally),
        onStep: (share) => progress.step(share),
      });
      progress.finish();
      const since = await watch.prove(options.signal);
      const issues = since.state === "kept" ? [] : [
        `While this was going on, ${
          since.state === "changed" ? "another Redis took over" : since.why
        }: verify --full tells what is there`,
      ];
      return { id, ...report, issues: [...issues, ...report.issues] };
    });
  }

  differences(
    id: string,
    keys: readonly string[] | null,
    options: RedisRunOptions,
  ): Promise<readonly RedisDifference[]> {
    return this.#asking(`Cannot look at the records of ${id}`, async () => {
      const { migration, change, state } = await this.#copying(id);
      const context = { ...this.#rulesFor(migration, state), ...options };
      return await findDifferences(change, context, keys?.map(parseDisplayed) ?? null);
    });
  }

  settle(
    id: string,
    differences: readonly RedisDifference[],
    keep: "original" | "copy",
    options: RedisApplyOptions,
  ): Promise<ResolveResult> {
    return this.#asking(`Cannot settle records of ${id}`, async () => {
      const { migration, change, state } = await this.#copying(id);
      const tally = new Tally();
      const context = await this.#writeContext(migration, state, options, tally);
      const { resolved, issues } = await settleDifferences(change, context, differences, keep);
      return { id, resolved, issues: [...issues, ...tally.issues] };
    });
  }

  /** @throws {RefusedError} When the migration makes no copies here. */
  async #copying(id: string) {
    const migration = this.#find(id);
    const { change } = migration;
    const reason = reasonAgainst(migration);
    if (change.type !== "copy" || reason !== null) {
      throw new RefusedError(
        `Cannot settle records of ${id}: it makes no copies${reason === null ? "" : " here"}`,
      );
    }
    return { migration, change, state: await this.#stateOf(migration) };
  }

  async #writeContext(
    migration: RedisMigration,
    state: StoredState,
    { fence, signal, maxRate, batchSize }: RedisApplyOptions,
    tally: Tally,
  ): Promise<WriteContext> {
    return {
      ...this.#rulesFor(migration, state),
      ...{ fence, signal, maxRate, batchSize, tally },
      converted: (await this.#appliedAfter(migration)).map((change) => ({ change, tally: null })),
      skipInvalid: true,
      isHeld: () => false,
      unfinished: false,
      markers: this.#markersOf(migration),
    };
  }

  /** The changes in place after a migration that are applied: what is copied now has to be changed too. */
  async #appliedAfter({ version }: RedisMigration): Promise<TransformChange[]> {
    const applied: TransformChange[] = [];
    for (const later of this.#definitions) {
      if (later.version <= version || later.change.type !== "transform") continue;
      if ((await this.#stateOf(later)).status === "applied") applied.push(later.change);
    }
    return applied;
  }

  adopt({ fence, signal }: RedisRecordOptions): Promise<void> {
    return this.#asking("Cannot adopt older bookkeeping", async () => {
      const adoptable: { readonly migration: RedisMigration; readonly state: StoredState }[] = [];
      for (const migration of this.#definitions) {
        const state = await this.#bookkeeping.read(migration.name, migration.version);
        if (isAdoptable(state, reasonAgainst(migration))) adoptable.push({ migration, state });
      }
      if (adoptable.length === 0) return;
      const { processes } = await MasterWatch.begin(this.#store, signal);
      const left = await this.#countLeft(adoptable.map(({ migration }) => migration), signal);
      const record = (name: string, state: AdoptedState) =>
        this.#bookkeeping.adopt(name, state, processes, fence);
      for (const { migration, state } of adoptable) {
        const { name } = migration;
        const [reason, records] = [reasonAgainst(migration), left.get(name) ?? 0];
        if (records > 0) {
          const told = `${state.inheritedFrom} says that it was applied, ${records} records say otherwise`;
          await record(name, { status: "pending", reason: told });
        } else if (reason !== null) await record(name, { status: "not_applicable", reason });
        else await record(name, { status: "applied", at: state.at });
      }
    });
  }

  /**
   * How many records are left to do for in-place migrations that are said to be applied: what several installations shared
   * may be true of one of them alone. Of copies nothing can be told: an original without one may have been deleted since.
   */
  async #countLeft(migrations: readonly RedisMigration[], signal: AbortSignal): Promise<Map<string, number>> {
    const inPlace = migrations.filter((one) =>
      reasonAgainst(one) === null && one.change.type === "transform"
    );
    if (inPlace.length === 0) return new Map();
    const rules = { store: this.#store, later: [], beganAt: null, doneSince: null };
    const forecasts = await forecast(this.#store, inPlace.map((migration) => ({ migration, rules })), {
      signal,
    });
    return new Map(forecasts.map(({ migration, items }) => [migration.name, items]));
  }

  markFresh({ fence, signal }: RedisRecordOptions): Promise<boolean> {
    return this.#asking("Cannot mark the Redis migrations as applied", async () => {
      for (const { name, version } of this.#definitions) {
        if ((await this.#bookkeeping.read(name, version)).own) return false;
      }
      const { processes } = await MasterWatch.begin(this.#store, signal);
      if (!await isFresh(this.#store, this.#layout, signal)) return false;
      for (const migration of this.#definitions) {
        const reason = reasonAgainst(migration);
        const state = reason === null
          ? { status: "applied", at: null } as const
          : { status: "not_applicable", reason } as const;
        await this.#bookkeeping.adopt(migration.name, state, processes, fence);
      }
      return true;
    });
  }

  async #stateOf(migration: RedisMigration): Promise<StoredState> {
    const stored = await this.#bookkeeping.read(migration.name, migration.version);
    return judgeState(stored, reasonAgainst(migration));
  }

  #find(id: string): RedisMigration {
    const found = this.#definitions.find((migration) => infoOf(migration).id === id);
    if (found !== undefined) return found;
    const known = this.migrations.map((info) => info.id);
    throw new UnknownMigrationError(`No Redis migration is called "${id}"`, known);
  }

  /** What decides about the records of a migration. */
  #rulesFor(migration: RedisMigration, state: StoredState): RecordRules {
    const { doneSince } = state;
    const later = changesAfter(this.#definitions, migration);
    return { store: this.#store, later, beganAt: firstBegin(state), doneSince };
  }

  /** Marks stand beside the copies; in a cluster a hash tag that follows makes them do so. */
  #markersOf({ name }: RedisMigration): Binary {
    return encodeText(`${this.#layout.stateKey(name)}:copying`);
  }

  async #whereabouts(): Promise<{ readonly identity: string; readonly place: StorePlace }> {
    const { nodes } = await readTopology(this.#store);
    const names = nodes.map(({ name }) => name).sort();
    const { db, path, host, port } = nodes[0]!.client.options;
    const database = this.#store.clustered ? 0 : db ?? 0;
    const at = this.#store.clustered
      ? { host: names.join(", "), port: null }
      : path
      ? { host: path, port: null }
      : { host: host ?? "localhost", port: port ?? 6379 };
    return {
      identity: `redis://${names.join(",")}/${database}#${display(encodeText(this.#layout.deployment))}`,
      place: { ...at, database: String(database), schema: null },
    };
  }

  async #asking<T>(action: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw toToldError(error, action, this.#lastFailure());
    }
  }
}

function infoOf(migration: RedisMigration): MigrationInfo {
  const { name, version, description } = migration;
  const { type, pattern, fields } = migration.change;
  return {
    id: migrationId("redis", version, name),
    store: "redis",
    version,
    name,
    description,
    checksum: digestOf({ name, version, description, type, pattern, fields }),
  };
}

/** The stored state, where nothing about the deployment itself says otherwise. */
function judgeState(state: StoredState, reason: string | null): StoredState {
  if (reason !== null) return { ...state, status: "not_applicable", reason };
  // It was found not applicable once, and is applicable now.
  if (state.status === "not_applicable") return { ...state, status: "pending", reason: null, at: null };
  return state;
}

/** True for what is known, but not from a key of the current name. */
function isAdoptable(state: StoredState, reason: string | null): boolean {
  return reason === null
    ? state.inheritedFrom !== null && state.status === "applied"
    : state.inheritedFrom !== null || state.status === "pending";
}

function toEntry(
  migration: RedisMigration,
  { status, reason, at, inheritedFrom }: StoredState,
): MigrationEntry {
  const { id, store, version, name, description } = infoOf(migration);
  return {
    ...{ id, store, version, name, description, status },
    reason: reason ?? (inheritedFrom === null ? null : `Recorded in ${inheritedFrom}`),
    appliedAt: status === "applied" ? at : null,
  };
}
