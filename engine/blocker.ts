/**
 * What stands in the way of applying.
 *
 * @module
 */

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
  /** How to get it out of the way. */
  readonly hint: string;
}
