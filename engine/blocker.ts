/**
 * What stands in the way of applying.
 *
 * @module
 */

import { type Hint, textForCallers } from "./hint.ts";
import type { StoreName } from "./migration.ts";

/** Something that would make a migration fail in its middle or do harm, found before anything is changed. */
export interface Blocker {
  /** Where it is. */
  readonly store: StoreName;
  /** What kind of obstacle, in one word such as `eviction`, `memory`, `rights` or `view`. */
  readonly kind: string;
  /** What it is about: a server, a table, a view. */
  readonly object: string;
  /** One sentence for people. */
  readonly detail: string;
  /** How to get it out of the way, in terms of this library. */
  readonly hint: string;
  /** The same with its commands kept apart, for a program whose users type commands; absent where it says the same. */
  readonly parts?: Hint;
}

/** What a blocker says of how to get it out of the way. */
export function remedy(told: string | Hint): Pick<Blocker, "hint" | "parts"> {
  const hint = textForCallers(told);
  if (hint === told) return { hint };
  return { hint, parts: typeof told === "string" ? { texts: [told], commands: [] } : told };
}
