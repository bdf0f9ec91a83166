/**
 * A SQL store as the engine sees it: everything that follows from steps and bookkeeping, the same for every store. A store itself
 * says how to read, how to write, and whether its tables are what they should be.
 *
 * @module
 */

import type { SqlBackend, SqlSession, SqlState, SqlVerification } from "../sql_backend.ts";
import type { DownTarget, SqlDownPlan, SqlGrouping, SqlPlan, SqlStepPlan } from "./sql_plan.ts";
import { migrationId, type MigrationInfo, storeTitle } from "../migration.ts";
import type { SqlActivity } from "./activity.ts";
import type { Blocker } from "../blocker.ts";
import { BlockedError, RefusedError, RegistryError } from "../errors.ts";
import type { LockOwner } from "../lock/lock.ts";
import { type Counter, countLosses, countRemains, planStep, remembering } from "./forecast.ts";
import { needsOf, WrittenOnce } from "./fold_plan.ts";
import { forecastDownOf, forecastOf } from "./own_step.ts";
import { dirtyError, lowestOf, stateOf } from "./standing.ts";
import { runThroughLey } from "./ley.ts";
import { checkSteps, chooseBack, type SqlStep, type SqlSteps, stepChecksum, type TableUse } from "./step.ts";
import type { SqlStatement } from "./statement.ts";
import type { StepStore, StoreView } from "./step_store.ts";
import { verifySteps } from "./verify_steps.ts";
import { APART, foldTogether, wayAlone, withFold } from "./ways.ts";

/** The backend over a store. */
export class StepBackend implements SqlBackend {
  readonly migrations: readonly MigrationInfo[];
  readonly #store: StepStore;
  readonly #steps: readonly SqlStep[];
  readonly #directory: string | null;

  /** @throws {RegistryError} When steps or schemas have gaps. */
  constructor(store: StepStore, { steps: modules, schemas, directory }: SqlSteps<unknown>) {
    const steps = modules.map(({ step }) => step);
    checkSteps(steps);
    if (schemas.length !== steps.length) {
      throw new RegistryError(
        `Cannot use the ${storeTitle(store.name)} steps: ${steps.length} steps, ${schemas.length} schemas`,
      );
    }
    this.#store = store;
    this.#steps = steps;
    this.#directory = directory;
    this.migrations = steps.map((step) => ({
      id: this.#id(step),
      store: store.name,
      version: step.version,
      name: step.name,
      description: step.description,
      checksum: stepChecksum(step),
    }));
  }

  async read(): Promise<SqlState> {
    return await this.#store.read("read the migrations in", (view) => this.#state(view));
  }

  async plan(versions: readonly number[], { together = false, noPrepared = false } = {}): Promise<SqlPlan> {
    return await this.#store.read("plan the migration of", async (view) => {
      const { version, dirty, cutOff } = await view.standing();
      if (dirty && versions.length > 0) throw dirtyError(this.#store.name, version, this.#steps.length);
      const counter = remembering(view.counter);
      const steps: SqlStepPlan[] = [];
      const { fold, apart, prepared = false } = together
        ? await foldTogether(view, versions, { noPrepared })
        : APART;
      const reasons = new Set(apart);
      const written = new WrittenOnce();
      for (const wanted of versions) {
        const step = this.#step(wanted);
        if (step.version <= version && cutOff?.version !== step.version) {
          throw new RefusedError(`Cannot plan ${this.#id(step)}: it is applied`);
        }
        const forecast = forecastOf(step, version, this.#id(step));
        if (fold?.versions.includes(step.version)) {
          steps.push(await this.#plan(step, withFold(fold, step), written.of(forecast), counter));
          continue;
        }
        const way = await wayAlone(view, step, version);
        if (apart.length === 0) { for (const reason of way.apart) reasons.add(reason); }
        steps.push(await this.#plan(step, way.statements, forecast, counter));
      }
      const needs = fold === null || prepared
        ? null
        : await needsOf(fold, this.#steps.slice(version, fold.versions[0]! - 1), counter);
      const preparation = await view.prepared?.(version) ?? null;
      const held = view.held();
      return {
        current: version,
        latest: this.#steps.length,
        steps,
        ...(fold === null && reasons.size === 0 ? {} : {
          grouping: {
            together: fold?.versions ?? [],
            apart: [...reasons],
            ...(needs === null ? {} : { needs }),
            ...(prepared ? { prepared } : {}),
          },
        }),
        ...(preparation === null ? {} : { preparation }),
        ...(held === null ? {} : { held }),
      };
    });
  }

  async variants(versions: readonly number[]): Promise<Readonly<Record<string, string>>> {
    const steps = versions.map((version) => this.#step(version)).filter(({ variants, rewrite }) =>
      variants !== undefined || rewrite?.tables.some(({ everyRow }) => everyRow)
    );
    if (steps.length === 0) return {};
    return await this.#store.read("look at the tables of", async (view) => {
      const { version } = await view.standing();
      const chosen: Record<string, string> = {};
      for (const step of steps) {
        chosen[this.#id(step)] = (await wayAlone(view, step, version)).variant;
      }
      return chosen;
    });
  }

  async group(versions: readonly number[]): Promise<SqlGrouping> {
    return await this.#store.read("look at the tables of", async (view) => {
      const { fold, apart } = await foldTogether(view, versions);
      return { together: fold?.versions ?? [], apart };
    });
  }

