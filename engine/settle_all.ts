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

/**
 * Runs steps one after the other, whichever of them fail. In place of `AsyncDisposableStack`, which Node has from 24 on alone.
 *
 * @throws What the first that failed threw, after the last has run.
 */
export async function runAll(steps: readonly (() => unknown)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
