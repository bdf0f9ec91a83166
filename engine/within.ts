/**
 * Waiting with a limit.
 *
 * @module
 */

/**
 * Waits for a promise, but no longer than a time. What the promise comes to later is nobody's concern.
 *
 * @param ms How long at most, in milliseconds.
 * @param promise What is waited for; it may also fail late.
 * @param late What holds when the time is over: returns it, or throws.
 */
export async function within<T>(ms: number, promise: PromiseLike<T>, late: () => T): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => timer = setTimeout(resolve, ms)).then(late);
  over.catch(() => {});
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}
