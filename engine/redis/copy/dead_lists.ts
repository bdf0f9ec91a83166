/**
 * What the application deleted under its new name before the list of it was copied: a list must not bring it back.
 *
 * @module
 */

import { slices } from "../../slices.ts";
import { parseTimestamp } from "../../timestamp.ts";
import { type Binary, toArgument } from "../binary.ts";
import { readFields, readInPieces, readNames } from "../bulk_reads.ts";
import type { WriteContext } from "../context.ts";
import { type Listed, PRUNE } from "../scripts/listing.ts";
import type { RedisStore } from "../store.ts";
import type { CopyChange, ListKeys } from "./change.ts";

/** Fields that one script takes off a list: it may be long. */
const FIELDS_AT_ONCE = 500;
/** Fields of all lists that are looked at as they are copied. */
const FIELDS_IN_STEP = 1000;

/** What is known of a list. */
interface Listing<List> {
  readonly list: List;
  /** Its owner was deleted. */
  readonly orphaned: boolean;
  /** Fields whose records were deleted. */
  readonly dead: readonly Binary[];
  /** All of its fields. */
  readonly fields: readonly Binary[];
}

/** Lists of which nothing would be left: the application has deleted all that they list, or their owner. */
export async function deadLists<List extends ListKeys>(
  change: CopyChange,
  store: RedisStore,
  lists: readonly List[],
): Promise<ReadonlySet<List>> {
  const found = await readListings(change, store, lists, "source");
  return new Set(
    found.filter(({ orphaned, dead, fields }) =>
      orphaned || (fields.length > 0 && dead.length === fields.length)
    )
      .map(({ list }) => list),
  );
}

type KnownNames = (key: Binary) => readonly Binary[] | undefined;

/**
 * What some lists list, as many as a step of a server can look at, for that to leave out what was deleted.
 *
 * @param known Tells the names of an original's fields, where they were read.
 */
export async function readListed<List extends ListKeys>(
  change: CopyChange,
  store: RedisStore,
  given: readonly List[],
  known: KnownNames,
): Promise<Map<List, Listed>> {
  const found = await readNamesOf(change, store, given, "source", known);
  let count = 0;
  return new Map(
    found.filter(({ fields }) => (count += fields.length) <= FIELDS_IN_STEP).map(({ list, fields }) => {
      const records = fields.map((field) => [field, change.lists!.recordOf(list, field)!.target]);
      return [list, [change.lists!.ownerOf(list)!.target, Object.fromEntries(records)]];
    }),
  );
}

/** Takes off the copies of lists what the application has deleted in the meantime. */
export async function prune(
  change: CopyChange,
  { store, fence }: Pick<WriteContext, "store" | "fence">,
  lists: readonly ListKeys[],
): Promise<void> {
  const { lists: rules, deletedAt } = change;
  if (rules === undefined || deletedAt === undefined) return;
  for (const { list, orphaned, dead, fields: listed } of await readListings(change, store, lists, "target")) {
    const copied = orphaned && listed.length > dead.length ? await copiedOf(store, list, dead) : new Map();
    if (copied.size === 0 && dead.length === 0) continue;
    const owner = rules.ownerOf(list)!.target;
    for (let at = 0; at === 0 || at < dead.length; at += FIELDS_AT_ONCE) {
      const fields = dead.slice(at, at + FIELDS_AT_ONCE);
      const records = fields.map((field) => rules.recordOf(list, field)!.target);
      const keys = [list.target, owner, ...records];
      if (store.byNode(keys).length > 1) continue; // No step of a server can see both.
      const left = at + FIELDS_AT_ONCE >= dead.length ? [...copied] : [];
      const entries = left.slice(0, FIELDS_AT_ONCE);
      const args = [deletedAt, String(left.length), String(entries.length), ...entries.flat(), ...fields];
      await store.write(PRUNE, keys, args.map(toArgument), fence);
    }
  }
}

/**
 * What a copy has of its original beside records that were deleted. With more or something other on it, the application has written
 * it since: then nothing.
 */
async function copiedOf(
  store: RedisStore,
  { source, target }: ListKeys,
  dead: readonly Binary[],
): Promise<Map<Binary, Binary>> {
  const [before, now] = await Promise.all([readInPieces(store, source), readInPieces(store, target)]);
  for (const field of dead) now.delete(field);
  return [...now].every(([field, value]) => before.get(field) === value) ? now : new Map();
}

/** Looks at the lists among what is given. @param side Which of their two forms tells what they list. */
async function readListings<List extends ListKeys>(
  change: CopyChange,
  store: RedisStore,
  given: readonly List[],
  side: "source" | "target",
): Promise<Listing<List>[]> {
  const { lists: rules, deletedAt } = change;
  const found = await readNamesOf(change, store, given, side);
  const asked = found.flatMap(({ list, fields }) => [
    rules!.ownerOf(list)!.target,
    ...fields.map((field) => rules!.recordOf(list, field)!.target),
  ]);
  const deleted: boolean[] = [];
  for (const some of slices(asked, FIELDS_AT_ONCE)) {
    const rows = await readFields(store, some, [deletedAt!]);
    deleted.push(...rows.map((row) => parseTimestamp(row?.[0] ?? "") !== null));
  }
  return found.map(({ list, fields }) => {
    const [orphaned, ...dead] = deleted.splice(0, 1 + fields.length) as [boolean, ...boolean[]];
    return { list, orphaned, dead: fields.filter((_, at) => dead[at]), fields };
  });
}

async function readNamesOf<List extends ListKeys>(
  { lists: rules, deletedAt }: CopyChange,
  store: RedisStore,
  given: readonly List[],
  side: "source" | "target",
  known: KnownNames = () => undefined,
): Promise<Pick<Listing<List>, "list" | "fields">[]> {
  if (rules === undefined || deletedAt === undefined) return [];
  const lists = given.filter((one) => rules.ownerOf(one) !== null);
  const unread = lists.filter((one) => known(one[side]) === undefined);
  const fields = await readNames(store, unread.map((one) => one[side]));
  return lists.map((list) => ({
    list,
    fields: known(list[side]) ?? fields[unread.indexOf(list)]!,
  }));
}
