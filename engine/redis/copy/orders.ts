/**
 * What scripts are told of pairs: what was read of an original, and what changes in place make of its copy.
 *
 * @module
 */

import { type Binary, toBuffer } from "../binary.ts";
import type { Rows, Values } from "../bulk_reads.ts";
import type { WriteContext } from "../context.ts";
import type { Listed, Orders } from "../scripts/copying.ts";
import { FIND_SAME } from "../scripts/deleting.ts";
import type { Argument, RedisStore } from "../store.ts";
import { type Chain, follow, take, type Taken } from "../transform/chain.ts";
import { isInconvertible } from "../transform/change.ts";
import { packWrites } from "../transform/field_writes.ts";
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
 * Parts pairs of which the server itself can tell that their forms are the same, most of them, from the others. What is the same is
 * as later migrations make it.
 */
export async function partSame(
  store: RedisStore,
  chain: Chain,
  orders: readonly Order[],
  size: BatchSize,
): Promise<{ readonly same: Order[]; readonly others: Order[] }> {
  const canBeTold = ({ type, outcomes }: Order) =>
    !store.clustered && type === "hash" && !outcomes.some(({ changes }) => isInconvertible(changes));
  const [same, others]: Order[][] = [[], orders.filter((order) => !canBeTold(order))];
  const run: Run = async (keys, args) => String(await store.evaluateReading(FIND_SAME, keys, args) ?? "");
  for await (const [order, answer] of carryOut(run, chain, orders.filter(canBeTold), size)) {
    (answer === "1" ? same : others)!.push(order);
  }
  return { same: same!, others: others! };
}

/** Runs a script. @returns Characters, or nothing where there are no scripts. */
export type Run = (keys: readonly Binary[], args: readonly Argument[]) => Promise<string>;

/** Runs a script over pairs, as many at once as it takes. @returns For each its character; `?` where there are no scripts. */
export async function* carryOut(
  run: Run,
  { fields }: Chain,
  orders: readonly Order[],
  size: BatchSize,
  { deletedAt = "" }: Pick<CopyChange, "deletedAt"> = {},
): AsyncGenerator<readonly [Order, string]> {
  for (let rest = orders; rest.length > 0;) {
    const keys = rest.flatMap(({ source, target }) => [source, target]);
    const writes = packWrites(fields, rest.map((order) => ({ ...order, key: order.target })));
    const about: Orders = {
      ...writes,
      types: rest.map(({ type }) => type),
      lists: rest.map(({ listed }) => listed ?? false),
      deletedAt,
    };
    const args = [toBuffer(JSON.stringify(about))];
    const told = await size.measure("write", rest.length, () => run(keys, args));
    const answer = told === "" ? "?".repeat(rest.length) : told;
    for (let i = 0; i < answer.length; i++) yield [rest[i]!, answer[i]!];
    rest = rest.slice(answer.length);
  }
}
