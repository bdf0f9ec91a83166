/**
 * What scripts are told of pairs: what was read of an original, and what changes in place make of its copy.
 *
 * @module
 */

import { type Binary, toBuffer } from "../binary.ts";
import { readFields, type Values } from "../bulk_reads.ts";
import type { WriteContext } from "../context.ts";
import type { Listed, Orders } from "../scripts/copying.ts";
import type { Script } from "../scripts/script.ts";
import { type Chain, follow, take, type Taken } from "../transform/chain.ts";
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
 * Finds the originals of a batch, each read once.
 *
 * @param chain The changes in place, and the fields that decide before theirs.
 * @param goesOn See {@linkcode take}.
 */
export async function readOrders(
  change: CopyChange,
  { store, lookalikes, size }: Pick<WriteContext, "store"> & {
    readonly lookalikes: boolean;
    readonly size: BatchSize;
  },
  chain: Chain,
  goesOn: (link: number) => boolean,
  keys: readonly Binary[],
): Promise<Order[]> {
  const rows = await size.measure("read", keys.length, () => readFields(store, keys, chain.fields));
  const own = rows.map((row) => row && row.slice(0, change.fields.length));
  const pairs = await findPairs(change, store, lookalikes, keys, own);
  return toOrders(chain, goesOn, pairs, new Map(keys.map((key, i) => [key, rows[i] ?? []])));
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

/** Runs a script over pairs, as many at once as it takes. @returns For each its character. */
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
    const writes = packWrites(fields, rest.map((order) => ({ ...order, key: order.target })));
    const told: Orders = {
      ...writes,
      types: rest.map(({ type }) => type),
      lists: rest.map(({ listed }) => listed ?? false),
      deletedAt,
    };
    const args = [toBuffer(JSON.stringify(told))];
    const answer = await size.measure("write", rest.length, () => store.write(script, keys, args, fence));
    for (let i = 0; i < answer.length; i++) yield [rest[i]!, answer[i]!];
    rest = rest.slice(answer.length);
  }
}
