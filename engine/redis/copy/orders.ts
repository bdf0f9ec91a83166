/**
 * What scripts are told of pairs: what was read of an original, and what changes in place make of its copy.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { Rows, type Values } from "../bulk_reads.ts";
import type { WriteContext } from "../context.ts";
import { senselessAnswer } from "../errors.ts";
import type { Listed } from "../scripts/listing.ts";
import type { Script } from "../scripts/script.ts";
import type { RedisStore } from "../store.ts";
import { type Chain, follow, take, type Taken } from "../transform/chain.ts";
import { isInconvertible } from "../transform/change.ts";
import { packOrders } from "../transform/field_writes.ts";
import type { BatchSize } from "../walk/pacing.ts";
import type { CopyChange } from "./change.ts";
import { findPairs, type Pair } from "./pairs.ts";

/** A pair with what is to be set in the copy. Its values are those of all fields of the chain. */
export interface Order extends Pair, Taken {
  /** Of a list what it lists, where that is not too much to be looked at as it is copied. */
  readonly listed?: Listed | undefined;
}

/**
 * Finds the originals of a batch.
 *
 * @param chain The changes in place, and the fields that decide before theirs.
 * @param goesOn See {@linkcode take}.
 * @param rows What was read of them.
 */
export async function readOrders(
  change: CopyChange,
  { store, lookalikes }: Pick<WriteContext, "store"> & { readonly lookalikes: boolean },
  chain: Chain,
  goesOn: (link: number) => boolean,
  keys: readonly Binary[],
  rows: Rows,
): Promise<Order[]> {
  const pairs = await findPairs(change, store, lookalikes, keys, rows.of(keys, change.fields));
  const sources = pairs.map(({ source }) => source);
  const known = rows.of(sources, chain.fields);
  return toOrders(chain, goesOn, pairs, new Map(sources.map((key, i) => [key, known[i] ?? []])));
}

/** Tells what changes in place make of copies. Pure. @param rowOf What was read of the originals: all fields of the chain. */
export function toOrders(
  chain: Chain,
  goesOn: (link: number) => boolean,
  pairs: readonly Pair[],
  rowOf: ReadonlyMap<Binary, Values>,
): Order[] {
  return pairs.map((pair) => {
    // What decided may have been read at another time than the rest: the server compares all of it.
    const row = rowOf.get(pair.source)!;
    const values = chain.fields.map((_, i) => (i < pair.values.length ? pair.values : row)[i] ?? null);
    const outcomes = pair.type === "hash" ? follow(chain, pair.target, values) : [];
    return { ...pair, values, ...take(outcomes, goesOn) };
  });
}

/**
 * Parts pairs that are the same, most of them, from the others: what is the same is as later migrations make it.
 *
 * @param rows What was read of the originals.
 */
export async function partSame(
  store: RedisStore,
  chain: Chain,
  orders: readonly Order[],
  rows: Rows,
  size: BatchSize,
): Promise<{ readonly same: Order[]; readonly others: Order[] }> {
  const canBeTold = ({ type, outcomes }: Order) =>
    !store.clustered && type === "hash" && !outcomes.some(({ changes }) => isInconvertible(changes));
  const [same, others]: [Order[], Order[]] = [[], orders.filter((order) => !canBeTold(order))];
  /** @returns Those whose copies were not looked at. */
  const part = (told: readonly Order[], read: Rows): Order[] => {
    const now = read.of(told.map(({ source }) => source), chain.fields);
    return told.filter((order, i) => {
      const differing = read.differing(order.source, order.target);
      // What decided may have been read at another time than the copy.
      const isAsRead = order.values.every((value, column) => value === now[i]?.[column]);
      if (differing === undefined) return true;
      (differing !== null && isAsRead && isConverted(chain, order, differing) ? same : others).push(order);
      return false;
    });
  };
  let rest = part(orders.filter(canBeTold), rows);
  while (rest.length > 0) {
    const targets = new Map(rest.map(({ source, target }) => [source, target]));
    const copyOf = (key: Binary) => targets.get(key) ?? null;
    const left = part(rest, await Rows.read(store, [...targets.keys()], chain.fields, { size, copyOf }));
    if (left.length === rest.length) break; // Nobody looks at them where there are no scripts.
    rest = left;
  }
  others.push(...rest);
  return { same, others };
}

/** True where a copy has nothing otherwise than its original but what changes in place make of it. */
function isConverted(
  { fields }: Chain,
  { values, changes }: Order,
  differing: readonly (Binary | false)[],
): boolean {
  if (changes.length % 2 === 1) return false; // It is refused where it is written.
  let count = 0;
  for (let at = 0; at < changes.length; at += 2) {
    const [name, value] = [changes[at]!, changes[at + 1]];
    if (values[fields.indexOf(name)] === value) continue;
    let place = 0;
    while (place < differing.length && differing[place] !== name) place += 2;
    if (differing[place + 1] !== value) return false;
    count += 2;
  }
  return count === differing.length;
}

/** Has a script do something to pairs, as many at once as it takes. @returns For each the character that it answers. */
export async function* carryOut(
  script: Script,
  { store, fence }: Pick<WriteContext, "store" | "fence">,
  { fields }: Chain,
  orders: readonly Order[],
  size: BatchSize,
  { deletedAt = "" }: Pick<CopyChange, "deletedAt"> = {},
): AsyncGenerator<readonly [Order, string]> {
  for (let rest = orders; rest.length > 0;) {
    const keys = rest.flatMap(({ source, target }) => [source, target]);
    const args = [packOrders(fields, rest.map((order) => ({ ...order, key: order.target })), deletedAt)];
    const answer = await size.measure("write", rest.length, () => store.write(script, keys, args, fence));
    if (answer === "") throw senselessAnswer("EVALSHA");
    for (let i = 0; i < answer.length; i++) yield [rest[i]!, answer[i]!];
    rest = rest.slice(answer.length);
  }
}
