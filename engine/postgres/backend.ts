/**
 * Postgres as a store of the engine. Reading happens in read-only transactions, with SELECT rights alone; nothing is created.
 *
 * @module
 */

import type { SqlBackend, SqlSession } from "../sql_backend.ts";
import type { LockOwner } from "../lock/lock.ts";
import type { SqlActivity } from "../sql/activity.ts";
import { StepBackend } from "../sql/step_backend.ts";
import { isBeyond, isIncomplete, type StepStore, type StoreView } from "../sql/step_store.ts";
import { readActivity } from "./activity.ts";
import { columnsBeforehand, findLeftBehind } from "./beforehand.ts";
import { ownTables } from "./bookkeeping.ts";
import { compareSchema } from "./compare_schema.ts";
import { countWith } from "./counter.ts";
import { findDetached } from "./detached.ts";
import { foldSteps } from "./fold.ts";
import { namesBefore } from "../sql/rewrite.ts";
import { findOwnWork } from "./foldable.ts";
import { readAdvisoryLockOwner } from "./lock.ts";
import { lockKeyOf, type PostgresOptions } from "./options.ts";
import { PinnedConnection } from "./pinned_connection.ts";
import { tableExists } from "./query.ts";
import { readAtOnce, type Reading, ReadPatience } from "./reading.ts";
import { findSqlBlockers } from "./preflight.ts";
import { isPrepared } from "./prepare/books.ts";
import { describePreparation, preparationName } from "./prepare/describe.ts";
import { triggersOf } from "./prepare/notes.ts";
import { readPrepared, withPrepared } from "./prepare/read.ts";
import { switchOf } from "./prepare/switch.ts";
import { findRowDangers } from "./row_dangers.ts";
import { readSchemaObjects, type SchemaObjects } from "./schema_objects.ts";
import { PostgresSession } from "./session.ts";
import { readStanding } from "./standing.ts";
import { assertTrusted, findUntrusted, untrustedBlocker } from "./trusted_tables.ts";

export type { PostgresNames, PostgresOptions } from "./options.ts";

/**
 * Creates the backend. Nothing is connected yet.
 *
 * @throws {RegistryError} When steps or schemas have gaps.
 */
export function createPostgresBackend(options: PostgresOptions): SqlBackend {
  return new StepBackend(new PostgresStore(options), options);
}

/** An operator's own columns, and a way down and up again, move columns without harm. */
const ANY_PLACE = { anyOrder: "all", anyBounds: true } as const;

class PostgresStore implements StepStore {
  readonly name = "postgres";
  readonly #options: PostgresOptions;
  readonly #patience: ReadPatience;

  constructor(options: PostgresOptions) {
    this.#options = options;
    this.#patience = new ReadPatience(options.readWaitMs);
  }

