import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { RegistryError } from "../../../../engine/errors.ts";
import { checkSteps, stepChecksum, stepFileName } from "../../../../engine/sql/step.ts";
import { postgresSteps, postgresStepsDirectory } from "../../../../migrations/sql/postgres.ts";

const steps = postgresSteps.map(({ step }) => step);

Deno.test("checkSteps() accepts the released steps and refuses gaps, repeats and empty ones", () => {
  checkSteps(steps);
  checkSteps([]);
  const [first, second, third] = steps;
  for (
    const wrong of [[second!], [first!, third!], [first!, first!], [{ ...first!, up: [] }], [{
      ...first!,
      down: [],
    }]]
  ) {
    assertThrows(() => checkSteps(wrong), RegistryError);
  }
  assertThrows(
    () =>
      checkSteps([{
        ...first!,
        transactional: false,
        variants: [{ name: "x", when: () => "SELECT true", up: first!.up }],
      }]),
    RegistryError,
  );
});

Deno.test("stepChecksum() changes with any statement, and with nothing else", () => {
  const [step] = steps;
  const checksum = stepChecksum(step!);
  assertEquals(checksum.length, 64);
  assertEquals(stepChecksum({ ...step!, description: "Other words" }), checksum);
  assertNotEquals(stepChecksum({ ...step!, up: [...step!.up, { text: "SELECT 1" }] }), checksum);
  assertNotEquals(stepChecksum({ ...step!, down: [{ text: "SELECT 1" }] }), checksum);
  assertNotEquals(stepChecksum({ ...step!, transactional: false }), checksum);
});

Deno.test("postgresStepsDirectory holds the file of each step and nothing else", () => {
  const files = [...Deno.readDirSync(postgresStepsDirectory!)].map(({ name }) => name).sort();
  assertEquals(files, steps.map(stepFileName));
});
