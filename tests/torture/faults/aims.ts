/**
 * What the program sends when it is about to do something: faults that wait for a certain moment are aimed at these scripts and
 * statements.
 *
 * @module
 */

import { COPY } from "../../../engine/redis/scripts/copying.ts";
import { REPLACE_OWN, RESTORE_NEW, UNMARK } from "../../../engine/redis/scripts/copying_across_nodes.ts";
import { DELETE_PROVEN, DELETE_SAME, UNLINK } from "../../../engine/redis/scripts/deleting.ts";
import { PRUNE } from "../../../engine/redis/scripts/listing.ts";
import type { Script } from "../../../engine/redis/scripts/script.ts";
import { SETTLE } from "../../../engine/redis/scripts/settling.ts";
import { RECORD, WRITE_FIELDS } from "../../../engine/redis/scripts/writing.ts";

/** What a run can be about to do. */
export type Deed =
  | "copy"
  | "change"
  | "follow"
  | "delete"
  | "delete judged"
  | "unlink"
  | "settle"
  | "record"
  | "prune";

/** The scripts by which it does that. */
export const SCRIPTS: Readonly<Record<Deed, readonly Script[]>> = {
  copy: [COPY, RESTORE_NEW],
  change: [WRITE_FIELDS, UNMARK],
  /** Between nodes, a copy whose original has changed follows that. */
  follow: [REPLACE_OWN],
  delete: [DELETE_SAME, DELETE_PROVEN],
  /** On one server, what only the program could tell. */
  "delete judged": [DELETE_PROVEN],
  /** What is too long for the scripts before. */
  unlink: [UNLINK],
  settle: [SETTLE],
  record: [RECORD],
  prune: [PRUNE],
};

/** The same of a run that changes tables, with words of the statement by which it does that. */
export const STATEMENTS = {
  "shut readers out": "IN ACCESS EXCLUSIVE MODE",
  "drop tables": "DROP TABLE",
} as const;

/** What a run that changes tables can be about to do. */
export type LogDeed = keyof typeof STATEMENTS;

/** By what commands that do it are known: a script comes by its hash, or, within a transaction, by its text. */
export function textsOf(deed: Deed | LogDeed): string[] {
  if (deed in STATEMENTS) return [STATEMENTS[deed as LogDeed]];
  return SCRIPTS[deed as Deed].flatMap(({ sha, source }) => [sha, source]);
}
