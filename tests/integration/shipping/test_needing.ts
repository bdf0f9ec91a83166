/**
 * Tests of what not every machine can make.
 *
 * @module
 */

/** What a test may need: a base for binaries, or a Docker engine with the images. */
export type Need = "binary" | "docker";

/**
 * Registers a test. Where its need is missing, it is ignored and its name says why; where `OUTPOST_TESTS_REQUIRE` lists the need
 * (`binary`, `docker` or `binary,docker`), as it does in CI, it fails instead.
 *
 * @param missing Why the need is missing, or null when it is there.
 */
export function testNeeding(
  need: Need,
  missing: string | null,
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): void {
  if (missing === null) return Deno.test(name, fn);
  const required = (Deno.env.get("OUTPOST_TESTS_REQUIRE") ?? "").split(",").includes(need);
  Deno.test({
    name: `${name} (NOT RUN: ${missing})`,
    ignore: !required,
    fn() {
      throw new Error(`OUTPOST_TESTS_REQUIRE asks for this test: ${missing}`);
    },
  });
}
