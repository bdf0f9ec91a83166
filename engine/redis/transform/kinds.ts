/**
 * Which records a change in place means.
 *
 * @module
 */

import { asked } from "../asked.ts";
import type { Binary } from "../binary.ts";
import type { Values } from "../bulk_reads.ts";
import { readFacts } from "../facts.ts";
import type { RedisStore } from "../store.ts";
import { type Chain, follow } from "./chain.ts";
import type { TransformChange } from "./change.ts";

/** False for a key that need not be read for a change. */
export function mayBeAny(change: TransformChange, key: Binary): boolean {
  return asked("mayBe", change, key, () => change.mayBe?.(key)) ?? true;
}

/**
 * Which keys of a batch are meant, by index, and of which kind: null for those to leave alone.
 *
 * @param lookalikes True where there are records of another kind that look the same.
 * @param rows The fields that the change reads.
 */
export async function kindsOf(
  change: TransformChange,
  store: RedisStore,
  lookalikes: boolean,
  keys: readonly Binary[],
  rows: readonly (Values | null)[],
): Promise<(string | null)[]> {
  const kinds = keys.map((key, i) => rows[i] ? change.kindOf(key, rows[i]) : null);
  if (!lookalikes || change.lookalikes === undefined) return kinds;
  const rules = change.lookalikes;
  const others = keys.flatMap((key, i) =>
    kinds[i] === null ? [] : asked("questions", change, key, () => rules.questions(key, rows[i]!))
  );
  const known = await readFacts(store, others, rules.fields);
  const isOther = (key: Binary, values: Values) =>
    asked("isOther", change, key, () => rules.isOther(key, values, known));
  return kinds.map((kind, i) => kind !== null && isOther(keys[i]!, rows[i]!) ? null : kind);
}

/** Tells, by the number of a change and of a record, whether more than key and values says that the one does not mean the other. */
export type IsMeant = (link: number, record: number) => boolean;

/**
 * Asks other records about those of a batch, for a whole chain. Each change is shown what those before it make of a record.
 *
 * @param lookalikes There are lookalikes.
 */
export async function meantBy(
  chain: Chain,
  store: RedisStore,
  lookalikes: boolean,
  keys: readonly Binary[],
  rows: readonly (Values | null)[],
): Promise<IsMeant> {
  const kinds: (string | null)[][] = [];
  const isMeant: IsMeant = (link, record) => kinds[link]?.[record] !== null;
  if (!lookalikes) return isMeant;
  for (const [i, { change }] of chain.links.entries()) {
    if (change.lookalikes === undefined) continue;
    const seen = rows.map((row, at) =>
      row && follow(chain, keys[at]!, row, (link) => isMeant(link, at))[i]!.values
    );
    kinds[i] = await kindsOf(change, store, true, keys, seen);
  }
  return isMeant;
}
