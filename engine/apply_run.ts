/**
 * Runs migrations under the lock, one after the other, and keeps account of each.
 *
 * @module
 */

import { ApplyError, InterruptedError, LockLostError } from "./errors.ts";
import { type Hint, hint } from "./hint.ts";
import type { Locked } from "./lock/with_lock.ts";
import type { MigrationEntry, MigrationResult, Pace, Progress, SqlStoreName } from "./migration.ts";
import type { PlannedStore } from "./plan.ts";
import type { SavedPlan } from "./saved_plan.ts";
import type { SqlActivity } from "./sql/activity.ts";
import { watch } from "./sql/watch.ts";
import type { Stores } from "./stores.ts";
import { toldError } from "./told_error.ts";

/** Something that happened while applying. */
export type ApplyEvent =
  /** Under the lock, before anything is changed: what will be, and where. */
  | { readonly event: "begin"; readonly ids: readonly string[]; readonly stores: readonly PlannedStore[] }
  | { readonly event: "start"; readonly id: string }
  | { readonly event: "progress"; readonly id: string; readonly progress: Progress }
  /** A SQL step at work: with each statement, and once a second. */
  | ({ readonly event: "statement"; readonly id: string } & StatementProgress)
  | {
    readonly event: "retry";
    readonly id: string;
    readonly attempt: number;
    readonly waitMs: number;
    readonly reason: string;
  }
  | { readonly event: "done" | "failed"; readonly id: string; readonly result: MigrationResult };

/** How far a SQL step is. */
export interface StatementProgress {
  /** The statement at work, counted from 1. */
  readonly statement: number;
  /** Of how many; a few more where a server does not allow the shorter way. */
  readonly statements: number;
  /** For how long it has been at work, with all its tries, in milliseconds. */
  readonly forMs: number;
  /** What the server tells of it; null where it tells nothing, or was not asked yet. */
  readonly activity: SqlActivity | null;
}

/** How migrations are run. */
interface ApplyRunOptions extends Pace {
  /** A plan that was shown: steps that can run in several ways take the one that it names, or are refused. */
  readonly plan?: SavedPlan | undefined;
  /** Runs named Redis migrations again although they are applied. */
  readonly rerun?: boolean;
  /** Accepts records that cannot be converted: leaves them as they are, notes them, finishes. */
  readonly skipInvalid?: boolean;
  /** Told of everything that happens, in order. */
  readonly onEvent?: (event: ApplyEvent) => void;
}

/** What one apply does, in order. */
export class ApplyRun {
  readonly #context: Stores;
  readonly #locked: Locked;
  readonly #options: ApplyRunOptions;
  readonly #results: MigrationResult[];

  /** @param selected All that is to be done, in order. */
  constructor(
    context: Stores,
    locked: Locked,
    selected: readonly MigrationEntry[],
    options: ApplyRunOptions,
  ) {
    this.#context = context;
    this.#locked = locked;
    this.#options = options;
    this.#results = selected.map((entry) => notRun(entry.id));
  }

  /** One for each that was selected, in order. */
  get results(): readonly MigrationResult[] {
    return this.#results;
  }

