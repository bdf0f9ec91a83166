/**
 * Changes in place, taken together: what to read of a record once for all of them, and what each of them sees of it. Pure.
 *
 * @module
 */

import { RegistryError } from "../../errors.ts";
import { type Binary, display } from "../binary.ts";
import type { Values } from "../bulk_reads.ts";
import { type Changes, changesOf, isInconvertible, type TransformChange } from "./change.ts";

/** A change, and which of the values that are read are its own. */
export interface Link {
  readonly change: TransformChange;
  readonly columns: readonly number[];
}

/** Changes in the order in which they are made. */
export interface Chain {
  /** All fields to read. */
  readonly fields: readonly Binary[];
  readonly links: readonly Link[];
}

/** What a change makes of a record as those before it left it. */
export interface LinkOutcome {
  /** Null where the record is not meant. */
  readonly kind: string | null;
  /** What it saw. */
  readonly values: Values;
  /** What it sets; null for nothing. */
  readonly changes: Changes;
}

/** Puts changes together. @param others Fields to read before those that the changes read. */
export function chainOf(changes: readonly TransformChange[], others: readonly Binary[] = []): Chain {
  const fields = [...new Set([...others, ...changes.flatMap((change) => change.fields)])];
  const links = changes.map((change) => ({
    change,
    columns: change.fields.map((field) => fields.indexOf(field)),
  }));
  return { fields, links };
}

/** The values that a change reads, in its order. */
function ownValues({ columns }: Link, values: Values): Values {
  return columns.map((column) => values[column] ?? null);
}

/**
 * Takes a record through the changes, each of which sees what those before it have set.
 *
 * @param isMeant False where more than key and values says that a change does not mean the record, by its number.
 * @returns An outcome for each change, in order.
 */
export function follow(
  { fields, links }: Chain,
  key: Binary,
  values: Values,
  isMeant: (link: number) => boolean = () => true,
): LinkOutcome[] {
  let now = values;
  return links.map((link, i) => {
    const own = ownValues(link, now);
    const kind = isMeant(i) ? link.change.kindOf(key, own) : null;
    const changes = kind === null ? null : link.change.change(kind, own);
    if (changes !== null && !isInconvertible(changes)) {
      now = afterChanges(fields, now, changes);
      checkDone(link, key, ownValues(link, now));
    }
    return { kind, values: own, changes };
  });
}

/** What would be changed again and again, by each walk and each run, never is as it should be. */
function checkDone({ change }: Link, key: Binary, values: Values): void {
  const more = changesOf(change, key, values);
  if (more === null || isInconvertible(more)) return;
  throw new RegistryError(
    `Cannot change "${display(key)}": change() of the records "${
      display(change.pattern)
    }" would change again what it made`,
    {
      hint:
        "It has to answer null for what is as it should be: read the fields that it sets, and look at them",
    },
  );
}

/** What is to be written of a record, and what each change is to be told of it. */
export interface Taken {
  /** One for each change, up to the first that cannot convert the record where that ends its way. */
  readonly outcomes: readonly LinkOutcome[];
  /** Fields to set, each followed by its value; empty for nothing to do. */
  readonly changes: readonly string[];
}

/**
 * Puts together what several changes set. A record that one of them cannot convert is left as those before it made it.
 *
 * @param outcomes What {@linkcode follow} found.
 * @param goesOn True for a change, by its number, behind which a record that it cannot convert goes on.
 */
export function take(outcomes: readonly LinkOutcome[], goesOn: (link: number) => boolean): Taken {
  const stop = outcomes.findIndex(({ changes }, i) => isInconvertible(changes) && !goesOn(i));
  const told = stop < 0 ? outcomes : outcomes.slice(0, stop + 1);
  const set = new Map<string, string>();
  for (const { changes } of told) {
    if (changes === null || isInconvertible(changes)) continue;
    for (let at = 0; at < changes.length; at += 2) {
      // An odd number is refused where it is written.
      if (at + 1 === changes.length) return { outcomes: told, changes };
      set.set(changes[at]!, changes[at + 1]!);
    }
  }
  return { outcomes: told, changes: [...set].flat() };
}

function afterChanges(fields: readonly Binary[], values: Values, changes: readonly string[]): Values {
  const after = [...values];
  for (let at = 0; at + 1 < changes.length; at += 2) {
    const column = fields.indexOf(changes[at]!);
    if (column >= 0) after[column] = changes[at + 1]!;
  }
  return after;
}
