/**
 * A SQL step in ley's module format: one file that exports `up` and `down`, and beside them the step's definition, so that its
 * statements can be shown and hashed without running them.
 *
 * @module
 */

import type { SqlConsequence } from "./sql_plan.ts";
import type { SqlStatement } from "./statement.ts";
import type { IndexBeforehand } from "./step_beforehand.ts";
import type { RowRewrite, StepRewrite } from "./step_rewrite.ts";
import { checksumOf } from "../checksum.ts";
import { RegistryError } from "../errors.ts";
import { formatVersion } from "../migration.ts";

/** A table that a step works on. */
export interface TableUse {
  /** Its name when the step begins. */
  readonly name: string;
  /** Its name in the database as it is now, or null while it does not exist yet. */
  readonly storedAs: string | null;
  /** Query for the rows that the step will find, one number; null for none. */
  readonly rows: string | null;
  /** The strongest lock that the step takes on it, for example `ACCESS EXCLUSIVE`. */
  readonly lock: string;
  /** True when every row is written anew. */
  readonly rewrite: boolean;
}

/** A consequence and how to count it. */
export interface ConsequenceQuery extends Omit<SqlConsequence, "rows"> {
  /** Query for one number, or null for 0. */
  readonly rows: string | null;
}

/** What a step does to something that others may hang on. */
export interface ObjectChange {
  /** Name of the table in the database as it is now. */
  readonly table: string;
  /** The column, or null for the whole table. One that is not there yet has nothing hanging on it. */
  readonly column: string | null;
  /** Whether it gets another type or goes. */
  readonly change: "retyped" | "dropped";
}

/** What planning asks of a database. */
export interface StepForecast {
  /** The tables it locks or reads for long; those it creates need not be named. */
  readonly tables: readonly TableUse[];
  /** What it does to their data; empty when it only adds. */
  readonly consequences: readonly ConsequenceQuery[];
  /** What it drops or gives another type: what hangs on that is found before the first step, and refused. */
  readonly changes?: readonly ObjectChange[];
}

/** What taking a step back asks of a database. */
export interface DownForecast extends StepForecast {
  /** What goes or cannot come back; shown with its count where `rows` is a query, and only when that is above 0. */
  readonly warnings: readonly { readonly text: string; readonly rows: string | null }[];
}

/** Another way to the same schema, taken where the database allows it. */
export interface StepVariant {
  /** A few words for people, for example `by exchange`. */
  readonly name: string;
  /**
   * Query for one boolean, asked when the step begins, and before that for a plan.
   *
   * @param from Version of the database when it is asked: below the step's, or that one where it is taken back.
   */
  readonly when: (from: number) => string;
  /** The statements of this way, in order. */
  readonly up: readonly SqlStatement[];
  /** Those that take the step back where the condition holds; absent where its own do so. */
  readonly down?: readonly SqlStatement[];
  /** True for a way that came with a later release than the step: it changes no checksum, since the schema is the same. */
  readonly later?: boolean;
}

/** The way up that a database allows. */
export interface ChosenWay {
  /** Name of the variant; empty for the step's own statements. */
  readonly variant: string;
  readonly statements: readonly SqlStatement[];
}

/**
 * Chooses the way up.
 *
 * @param from Version of the database now.
 * @param holds Answers a query for one boolean.
 */
export async function chooseWay(
  step: SqlStep,
  from: number,
  holds: (query: string) => Promise<boolean>,
): Promise<ChosenWay> {
  for (const { name, when, up } of step.variants ?? []) {
    if (await holds(when(from))) return { variant: name, statements: up };
  }
  return { variant: "", statements: step.up };
}

/** Chooses the statements that take a step back. @param holds Answers a query for one boolean. */
export async function chooseBack(
  { version, variants = [], down }: SqlStep,
  holds: (query: string) => Promise<boolean>,
): Promise<readonly SqlStatement[]> {
  for (const variant of variants) {
    if (variant.down !== undefined && await holds(variant.when(version))) return variant.down;
  }
  return down;
}

/** True where the tables may be made anew for a step alone: ways that came later are for those that cannot be. */
export function mayBeMadeAnew({ variants = [] }: SqlStep): boolean {
  return variants.every(({ later }) => later);
}

/** What a step leaves behind for `cleanup`. */
export interface StepRemains {
  /** The table that holds them, which may not exist yet. */
  readonly table: string;
  /** Tables that may be behind it, which is a view then. */
  readonly parts?: readonly string[];
  /** Of such a view, which somebody may drop. */
  readonly behind?: {
    /** Queries for the rows of the tables behind it, by name. */
    readonly rows: Readonly<Record<string, string>>;
    /** Makes it again where they are there and it is not, and does nothing elsewhere. */
    readonly mend: string;
  };
  /** What the way down takes from them and does not bring back: a few words for people, and a query for the number of rows. */
  readonly lost?: { readonly text: string; readonly rows: string };
  /** Query for the number of rows. */
  readonly count: string;
  /** Statements that delete them, in order. */
  readonly delete: readonly string[];
  /** What they are, a few words for people. */
  readonly detail: string;
}

