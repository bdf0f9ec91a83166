/**
 * Waiting that an abort signal cuts short.
 *
 * @module
 */

/** Resolves after `ms` milliseconds, or as soon as the signal fires, without an error in both cases. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (ms <= 0 || signal?.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}
