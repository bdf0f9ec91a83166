/**
 * What every SQL store must do alike: the cases that each backend passes. A new store brings a subject and passes them too.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { SqlBackend, SqlRunOptions } from "../../engine/sql_backend.ts";
import { DirtyError, RefusedError, RegistryError } from "../../engine/errors.ts";
import { type SqlStoreName, typeOf } from "../../engine/migration.ts";
import type { SqlStep, StepModule } from "../../engine/sql/step.ts";
import type { SqlStatement } from "../../engine/sql/statement.ts";

/** An empty database of one case's own. */
export interface SqlDatabase {
  /** The backend over it, for these steps and the schemas after each. */
  backend(steps: readonly StepModule[], schemas: readonly unknown[]): SqlBackend;
  /** Runs a statement as somebody else would. */
  run(statement: string): Promise<void>;
  /** Names of all tables. */
  tables(): Promise<readonly string[]>;
  /** The tables of the steps as `verify` reads them. */
  readSchema(): Promise<unknown>;
  /** Writes a version as golang-migrate does. */
  record(version: number, dirty: boolean): Promise<void>;
}

/** A store under test. */
export interface SqlSubject {
  readonly store: SqlStoreName;
  /** Whether the store has a lock of its own beside the lease. */
  readonly locks: boolean;
  /** Creates a table `name` with a column `n`. */
  create(name: string): string;
  database(): Promise<SqlDatabase>;
}

/** Three steps: a table, a column, and one that runs without a transaction and in two halves. */
export function contractSteps({ create }: SqlSubject): readonly StepModule[] {
  const drop = (name: string): SqlStatement => ({ text: `DROP TABLE IF EXISTS ${name}` });
  const count = "SELECT count(*) FROM one";
  return [
    moduleOf({
      version: 1,
      name: "one",
      transactional: false,
      up: [{ text: create("one") }],
      down: [drop("one")],
    }),
    moduleOf({
      version: 2,
      name: "column",
      transactional: false,
      up: [{ text: "ALTER TABLE one ADD COLUMN IF NOT EXISTS m int" }],
      down: [{ text: "ALTER TABLE one DROP COLUMN IF EXISTS m" }],
      forecast: (from) => ({
        tables: [{
          name: "one",
          storedAs: from < 1 ? null : "one",
          rows: from < 1 ? null : count,
          lock: "none",
          rewrite: false,
        }],
        consequences: [],
      }),
      forecastDown: () => ({
        tables: [],
        consequences: [],
        warnings: [{ text: "rows lose m", rows: count }],
      }),
    }),
    moduleOf({
      version: 3,
      name: "halves",
      transactional: false,
      up: [{ text: create("two") }, { text: create("three") }],
      down: [drop("three"), drop("two")],
    }),
  ];
}

function moduleOf(
  step: Omit<SqlStep, "description" | "forecast" | "forecastDown"> & Partial<SqlStep>,
): StepModule {
  const whole: SqlStep = {
    description: `Step ${step.version} of the contract`,
    forecast: () => ({ tables: [], consequences: [] }),
    forecastDown: () => ({ tables: [], consequences: [], warnings: [] }),
    ...step,
  };
  return {
    step: whole,
    up: (runner) => runner.run(whole, "up"),
    down: (runner) => runner.run(whole, "down"),
  };
}

function running(changes: Partial<SqlRunOptions> = {}): SqlRunOptions {
  return { signal: new AbortController().signal, beforeCommit: () => Promise.resolve(), ...changes };
}

const cutOffAt = (at: number) =>
  running({
    onStatement(index) {
      if (index === at) throw new Error("cut off");
    },
  });

