/**
 * Which deployment IDs can be told apart from everything else in a shared Redis.
 *
 * @module
 */

/** An installation without an ID begins keys with these words: a deployment of that name would have keys that look like its. */
const TAKEN: ReadonlySet<string> = new Set([
  ...["tenant", "destination_summary"], // Its records: 001 would move, and cleanup delete, those of the deployment.
  ...["outpost", "rsmq", "alert", "idempotency"], // Its bookkeeping, queues, alerts and idempotency keys.
]);

/** Says what is wrong with a deployment ID, as in "must be ...", or null. @param id Empty for none. */
export function deploymentIdFault(id: string): string | null {
  if (!/^[A-Za-z0-9_-]{0,64}$/.test(id)) return "must be at most 64 letters, digits, - and _";
  return TAKEN.has(id)
    ? `must not be "${id}": keys of an installation without an ID begin with that word, and each would take the other's for its own`
    : null;
}