  async read<T>(action: string, work: (view: StoreView) => Promise<T>): Promise<T> {
    const { names, schemas } = this.#options;
    const steps = this.#options.steps.map(({ step }) => step);
    const own = ownTables(names, steps);
    const made = preparationName(this.#options.tool);
    const mine = { triggers: triggersOf(made), columns: columnsBeforehand(this.#options.steps) };
    const describe = (from: number, to: number) => {
      const versions = Array.from({ length: to - from }, (_, index) => from + 1 + index);
      return describePreparation({ ...this.#options, versions });
    };
    return await readAtOnce(this.#options, this.#patience, action, async ({ query, schema, unlessHeld }) => {
      let holding: string | null = null;
      const orNull = async (
        count: (counter: ReturnType<typeof countWith>) => Promise<number>,
      ): Promise<number | null> => {
        const found = await unlessHeld((within) => count(countWith(within)));
        if ("value" in found) return found.value;
        holding ??= found.held;
        return null;
      };
      return await work({
        assertTrusted: () => assertTrusted(query, schema, own),
        untrusted: () => findUntrusted(query, schema, own),
        counter: {
          rows: (question) => orNull((counter) => counter.rows(question)),
          bytes: (table) => orNull((counter) => counter.bytes(table)),
        },
        held: () => holding,
        prepared: (version) =>
          readPrepared(query, schema, made, (from) => describe(from, steps.length), version),
        fold: async (versions, { noPrepared } = { noPrepared: false }) => {
          const preparation = !noPrepared && await isPrepared(query, made)
            ? describePreparation({ ...this.#options, versions })
            : null;
          if (preparation !== null) return { fold: switchOf(preparation), apart: [], prepared: true };
          const fold = foldSteps({ ...this.#options, versions });
          if (fold === null) return { fold, apart: [] };
          const { version } = await readStanding(query, schema, names, steps, this.#options.sql.options);
          const at = Math.min(version, fold.versions[0]! - 1);
          const tables = namesBefore(fold.tables, steps.slice(at, fold.versions[0]! - 1));
          const found = await unlessHeld((within) =>
            findOwnWork(within, schema, schemas[at - 1] ?? [], tables, mine)
          );
          const apart = "held" in found ? [found.held] : found.value;
          return { fold: apart.length === 0 ? fold : null, apart };
        },
        standing: () => readStanding(query, schema, names, steps, this.#options.sql.options),
        async holds(question) {
          const [answer] = await query<Record<string, boolean>>(question);
          return answer !== undefined && Object.values(answer)[0] === true;
        },
        hasTable: (name) => tableExists(query, name),
        blockers: async (pending) => {
          const [now, then] = [pending.from, pending.to].map((version) =>
            namesIn(schemas[version - 1] ?? [])
          );
          const found = [
            ...(await findUntrusted(query, schema, own)).map(untrustedBlocker),
            ...await findSqlBlockers(query, pending, {
              schema,
              own: own.map(({ name }) => name),
              made: then!.filter((name) => !now!.includes(name)),
              released: [...new Set(schemas.flatMap(namesIn))],
              expected: schemas[pending.from - 1] ?? [],
            }),
          ];
          const prepared = await readPrepared(
            query,
            schema,
            made,
            (from) => describe(from, pending.to),
            pending.from,
          );
          if (prepared === null) return found;
          const fold = describe(pending.from, pending.to)?.fold;
          // What cannot be read now is looked at again under the lock.
          const others = fold === undefined
            ? { value: [] }
            : await unlessHeld((within) =>
              findOwnWork(within, schema, schemas[pending.from - 1]!, fold.tables, mine)
            );
          return withPrepared(found, prepared, made, "held" in others ? [] : others.value);
        },
        blockersDown: (version) => findDetached(query, schemas[version - 1] ?? []),
        async findings(version) {
          const expected = schemas[version - 1]!;
          const found = await unlessHeld(async (within) => {
            const found = await readSchemaObjects(within, schema);
            const differences = compareSchema(expected, found, ANY_PLACE);
            const { faults, warnings } = await findRowDangers(within, expected);
            const left = await findLeftBehind(within, steps.slice(0, version));
            return {
              faults: [...differences, ...faults],
              warnings: [...warnings, ...left],
              // Without a partition that an operator did away with steps run all the same.
              incomplete: isIncomplete(expected.filter(({ partitionOf }) => partitionOf === null), found),
              beyond: isBeyond(schemas, version, found),
            };
          });
          return "held" in found
            ? { faults: [`The tables were not looked at: ${found.held}`], warnings: [] }
            : found.value;
        },
      });
    });
  }

  shows(version: number): boolean {
    const { schemas } = this.#options;
    return compareSchema(schemas[version - 1]!, schemas[version - 2] ?? [], ANY_PLACE).length > 0;
  }

  expand(text: string): string {
    return text;
  }

  async connect(): Promise<SqlSession> {
    return new PostgresSession(await PinnedConnection.open(this.#options.sql), this.#options);
  }

  async lockOwner(): Promise<LockOwner | null> {
    return await this.#underKey(({ query }, key) => readAdvisoryLockOwner(query, key));
  }

  async activity(): Promise<SqlActivity | null> {
    return await this.#underKey(({ query }, key) => readActivity(query, key));
  }

  /** Reads by the key of the advisory lock. @returns Null where there is no schema, and so no lock. */
  async #underKey<T>(read: (reading: Reading, key: bigint) => Promise<T>): Promise<T | null> {
    return await readAtOnce(this.#options, this.#patience, "read the lock in", async (reading) => {
      if (reading.schema === null) return null;
      const [place] = await reading.query<{ database: string }>("SELECT current_database() AS database");
      return await read(reading, lockKeyOf(this.#options.names, reading.schema, place!.database));
    });
  }
}

/** Names of the tables and indexes of a schema. */
function namesIn(tables: SchemaObjects): readonly string[] {
  return tables.flatMap(({ name, indexes }) => [name, ...indexes.map((index) => index.name)]);
}
