/**
 * Functions by which callers are told what happens.
 *
 * @module
 */

import { InterruptedError } from "./errors.ts";

/** Its name begins like this. */
const LISTENER = /^on[A-Z]/;

/**
 * Works with listeners that may fail. One that throws, or whose promise rejects, ends the work as the caller's signal does, after the batch
 * in hand, and is not called again: anywhere else its error would be taken for that of a store, or be lost.
 *
 * @param options Whose functions `onEvent`, `onProgress` and so on are listeners.
 * @throws What a listener failed with, unless the work failed by itself.
 */
export async function listening<Options extends { readonly signal?: AbortSignal }, T>(
  options: Options,
  work: (options: Options) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const failures: unknown[] = [];
  const fail = (error: unknown) => {
    failures.push(error);
    over.abort();
  };
  const guard = (listener: (...told: unknown[]) => unknown) => (...told: unknown[]) => {
    if (over.signal.aborted) return;
    try {
      Promise.resolve(listener.apply(options, told)).catch(fail);
    } catch (error) {
      fail(error);
    }
  };
  const guarded = Object.entries<unknown>({ ...options }).map(([name, value]) => {
    return [
      name,
      LISTENER.test(name) && typeof value === "function"
        ? guard(value as Parameters<typeof guard>[0])
        : value,
    ];
  });
  const signal = AbortSignal.any([over.signal, ...options.signal === undefined ? [] : [options.signal]]);
  let result: T;
  try {
    result = await work({ ...Object.fromEntries(guarded), signal });
  } catch (error) {
    throw error instanceof InterruptedError && failures.length > 0 ? failures[0] : error;
  }
  if (failures.length > 0) throw failures[0];
  return result;
}