/** Runs all cases as steps of a test. */
export async function sqlContract(t: Deno.TestContext, subject: SqlSubject): Promise<void> {
  const { store, locks } = subject;
  const steps = contractSteps(subject);
  const id = (version: number) => `${typeOf(store)}/00000${version}`;

  /** The schema after each step, from a database that was brought there. */
  const schemas: unknown[] = [];
  {
    const database = await subject.database();
    for (const { step } of steps) {
      for (const { text } of step.up) await database.run(text);
      schemas.push(await database.readSchema());
    }
  }
  const fresh = async (to = 0) => {
    const database = await subject.database();
    const backend = database.backend(steps, schemas);
    await using session = await backend.connect();
    assertEquals(await session.tryLock(null), null);
    for (let version = 1; version <= to; version++) await session.up(version, running());
    return { ...database, backend };
  };
  /** Works in a session that holds the lock. */
  const within = async (
    backend: SqlBackend,
    work: (session: Awaited<ReturnType<SqlBackend["connect"]>>) => Promise<unknown>,
  ) => {
    await using session = await backend.connect();
    assertEquals(await session.tryLock(null), null);
    await work(session);
  };
  const statuses = async (backend: SqlBackend) => (await backend.read()).entries.map(({ status }) => status);

  await t.step(
    "an empty database: nothing is applied, everything can be asked, nothing is written",
    async () => {
      const { backend, tables } = await fresh();
      const state = await backend.read();
      assertEquals([state.version, state.latest, state.dirty, state.ahead, state.drift], [
        0,
        3,
        false,
        false,
        [],
      ]);
      assertEquals(
        state.entries.map((entry) => [entry.id, entry.status]),
        [1, 2, 3].map((v) => [id(v), "pending"]),
      );
      await backend.plan([1, 2, 3]);
      await backend.planDown(1);
      await backend.blockers([1, 2, 3]);
      assertEquals((await backend.verify()).issues, [`Pending: ${[1, 2, 3].map(id).join(", ")}`]);
      assertEquals(await backend.lockOwner(), null);
      assertEquals(await tables(), []);
    },
  );

  await t.step(
    "plan() shows IDs that commands take, statements and counts, and refuses what is applied",
    async () => {
      const { backend, run } = await fresh(1);
      await run("INSERT INTO one (n) VALUES (1), (2)");
      const { current, latest, steps: planned } = await backend.plan([2, 3]);
      assertEquals([current, latest], [1, 3]);
      assertEquals(planned.map((step) => step.id), [id(2), id(3)]);
      assertEquals(planned.map((step) => step.statements.length), [1, 2]);
      assertEquals(planned[0]!.tables.map(({ name, rows }) => [name, rows]), [["one", 2]]);
      await assertRejects(() => backend.plan([1]), RefusedError, "it is applied");
    },
  );

  await t.step("up() applies the next step alone, and records when", async () => {
    const { backend, tables } = await fresh();
    await within(backend, async (session) => {
      await assertRejects(() => session.up(2, running()), RefusedError, "is at version 0");
      await session.up(1, running());
      await assertRejects(() => session.up(1, running()), RefusedError, "is at version 1");
      await assertRejects(() => session.up(3, running()), RefusedError, "is at version 1");
      await assertRejects(() => session.up(4, running()), RefusedError, "not known");
      for (const version of [2, 3]) await session.up(version, running());
    });
    assertEquals(await statuses(backend), ["applied", "applied", "applied"]);
    assert((await backend.read()).entries.every(({ appliedAt }) => appliedAt !== null));
    for (const table of ["one", "two", "three"]) assert((await tables()).includes(table));
  });

  await t.step("handOver() gives versions in order, up and down", async () => {
    const { backend } = await fresh();
    const seen: number[] = [];
    await backend.handOver("up", [1, 2], (version) => Promise.resolve(void seen.push(version)));
    await backend.handOver("down", [3, 2], (version) => Promise.resolve(void seen.push(version)));
    assertEquals(seen, [1, 2, 3, 2]);
  });

  await t.step("verify() passes on what was applied, and names what differs", async () => {
    const { backend, run } = await fresh(3);
    assertEquals(await backend.verify(), {
      ok: true,
      current: 3,
      latest: 3,
      dirty: false,
      issues: [],
      warnings: [],
    });
    await run("ALTER TABLE one DROP COLUMN m");
    const { ok, issues } = await backend.verify();
    assertEquals([ok, issues.length], [false, 1]);
    assert(issues[0]!.includes("m"), issues[0]);
  });

  await t.step("down() takes the newest step back alone, down to nothing", async () => {
    const { backend, run, tables } = await fresh(3);
    await run("INSERT INTO one (n) VALUES (1)");
    const plan = await backend.planDown({ to: 1 });
    assertEquals([plan.from, plan.to, plan.steps.map((step) => step.id)], [3, 1, [id(3), id(2)]]);
    assertEquals(plan.warnings, ["1 rows lose m"]);
    assertEquals((await backend.planDown(9)).to, 0);
    await within(backend, async (session) => {
      await assertRejects(() => session.down(2, running()), RefusedError, "is at version 3");
      for (const version of [3, 2, 1]) await session.down(version, running());
      await assertRejects(() => session.down(1, running()), RefusedError, "is at version 0");
    });
    assertEquals(await statuses(backend), ["pending", "pending", "pending"]);
    assertEquals((await tables()).filter((name) => ["one", "two", "three"].includes(name)), []);
  });

  await t.step("force() records a known version and runs nothing", async () => {
    const { backend, tables } = await fresh(1);
    await within(backend, async (session) => {
      await session.force(3);
      await assertRejects(() => session.force(4), RefusedError, "known are 0 to 3");
    });
    const state = await backend.read();
    assertEquals([state.version, state.dirty, state.drift], [3, false, []]);
    assertEquals((await tables()).includes("two"), false);
    await within(backend, (session) => session.force(0));
    assertEquals((await backend.read()).version, 0);
  });

  await t.step(
    "a database ahead of the program: nothing is pending, nothing verifies, nothing runs",
    async () => {
      const { backend, record } = await fresh(3);
      await record(9, false);
      const state = await backend.read();
      assertEquals([state.version, state.ahead, state.drift], [9, true, []]);
      assertEquals(await statuses(backend), ["applied", "applied", "applied"]);
      assertEquals((await backend.verify()).issues, ["The database is at version 9: this program knows 3"]);
      await within(backend, (session) => assertRejects(() => session.up(3, running()), RefusedError));
    },
  );

  await t.step("a version that another tool left dirty is for a person to repair", async () => {
    const { backend, record } = await fresh(1);
    await record(2, true);
    const state = await backend.read();
    assertEquals([state.version, state.dirty], [2, true]);
    assertEquals(await statuses(backend), ["applied", "dirty", "pending"]);
    assertEquals((await backend.verify()).dirty, true);
    await assertRejects(() => backend.plan([2, 3]), DirtyError);
    await within(backend, async (session) => {
      await assertRejects(() => session.up(3, running()), DirtyError);
      await assertRejects(() => session.down(2, running()), DirtyError);
      await session.force(1);
      await session.up(2, running());
    });
    assertEquals(await statuses(backend), ["applied", "applied", "pending"]);
    // golang-migrate writes -1 where it failed in the middle of taking the first step back.
    await record(-1, true);
    assertEquals((await backend.read()).version, 0);
    assertEquals(await statuses(backend), ["dirty", "pending", "pending"]);
  });

  await t.step("what another tool applied and took back is adopted", async () => {
    const { backend, record } = await fresh(2);
    await record(1, false);
    assertEquals(await statuses(backend), ["applied", "pending", "pending"]);
    assertEquals((await backend.read()).drift, []);
    await within(backend, async (session) => {
      await session.up(2, running());
      await session.up(3, running());
    });
    assertEquals((await backend.verify()).issues, []);
  });

  await t.step(
    "a step that was cut off half-way is no dirty version: the next up() does the rest",
    async () => {
      const { backend } = await fresh(2);
      await within(backend, (session) => assertRejects(() => session.up(3, cutOffAt(1)), Error, "cut off"));
      const state = await backend.read();
      assertEquals([state.version, state.dirty], [2, false]);
      assertEquals(await statuses(backend), ["applied", "applied", "failed"]);
      assertEquals((await backend.verify()).issues, [`Pending: ${id(3)}`]);
      assertEquals((await backend.plan([3])).steps.length, 1);
      await within(backend, (session) => session.up(3, running()));
      assertEquals((await backend.verify()).issues, []);
    },
  );

  await t.step(
    "a step that was taken back half-way still counts as there: the next down() does the rest",
    async () => {
      const { backend, tables } = await fresh(3);
      await within(backend, (session) => assertRejects(() => session.down(3, cutOffAt(1)), Error, "cut off"));
      const state = await backend.read();
      assertEquals([state.version, state.dirty], [3, false]);
      assertEquals(await statuses(backend), ["applied", "applied", "failed"]);
      await within(backend, async (session) => {
        await assertRejects(() => session.up(3, running()), RefusedError, "taking it back was cut off");
        await session.down(3, running());
      });
      assertEquals(await statuses(backend), ["applied", "applied", "pending"]);
      assertEquals((await tables()).includes("two"), false);
    },
  );

  await t.step("an applied step that was edited or renamed is drift", async () => {
    const database = await subject.database();
    const first = database.backend(steps, schemas);
    await within(first, async (session) => {
      for (const version of [1, 2, 3]) await session.up(version, running());
    });
    const edited = steps.map((one) => {
      if (one.step.version === 1) return moduleOf({ ...one.step, name: "other" });
      if (one.step.version === 2) {
        return moduleOf({ ...one.step, up: [...one.step.up, { text: "SELECT 1" }] });
      }
      return one;
    });
    assertEquals((await database.backend(edited, schemas).read()).drift, [
      'Version 1 is recorded as "one", and is "other" here',
      "Version 2 (column) was changed after it was applied",
    ]);
  });

  await t.step(
    `the store's own half of the lock ${locks ? "lets one session in" : "is always free"}`,
    async () => {
      const { backend } = await fresh();
      await using one = await backend.connect();
      await using other = await backend.connect();
      assertEquals(await one.tryLock("lease-1"), null);
      await one.ping();
      assertEquals((await other.tryLock("lease-2")) === null, !locks);
      assertEquals((await backend.lockOwner()) === null, !locks);
    },
  );

  await t.step(
    "steps without a schema, and gaps between steps, are refused when the backend is made",
    async () => {
      const database = await subject.database();
      await assertRejects(() => Promise.resolve().then(() => database.backend(steps, [])), RegistryError);
      await assertRejects(
        () => Promise.resolve().then(() => database.backend(steps.slice(1), schemas.slice(1))),
        RegistryError,
      );
    },
  );
}
