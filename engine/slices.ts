/**
 * Long lists, a piece at a time.
 *
 * @module
 */

/** Cuts a list into pieces of this length, in order. The last may be shorter; of an empty list there is none. */
export function* slices<T>(all: readonly T[], length: number): Generator<T[]> {
  for (let at = 0; at < all.length; at += length) yield all.slice(at, at + length);
}
