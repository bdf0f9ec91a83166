import { assert, assertEquals, assertThrows } from "@std/assert";
import { InterruptedError, LockLostError } from "../../../../../engine/errors.ts";
import { pause } from "../../../../../engine/pause.ts";
import { RateLimit } from "../../../../../engine/rate_limit.ts";
import { BatchSize, ReplyClock, throwIfAborted } from "../../../../../engine/redis/walk/pacing.ts";
import { Tally } from "../../../../../engine/redis/walk/tally.ts";

Deno.test("BatchSize grows while commands are quick, shrinks with large records, and stays when fixed", async () => {
  const size = new BatchSize(new ReplyClock(), "records");
  const first = size.current;
  for (let i = 0; i < 20; i++) await size.measure("read", 1_000_000, () => Promise.resolve());
  assert(size.current > first);
  for (let i = 0; i < 20; i++) await size.measure("read", 10, () => Promise.resolve(), () => 10_000_000);
  assert(size.current < first);
  const fixed = new BatchSize(new ReplyClock(), "records", 7);
  await fixed.measure("write", 1_000_000, () => Promise.resolve());
  assertEquals(fixed.current, 7);
});

Deno.test("RateLimit lets everything pass at once when the signal has fired", async () => {
  const limit = new RateLimit(1, AbortSignal.abort());
  for (let i = 0; i < 1000; i++) await limit.take(1000);
  await pause(1e9, AbortSignal.abort());
});

Deno.test("throwIfAborted() throws what the signal says, else that the run was interrupted", () => {
  throwIfAborted(new AbortController().signal);
  assertThrows(() => throwIfAborted(AbortSignal.abort()), InterruptedError);
  assertThrows(() => throwIfAborted(AbortSignal.abort(new LockLostError("lost"))), LockLostError);
});

Deno.test("Tally counts a record that failed and was then done as done", () => {
  const tally = new Tally();
  for (let i = 0; i < 12; i++) tally.fail(`k${i}`, "why");
  tally.fail("k0", "why again");
  tally.recover("k1");
  assertEquals(tally.failed, 11);
  assertEquals(tally.issues.length, 10);
  assertEquals(tally.issues[0], "k0: why again");
});
