/**
 * How far a walk is.
 *
 * @module
 */

/**
 * How much of the keys a cursor of SCAN has passed by, 0 to 1. It counts places of the table with their bits turned round, and so
 * tells the share however much the table grows meanwhile, as it does when records are copied.
 */
export function shareOfCursor(cursor: string): number {
  let share = 0;
  let weight = 0.5;
  for (let bits = BigInt(cursor); bits > 0n; bits >>= 1n, weight /= 2) {
    if ((bits & 1n) === 1n) share += weight;
  }
  return share;
}
