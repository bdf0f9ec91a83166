/**
 * Where the migrations of one Redis stand, and what follows from it for their records.
 *
 * @module
 */

import { UnknownMigrationError } from "../errors.ts";
import type { RedisApplyOptions } from "../redis_backend.ts";
import type { Bookkeeping } from "./bookkeeping.ts";
import type { RecordRules, WriteContext } from "./context.ts";
import type { RedisLayout } from "./layout.ts";
import type { RedisMigration } from "./migration.ts";
import { marksOf } from "./own_keys.ts";
import type { Step } from "./pass.ts";
import { infoOf, type Standing, standingOf } from "./standing.ts";
import type { RedisStore } from "./store.ts";
import { firstBegin, toldAt } from "./stored_state.ts";
import type { TransformChange } from "./transform/change.ts";
import { Tally } from "./walk/tally.ts";

/** What is looked at. */
interface StandingsOptions {
  readonly store: RedisStore;
  /** All of them, in order. */
  readonly migrations: readonly RedisMigration[];
  readonly layout: RedisLayout;
  readonly bookkeeping: Bookkeeping;
}

/** Reads the bookkeeping each time that it is asked. */
export class Standings {
  readonly #store: RedisStore;
  readonly #definitions: readonly RedisMigration[];
  readonly #layout: RedisLayout;
  readonly #bookkeeping: Bookkeeping;

  constructor({ store, migrations, layout, bookkeeping }: StandingsOptions) {
    this.#store = store;
    this.#definitions = migrations;
    this.#layout = layout;
    this.#bookkeeping = bookkeeping;
  }

  /** Where migrations stand, all of them by default. */
  all(migrations: readonly RedisMigration[] = this.#definitions): Promise<readonly Standing[]> {
    return Promise.all(
      migrations.map(async (migration) =>
        standingOf(migration, await this.#bookkeeping.read(migration.name, migration.version))
      ),
    );
  }

  /** Where one stands. @throws {UnknownMigrationError} When there is none of this ID. */
  async of(id: string): Promise<Standing> {
    const [standing] = await this.all([this.find(id)]);
    return standing!;
  }

  /** @throws {UnknownMigrationError} When there is none of this ID. */
  find(id: string): RedisMigration {
    const ids = this.#definitions.map((migration) => infoOf(migration).id);
    const at = ids.indexOf(id);
    if (at < 0) throw new UnknownMigrationError(`No Redis migration is called "${id}"`, ids);
    return this.#definitions[at]!;
  }

  /** What a run of a migration is told of it. */
  async stepOf({ migration, state }: Standing): Promise<Step> {
    const later = inPlace(this.#after(migration));
    const applied = await this.appliedAfter(migration);
    return { migration, state, later, applied, markers: marksOf(this.#layout, migration.name) };
  }

  /** The changes in place after a migration that are applied: what is copied now has to be changed too. */
  async appliedAfter(migration: RedisMigration): Promise<readonly TransformChange[]> {
    const later = await this.all(this.#after(migration));
    return inPlace(later.filter(({ state }) => state.status === "applied").map((one) => one.migration));
  }

  /** What decides about the records of a migration. */
  rulesFor({ migration, state }: Standing): RecordRules {
    const later = inPlace(this.#after(migration));
    const { doneSince } = state;
    return { store: this.#store, later, beganAt: firstBegin(state), doneSince, toldAt: toldAt(state) };
  }

  /** What is needed to write records of a migration outside of its own run. */
  async writeContext(
    standing: Standing,
    { fence, signal, maxRate, batchSize }: RedisApplyOptions,
  ): Promise<WriteContext> {
    return {
      ...this.rulesFor(standing),
      ...{ fence, signal, maxRate, batchSize, tally: new Tally() },
      converted: (await this.appliedAfter(standing.migration)).map((change) => ({ change, tally: null })),
    };
  }

  #after({ version }: RedisMigration): readonly RedisMigration[] {
    return this.#definitions.filter((other) => other.version > version);
  }
}

function inPlace(migrations: readonly RedisMigration[]): readonly TransformChange[] {
  return migrations.map(({ change }) => change).filter((change) => change.type === "transform");
}
