/** Every piece of advice in the source is met and followed by a test. */

import { assert, assertEquals } from "@std/assert";
import { ELSEWHERE, NOT_TRIED } from "../integration/advice/elsewhere.ts";
import { PROOFS } from "../integration/advice/proofs.ts";
import { sourceHints } from "../support/source_hints.ts";

Deno.test("every piece of advice has a test that does what it says: tests/integration/advice/", async () => {
  const given = await sourceHints();
  const followed = new Set([
    ...PROOFS.map(({ advice }) => advice),
    ...Object.keys({ ...ELSEWHERE, ...NOT_TRIED }),
  ]);
  const untried = given.filter(({ text }) => !followed.has(text)).map(({ file, text }) => `${file}: ${text}`);
  assertEquals(untried, [], "add a proof that brings it about and follows it");
  const texts = new Set(given.map(({ text }) => text));
  assertEquals([...followed].filter((text) => !texts.has(text)), [], "nobody gives this advice any more");
});

Deno.test("advice that other tests follow is followed by tests that there are", async () => {
  for (const [advice, [file, name]] of Object.entries(ELSEWHERE)) {
    const source = await Deno.readTextFile(new URL(`../${file}`, import.meta.url));
    assert(
      source.includes(`"${name}`) || source.includes(`\`${name}`),
      `${advice}: ${file} has no test "${name}"`,
    );
  }
});
