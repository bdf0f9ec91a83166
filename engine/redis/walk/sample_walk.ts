/**
 * Looks at all records that a change is about, or at a sample of them.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import type { VerifyContext } from "../context.ts";
import { chooseSample, sampleOf } from "./sample.ts";
import { walk } from "./walk.ts";

/** Which keys a change may be about, and which belong together. */
export interface Sampled {
  /** SCAN pattern of the keys. */
  readonly pattern: Binary;
  /** The group that a key belongs to; null for none. */
  groupOf(key: Binary): Binary | null;
}

/** Shows every key to `check`, or those of as many groups, drawn at random, as the context asks for. */
export async function walkSample(
  { pattern, groupOf }: Sampled,
  context: VerifyContext,
  check: (keys: readonly Binary[]) => Promise<void>,
): Promise<void> {
  if (context.sample === undefined) {
    await walk(context.store, { ...context, pattern, visit: check });
    return;
  }
  const sample = chooseSample(context.sample, groupOf);
  await walk(context.store, { ...context, pattern, visit: sample.visit });
  for (const keys of sampleOf(sample)) await check(keys);
}