/** A step: what it does, as data. */
export interface SqlStep {
  /** Counts from 1 without gaps. */
  readonly version: number;
  /** For example `denormalize_attempts`. */
  readonly name: string;
  /** Name of its file; by default version and name, as in `000005_denormalize_attempts.ts`. */
  readonly file?: string;
  /** What it is for, for people. */
  readonly description: string;
  /** False for a step whose statements cannot run in a transaction; each of them must then stand being repeated. */
  readonly transactional: boolean;
  /** Its statements, in order. */
  readonly up: readonly SqlStatement[];
  /** The first whose condition holds takes the place of `up`. */
  readonly variants?: readonly StepVariant[];
  /** What it does to rows, for doing it together with other steps; absent where it leaves every row as it is. */
  readonly rewrite?: StepRewrite;
  /** The same for single rows; needed where {@linkcode SqlStep.rewrite} joins or keeps. It changes no checksum. */
  readonly rows?: RowRewrite;
  /** What takes long and is done before, when the step runs by itself. It changes no checksum: the schema is the same. */
  readonly beforehand?: IndexBeforehand;
  /** The statements that take it back, in order. */
  readonly down: readonly SqlStatement[];
  /**
   * What planning asks of a database.
   *
   * @param from Version of the database at planning time, below this step's.
   */
  readonly forecast: (from: number) => StepForecast;
  /**
   * What taking it back asks of a database.
   *
   * @param from Version of the database at planning time, this step's or above.
   */
  readonly forecastDown: (from: number) => DownForecast;
  /** What it leaves for `cleanup`; absent where it leaves nothing. */
  readonly remains?: StepRemains;
}

/** Runs the statements of a step, in order; what `up` and `down` of a step module are given. */
export interface StepRunner {
  /** Runs one step in one direction. */
  run(step: SqlStep, direction: "up" | "down"): Promise<void>;
  /**
   * Lends the connection that the step's transaction is open on, to steps that are code. Absent where there is no transaction.
   *
   * @param work Is given a client of the store's own kind, for Postgres one of postgres.js.
   */
  lend?(work: (client: unknown) => Promise<void>): Promise<void>;
}

/** The module of a step, as imported. */
export interface StepModule {
  /** The step. */
  readonly step: SqlStep;
  /** Does it. */
  readonly up: (runner: StepRunner) => Promise<void>;
  /** Takes it back. */
  readonly down: (runner: StepRunner) => Promise<void>;
}

/** The steps of one SQL store. */
export interface SqlSteps<Schema> {
  /** In order, from version 1. */
  readonly steps: readonly StepModule[];
  /** Absolute path of the folder that holds the step files and nothing else, or null where there is none. */
  readonly directory: string | null;
  /** The schema after each version: `schemas[0]` is that of version 1. What `verify` compares with. */
  readonly schemas: readonly Schema[];
}

/** Name of a step's file, for example `000005_denormalize_attempts.ts`. */
export function stepFileName(step: Pick<SqlStep, "version" | "name" | "file">): string {
  return step.file ?? `${formatVersion(step.version)}_${step.name}.ts`;
}

/** Hash of what a step does, in hexadecimal: changes whenever a statement does. */
export function stepChecksum(step: SqlStep): string {
  const { version, name, transactional, up, rewrite, down } = step;
  const known = step.variants?.filter(({ later }) => !later);
  const variants = known?.length === 0
    ? undefined
    : known?.map((variant) => ({ ...variant, when: variant.when(version - 1) }));
  return checksumOf(JSON.stringify({ version, name, transactional, up, variants, rewrite, down }));
}

/**
 * Checks that steps are in order, without gaps, repeats or empty ones.
 *
 * @throws {RegistryError} When they are not.
 */
export function checkSteps(steps: readonly SqlStep[]): void {
  for (const [index, step] of steps.entries()) {
    if (step.version !== index + 1) {
      throw new RegistryError(
        `Cannot order the SQL steps: "${stepFileName(step)}" stands where version ${index + 1} belongs`,
      );
    }
    if (step.up.length === 0 || step.down.length === 0) {
      throw new RegistryError(`Cannot use the SQL step "${stepFileName(step)}": it has no statements`);
    }
    if (!step.transactional && (step.variants ?? []).length > 0) {
      throw new RegistryError(
        `Cannot use the SQL step "${stepFileName(step)}": variants need a transaction to be chosen in`,
      );
    }
  }
}
