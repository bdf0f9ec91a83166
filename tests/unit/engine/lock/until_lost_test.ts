import { assertEquals, assertRejects } from "@std/assert";
import { LockLostError } from "../../../../engine/errors.ts";
import type { HeldLock } from "../../../../engine/lock/lock.ts";
import { untilLost } from "../../../../engine/lock/until_lost.ts";

function heldUntil(signal: AbortSignal): HeldLock {
  return {
    ...{ signal, fence: null, report: () => {}, confirm: () => Promise.resolve() },
    beginStep: () => ({ signal, confirm: () => Promise.resolve(), end: () => {} }),
    stepOver: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("untilLost() passes on what the work returns or throws", async () => {
  const lock = heldUntil(new AbortController().signal);
  assertEquals(await untilLost(lock, Promise.resolve(12)), 12);
  await assertRejects(() => untilLost(lock, Promise.reject(new RangeError("own"))), RangeError, "own");
});

Deno.test("untilLost() leaves work behind that hangs after the lock was lost", async () => {
  const controller = new AbortController();
  const waiting = untilLost(heldUntil(controller.signal), new Promise<never>(() => {}), 10);
  controller.abort(new LockLostError("Lost the lock: the test took it"));
  await assertRejects(() => waiting, LockLostError, "the test took it");
  await assertRejects(
    () => untilLost(heldUntil(controller.signal), new Promise<never>(() => {}), 10),
    LockLostError,
  );
});

Deno.test("untilLost() lets work that notices the loss end by itself", async () => {
  const controller = new AbortController();
  const lock = heldUntil(controller.signal);
  const work = new Promise<string>((resolve) =>
    controller.signal.addEventListener("abort", () => resolve("ended in order"))
  );
  const waiting = untilLost(lock, work);
  controller.abort(new LockLostError("Lost the lock: the test took it"));
  assertEquals(await waiting, "ended in order");
});
