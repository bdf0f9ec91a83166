/**
 * The clock of the host on which a command runs: ahead of the servers' or behind it.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";

const ahead = new AsyncLocalStorage<number>();
const Real = Date;

/** Has every command go by its host's clock from now on; all others go by the real one. */
export function letClocksDiffer(): Disposable {
  globalThis.Date = class extends Real {
    constructor(...parts: unknown[]) {
      super(...(parts.length === 0 ? [now()] : parts) as [number]);
    }
    static override now = now;
  } as unknown as DateConstructor;
  return {
    [Symbol.dispose]() {
      globalThis.Date = Real;
    },
  };
}

/** Does something on a host whose clock is ahead by so many milliseconds, or behind it. */
export function onHost<T>(aheadMs: number, work: () => T): T {
  return ahead.run(aheadMs, work);
}

function now(): number {
  return Real.now() + (ahead.getStore() ?? 0);
}