  /**
   * Runs a migration, several steps of one SQL store as one or several migrations of Redis in one pass, and enters the results.
   *
   * @throws {ApplyError} When it could not be finished. Of several SQL steps none is done then.
   */
  async finish(entries: readonly MigrationEntry[]): Promise<void> {
    const { lock, signal } = this.#locked;
    const { onEvent } = this.#options;
    const first = entries[0]!;
    signal.throwIfAborted();
    lock.report({ migration: first.id, progress: null });
    for (const { id } of entries) onEvent?.({ event: "start", id });
    const startedAt = performance.now();
    try {
      if (first.store === "redis") await this.#redis(entries);
      else await this.#sql(first.store, entries, startedAt);
    } catch (error) {
      const durationMs = performance.now() - startedAt;
      const result = {
        ...notRun(first.id),
        outcome: "failed" as const,
        durationMs,
        issues: [toldError(error)],
      };
      this.#enter(result);
      if (error instanceof InterruptedError || error instanceof LockLostError || signal.aborted) throw error;
      onEvent?.({ event: "failed", id: first.id, result });
      throw failure(first.id, this.#results, error ?? null, this.#isUndone(first));
    }
    const results = entries.map(({ id }) => this.#results.find((one) => one.id === id)!);
    for (const result of results) {
      onEvent?.({ event: result.outcome === "failed" ? "failed" : "done", id: result.id, result });
    }
    const failed = results.find(({ outcome }) => outcome === "failed");
    if (failed !== undefined) throw failure(failed.id, this.#results, undefined);
  }

  /** True where nothing is left of a migration that failed. */
  #isUndone({ store, version }: MigrationEntry): boolean {
    return store !== "redis" && this.#locked.sessions.get(store)!.guards(version);
  }

  #enter(result: MigrationResult): void {
    this.#results[this.#results.findIndex(({ id }) => id === result.id)] = result;
  }

  async #sql(store: SqlStoreName, entries: readonly MigrationEntry[], startedAt: number): Promise<void> {
    const { lock, beginStep } = this.#locked;
    const [first, last] = [entries[0]!, entries.at(-1)!];
    const upTo = first === last ? "" : `up to ${last.id}, `;
    const at = { statement: 0, statements: 0, since: startedAt };
    const report = (more = "") =>
      lock.report({
        migration: first.id,
        progress: `${upTo}statement ${at.statement} of ${at.statements}${more}`,
      });
    const tell = (activity: SqlActivity | null) => {
      if (at.statement === 0) return;
      const { statement, statements, since } = at;
      const forMs = performance.now() - since;
      this.#options.onEvent?.({ event: "statement", id: first.id, statement, statements, forMs, activity });
    };
    const onRetry = (attempt: number, waitMs: number, reason: string) => {
      report(`, attempt ${attempt}: ${reason}`);
      this.#options.onEvent?.({ event: "retry", id: first.id, attempt, waitMs, reason });
    };
    const onStatement = (index: number, count: number) => {
      if (at.statement !== index + 1) at.since = performance.now();
      Object.assign(at, { statement: index + 1, statements: count });
      report();
      tell(null);
    };
    const { session, end, ...guard } = beginStep(store, first.version);
    const options = { ...guard, onRetry, onStatement };
    const stopLooking = watch(() => this.#context.sql.get(store)!.activity(), tell);
    try {
      if (first !== last) await session.upTogether(entries.map(({ version }) => version), options);
      else {await session.up(first.version, {
          ...options,
          variant: this.#options.plan?.basis.variants[first.id],
        });}
    } finally {
      stopLooking();
      end();
    }
    for (const { id } of entries) {
      // The time of all is that of the last.
      const durationMs = id === last.id ? performance.now() - startedAt : 0;
      this.#enter({ ...notRun(id), outcome: "applied", durationMs });
    }
  }

  async #redis(entries: readonly MigrationEntry[]): Promise<void> {
    const { lock, signal } = this.#locked;
    const options = this.#options;
    const results = await this.#context.redis!.apply(entries.map(({ id }) => id), {
      signal,
      ...(lock.fence === null ? {} : { fence: lock.fence }),
      rerun: options.rerun ?? false,
      skipInvalid: options.skipInvalid ?? false,
      maxRate: options.maxRate,
      batchSize: options.batchSize,
      onProgress: (progress) => {
        const of = progress.total === null ? "" : ` of ${progress.total}`;
        lock.report({ migration: progress.id, progress: `${progress.processed}${of} records` });
        options.onEvent?.({ event: "progress", id: progress.id, progress });
      },
    });
    for (const result of results) this.#enter(result);
  }
}

function notRun(id: string): MigrationResult {
  return {
    id,
    outcome: "not_run",
    processed: 0,
    failed: 0,
    skipped: 0,
    conflicts: 0,
    durationMs: 0,
    issues: [],
  };
}

function failure(
  id: string,
  results: readonly MigrationResult[],
  cause: unknown,
  undone = false,
): ApplyError {
  const { failed, undecided = 0, issues } = results.find((result) => result.id === id)!;
  if (cause === undefined && failed === 0) {
    return new ApplyError(`${id} was stopped: ${issues[0]}`, results, { hint: STAYS_HINT });
  }
  if (cause !== undefined) {
    const advice = undone
      ? hint`Nothing of this step was kept. Remove the cause and run ${"apply"} again`
      : STAYS_HINT;
    return new ApplyError(issues[0]!, results, { cause, hint: advice });
  }
  const why = undecided === 0
    ? "that it could not convert"
    : undecided === failed
    ? "of which two forms differ"
    : `that it could not convert, or of which two forms differ (${undecided})`;
  return new ApplyError(
    `${id} is done but for ${failed === 1 ? "one record" : `${failed} records`} ${why}`,
    results,
    { hint: undecided === 0 ? REPAIR : settleHint(id) },
  );
}

const STAYS_HINT = hint`Remove the cause and run ${"apply"} again: what is done stays done`;

const REPAIR =
  hint`Repair the records named and run ${"apply"} again; ${"apply --skip-invalid"} leaves them as they are`;

function settleHint(id: string): Hint {
  return {
    ...hint`Choose a form of each: ${`resolve ${id} --all --keep copy`} or original shows both and asks. Repair what cannot be \
converted. Then run ${"apply"} again`,
    forCallers:
      `Choose a form of each with planResolve("${id}") and resolveDifferences(). Repair what cannot be converted. Then call apply() again`,
  };
}
