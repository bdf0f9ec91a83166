/**
 * Which random histories a test plays.
 *
 * @module
 */

/**
 * The same for every change, so that a find is of the change. OUTPOST_TESTS_TORTURE_SEED plays others, `random` others each time.
 *
 * @returns Null for any.
 */
export function gateSeed(): number | null {
  const seed = Deno.env.get("OUTPOST_TESTS_TORTURE_SEED") ?? "1";
  return seed === "random" ? null : Number(seed);
}
