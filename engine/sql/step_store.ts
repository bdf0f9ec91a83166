/**
 * What a SQL store is: how to read it at one moment, and how to write to it.
 *
 * @module
 */

import type { Blocker } from "../blocker.ts";
import type { LockOwner } from "../lock/lock.ts";
import type { SqlStoreName } from "../migration.ts";
import type { SqlSession } from "../sql_backend.ts";
import type { SqlPrepared } from "./sql_prepared.ts";
import type { SqlActivity } from "./activity.ts";
import type { Counter } from "./forecast.ts";
import type { Fold } from "./rewrite.ts";
import type { Standing } from "./standing.ts";
import type { ObjectChange } from "./step.ts";

/** What pending steps work on, by the names of today. */
export interface PendingChanges {
  /** Tables that are locked or rewritten. */
  readonly tables: readonly string[];
  /** What is dropped or retyped, and by which step. */
  readonly changes: readonly (ObjectChange & { readonly step: string })[];
  /** Those of the tables that are written anew. */
  readonly rewritten: readonly string[];
  /** The version reached, and the last one that is planned. */
  readonly from: number;
  readonly to: number;
}

/** What was found of live tables, one sentence each. */
export interface Findings {
  /** What is not as it should be, and whatever loses or refuses rows. */
  readonly faults: readonly string[];
  /** What is strange, and does no harm to rows. */
  readonly warnings: readonly string[];
  /** True where a table or a column is not there: steps cannot run, nor be planned. */
  readonly incomplete?: boolean;
  /** True where a table or a column is there that only later versions have. */
  readonly beyond?: boolean;
}

/** What several steps do as one, as things are now. */
export interface FoldNow {
  /** Null where each runs by itself. */
  readonly fold: Fold | null;
  /** Why they do not run as one, one sentence each. */
  readonly apart: readonly string[];
  /** True where what takes long is done. */
  readonly prepared?: boolean;
}

/** What can be asked of a store at one moment, without writing. */
export interface StoreView {
  readonly counter: Counter;
  /** Who held a table for so long that something could not be counted, or null. */
  held(): string | null;
  standing(): Promise<Standing>;
  /** @throws {RefusedError} When a table of the tool's own is not what it would make. */
  assertTrusted(): Promise<void>;
  /** What {@linkcode StoreView.assertTrusted} would refuse, one sentence each. */
  untrusted(): Promise<readonly string[]>;
  /** Answers a query for one boolean. */
  holds(query: string): Promise<boolean>;
  /** True where a table of this name is. */
  hasTable(name: string): Promise<boolean>;
  /** What stands in the way of pending steps. */
  blockers(pending: PendingChanges): Promise<readonly Blocker[]>;
  /** What stands in the way of going back from a version. */
  blockersDown(version: number, changes: PendingChanges["changes"]): Promise<readonly Blocker[]>;
  /** What several steps do as one, and why they do not. */
  fold(versions: readonly number[], options?: { readonly noPrepared: boolean }): Promise<FoldNow>;
  /** What is prepared for steps; absent for a store that prepares nothing. */
  prepared?(version: number): Promise<SqlPrepared | null>;
  /** What differs between the live tables and those that a version should have. */
  findings(version: number): Promise<Findings>;
}

/** What a store is. */
export interface StepStore {
  readonly name: SqlStoreName;
  /** @param action For messages: `Cannot <action> Postgres`. */
  read<T>(action: string, work: (view: StoreView) => Promise<T>): Promise<T>;
  /**
   * True where the tables tell that a version is reached: they lack something of it as long as it is not. A step that changes rows
   * alone, or only takes away, leaves no such trace.
   */
  shows(version: number): boolean;
  /** Makes a statement what the server is given. */
  expand(text: string): string;
  connect(): Promise<SqlSession>;
  lockOwner(): Promise<LockOwner | null>;
  activity(): Promise<SqlActivity | null>;
}

/** A table by name, with its columns. */
interface Shape {
  readonly name: string;
  readonly columns: readonly { readonly name: string }[];
}

/** True where a table that is expected is not there, or lacks a column. */
export function isIncomplete(expected: readonly Shape[], found: readonly Shape[]): boolean {
  return expected.some(({ name, columns }) => {
    const is = found.find((table) => table.name === name);
    return !columns.every((column) => is?.columns.some((one) => one.name === column.name));
  });
}

/** True where a table or a column is there that versions after this one have, and not this one. @param schemas Of all versions. */
export function isBeyond(
  schemas: readonly (readonly Shape[])[],
  version: number,
  found: readonly Shape[],
): boolean {
  const partsOf = (tables: readonly Shape[]) =>
    tables.flatMap(({ name, columns }) => [name, ...columns.map((column) => `${name}\0${column.name}`)]);
  const [own, there] = [schemas[version - 1]!, found].map((tables) => new Set(partsOf(tables)));
  return partsOf(schemas.slice(version).flat()).some((part) => !own!.has(part) && there!.has(part));
}