  async planDown(target: DownTarget): Promise<SqlDownPlan> {
    return await this.#store.read("plan the way back of", async (view) => {
      await view.assertTrusted();
      const { version } = await view.standing();
      const counter = remembering(view.counter);
      const steps: SqlStepPlan[] = [];
      const warnings: string[] = [];
      const to = lowestOf(target, version);
      const back = this.#steps.slice(to, version).toReversed();
      const changes = back.flatMap((step) => {
        const id = this.#id(step);
        return (forecastDownOf(step, version, id).changes ?? []).map((one) => ({ ...one, step: id }));
      });
      const blockers = back.length === 0 ? [] : await view.blockersDown(version, changes);
      if (blockers.length > 0) throw new BlockedError("take SQL steps back", blockers);
      for (const step of back) {
        const forecast = forecastDownOf(step, version, this.#id(step));
        const statements = await chooseBack(step, (query) => view.holds(query));
        steps.push(await this.#plan(step, statements, forecast, counter));
        warnings.push(...await countLosses(forecast, counter));
        const { table, lost } = step.remains ?? {};
        if (lost !== undefined && await view.hasTable(table!)) {
          warnings.push(...await countLosses({ warnings: [lost] }, counter));
        }
      }
      return { from: version, to, steps, warnings };
    });
  }

  async blockers(versions: readonly number[]): Promise<readonly Blocker[]> {
    const to = versions.at(-1);
    if (to === undefined) return [];
    return await this.#store.read("look for what is in the way in", async (view) => {
      const { version: from } = await view.standing();
      const forecasts = versions.map((version) => this.#step(version)).map((step) => ({
        step: this.#id(step),
        ...forecastOf(step, from, this.#id(step)),
      }));
      const used = forecasts.flatMap(({ tables }) => tables).filter(({ storedAs }) => storedAs !== null);
      const names = (uses: readonly TableUse[]) => [...new Set(uses.map(({ storedAs }) => storedAs!))];
      return await view.blockers({
        tables: names(used),
        rewritten: names(used.filter(({ rewrite }) => rewrite)),
        changes: forecasts.flatMap(({ step, changes = [] }) =>
          changes.map((change) => ({ ...change, step }))
        ),
        from,
        to,
      });
    });
  }

  async planCleanup(version: number): Promise<{ readonly rows: number; readonly detail: string } | null> {
    const { remains } = this.#step(version);
    if (remains === undefined) return null;
    return await this.#store.read("count what is left in", async (view) => {
      await view.assertTrusted();
      const rows = await countRemains(view, remains);
      if (rows === null) throw new RefusedError(`Cannot count what is left: ${view.held()}`);
      return { rows, detail: remains.detail };
    });
  }

  async verify(): Promise<SqlVerification> {
    return await this.#store.read(
      "verify",
      async (view) =>
        await verifySteps(view, await this.#state(view), (version) => this.#store.shows(version)),
    );
  }

  async handOver(
    direction: "up" | "down",
    versions: readonly number[],
    run: (version: number) => Promise<void>,
  ): Promise<void> {
    await runThroughLey({ direction, directory: this.#directory, steps: this.#steps, versions, run });
  }

  connect(): Promise<SqlSession> {
    return this.#store.connect();
  }

  lockOwner(): Promise<LockOwner | null> {
    return this.#store.lockOwner();
  }

  activity(): Promise<SqlActivity | null> {
    return this.#store.activity();
  }

  async #state(view: StoreView): Promise<SqlState> {
    const standing = await view.standing();
    const prepared = await view.prepared?.(standing.version) ?? null;
    return {
      ...stateOf(this.#store.name, this.#steps, standing),
      ...(prepared === null ? {} : { prepared }),
    };
  }

  async #plan(
    step: SqlStep,
    statements: readonly SqlStatement[],
    forecast: ReturnType<SqlStep["forecast"]>,
    counter: Counter,
  ): Promise<SqlStepPlan> {
    const expand = (text: string) => this.#store.expand(text);
    return await planStep(step, { id: this.#id(step), statements, forecast, counter, expand });
  }

  #step(version: number): SqlStep {
    const step = this.#steps[version - 1];
    if (step === undefined) throw new RefusedError(`Cannot find SQL version ${version}: it is not known`);
    return step;
  }

  #id(step: SqlStep): string {
    return migrationId(this.#store.name, step.version, step.name);
  }
}
