import { stepChecksum } from "../../../../engine/sql/step.ts";
import { outpostRegistry } from "../../../../migrations/mod.ts";
import { assertGolden } from "../../../support/golden.ts";

Deno.test("the steps are those whose checksums databases keep: one that was released is never edited", async () => {
  const { postgres, clickhouse } = outpostRegistry("");
  const lines = [...postgres!.steps, ...clickhouse!.steps].map(({ step }) =>
    `${step.version} ${step.name} ${stepChecksum(step)}`
  );
  await assertGolden("step_checksums.txt", `${lines.join("\n")}\n`);
});
