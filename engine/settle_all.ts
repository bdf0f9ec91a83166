/**
 * Waiting for several things to end, however each of them does.
 *
 * @module
 */

/**
 * Waits for all, also when one fails, so that nothing is at work any more when this returns.
 *
 * @returns Their results, in order.
 * @throws What the first in order failed with.
 */
export async function settleAll<T>(tasks: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(tasks);
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
