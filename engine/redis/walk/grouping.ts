/**
 * Which records belong together, such as those of a tenant: a sample is of such groups.
 *
 * @module
 */

import { asked } from "../asked.ts";
import type { Binary } from "../binary.ts";
import { matcherOf } from "./pattern.ts";

/** Where the records of a group are. */
export interface GroupKeys {
  /** Key of the record that stands for the group: there is one of it. */
  readonly head: Binary;
  /** Key of the hash whose fields name further records of the group. */
  readonly list: Binary;
  /** Key of the record that a field of the list names. */
  recordOf(field: Binary): Binary;
}

/** Which keys a change may be about, and which of them belong together. */
export interface Grouping {
  /** SCAN pattern of the keys. */
  readonly pattern: Binary;
  /** The group that a key belongs to; null for none. */
  groupOf(key: Binary): Binary | null;
  /** Where the records of a group are; left out where only a look at all keys tells. Pure. */
  keysOf?(group: Binary): GroupKeys;
}

/** A grouping that may be asked about any key. */
export function onlyMatching(grouping: Grouping): Grouping {
  const matches = matcherOf(grouping.pattern);
  const groupOf = (key: Binary) =>
    matches(key) ? asked("groupOf", grouping, key, () => grouping.groupOf(key)) : null;
  return { ...grouping, groupOf };
}
