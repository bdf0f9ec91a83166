/**
 * Judges pairs of original and copy, with a look at other records where the pair alone does not tell enough: a list of
 * records, which bears no time of its own, differs rightly where the records that it lists were changed.
 *
 * @module
 */

import { slices } from "../../slices.ts";
import type { Binary } from "../binary.ts";
import type { RedisStore } from "../store.ts";
import type { BothKeys, ListKeys, Lists } from "./change.ts";
import { type Content, readFew } from "./content.ts";
import {
  afterMigrations,
  deletionOf,
  endsTogether,
  isSame,
  judge,
  judgeMissing,
  laterOf,
  type OwnTime,
  ownTime,
  type Rules,
  type Verdict,
} from "./verdict.ts";

/** What a pair was read as. */
export interface ReadPair {
  readonly pair: ListKeys;
  readonly original: Content;
  readonly copy: Content | null;
}

/** The two forms of a record that a list speaks of, as they were found. */
interface Evidence {
  readonly original: Content | null;
  readonly copy: Content | null;
}

/** Fields of a list that are asked about at a time: lists may be long. */
const FIELDS_AT_ONCE = 500;

/** Judges pairs, each by itself or, for lists, by what they list. */
export async function judgePairs(
  store: RedisStore,
  given: Omit<Rules, "drifts">,
  pairs: readonly ReadPair[],
): Promise<Verdict[]> {
  const rules: Rules = { ...given, drifts: store.clustered };
  return await Promise.all(pairs.map(async ({ pair, original, copy }) => {
    const { lists } = rules.change;
    const owner = original.fields === null ? null : lists?.ownerOf(pair) ?? null;
    if (lists === undefined || owner === null) return judge(rules, pair.target, original, copy);
    if (copy !== null && isSame(rules, pair.target, original, copy)) return "same";
    return await judgeList(store, rules, lists, owner, { pair, original, copy });
  }));
}

/** The time of what bears none. */
const NEVER: OwnTime = { from: -Infinity, to: -Infinity };

async function judgeList(
  store: RedisStore,
  rules: Rules,
  lists: Lists,
  owner: BothKeys,
  { pair, original, copy }: ReadPair,
): Promise<Verdict> {
  const { change, beganAt, later } = rules;
  const [ownerOriginal = null, ownerCopy = null] = await readFew(store, [owner.source, owner.target]);
  let changed = ownTime(change, ownerOriginal?.fields ?? null) ?? NEVER;
  let [anyAlive, explained, differs] = [false, true, false];
  const wanted = afterMigrations(pair.target, original.fields!, later);
  const inCopy = copy?.fields ?? new Map<Binary, Binary>();
  for (const some of slices([...new Set([...wanted.keys(), ...inCopy.keys()])], FIELDS_AT_ONCE)) {
    const records = some.map((field) => lists.recordOf(pair, field)!);
    const found = await readFew(store, records.flatMap(({ source, target }) => [source, target]));
    some.forEach((field, i) => {
      const evidence = { original: found[2 * i]!, copy: found[2 * i + 1]! };
      changed = laterOf(changed, ownTime(change, evidence.original?.fields ?? null) ?? NEVER);
      if (original.fields!.has(field)) anyAlive ||= !isDeleted(rules, evidence.copy);
      if (
        wanted.get(field) !== inCopy.get(field) &&
        !isOff(rules, records[i]!.target, evidence, inCopy.has(field))
      ) {
        differs = true;
        explained &&= isExplained(rules, evidence, original.fields!.has(field), inCopy.has(field));
      }
    });
  }
  if (copy === null) {
    // It lists nobody any more when the application has deleted all of them, or their owner: nothing would be left of a copy, so that
    // there is nothing to choose.
    const gone = isDeleted(rules, ownerCopy) || !anyAlive;
    const missing = judgeMissing(rules, changed);
    return gone && (rules.doneSince === null || missing === "unknown") ? "deleted" : missing;
  }
  if (copy.fields === null || !endsTogether(rules.drifts, original, copy)) return "different";
  if (!differs) return "same";
  if (beganAt === null) return "different";
  return explained && changed.to < beganAt.getTime() ? "newer" : "different";
}

/** True when a record was deleted, whoever did it, and is off the list for that reason alone. */
function isOff(rules: Rules, target: Binary, { original, copy }: Evidence, listedNow: boolean): boolean {
  if (listedNow || !isDeleted(rules, copy)) return false;
  return original === null || ["same", "newer"].includes(judge(rules, target, original, copy));
}

/** True for what is left of a record that was deleted. */
function isDeleted({ change }: Rules, copy: Content | null): boolean {
  return copy !== null && deletionOf(change, copy.fields) !== null;
}

/** True when what became of a record since explains that only one of two lists has it, or has it otherwise. */
function isExplained(
  rules: Rules,
  { original, copy }: Evidence,
  listedBefore: boolean,
  listedNow: boolean,
): boolean {
  if (copy !== null && isDeleted(rules, copy)) return !listedNow;
  // What has no copy yet is no record that the application has deleted.
  if (copy === null) return !listedNow && (original === null || rules.doneSince !== null);
  if (!listedNow) return false;
  const time = (ownTime(rules.change, copy.fields) ?? NEVER).from;
  // Cleanup has deleted the original, which proved it: of what was listed from the start only a later change tells.
  if (original === null) return !listedBefore || time >= (rules.beganAt?.getTime() ?? Infinity);
  return time > (ownTime(rules.change, original.fields)?.to ?? Infinity);
}
