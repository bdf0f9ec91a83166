import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { billOfMaterials } from "../../../scripts/sbom.ts";

const hash = `sha512-${btoa("\x01\xff".repeat(32))}`;
const npm = {
  "@bomb.sh/tab@0.0.22_commander@15.1.0": { integrity: hash, dependencies: ["commander"] },
  "commander@15.1.0": { integrity: hash },
};

interface Bill {
  readonly components: readonly { readonly name: string; readonly purl: string; readonly hashes?: unknown }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

Deno.test("billOfMaterials() names each package with its hash, what it depends on, and the runtime", () => {
  const bill = billOfMaterials({ npm }, { program: "1.2.3", deno: "2.4.2" }) as unknown as Bill;
  assertEquals(bill.components.map(({ purl }) => purl), [
    "pkg:github/denoland/deno@v2.4.2",
    "pkg:npm/%40bomb.sh/tab@0.0.22",
    "pkg:npm/commander@15.1.0",
  ]);
  assertEquals(bill.components[2]!.hashes, [{ alg: "SHA-512", content: "01ff".repeat(32) }]);
  assertEquals(bill.dependencies[1], {
    ref: "pkg:npm/%40bomb.sh/tab@0.0.22",
    dependsOn: ["pkg:npm/commander@15.1.0"],
  });
});

Deno.test("billOfMaterials() of the project's own lock leaves no dependency out", async () => {
  const lock = JSON.parse(
    await Deno.readTextFile(fromFileUrl(new URL("../../../deno.lock", import.meta.url))),
  );
  const bill = billOfMaterials(lock, { program: "1.2.3", deno: "2.4.2" }) as unknown as Bill;
  const known = new Set(bill.components.map(({ purl }) => purl));
  for (const { dependsOn } of bill.dependencies) assert(dependsOn.every((purl) => known.has(purl)));
  const counted = Object.values(lock.npm as Record<string, { dependencies?: string[] }>)
    .reduce((sum, { dependencies = [] }) => sum + dependencies.length, 0);
  const named = bill.dependencies.slice(1).reduce((sum, { dependsOn }) => sum + dependsOn.length, 0);
  assertEquals(named, counted);
});
