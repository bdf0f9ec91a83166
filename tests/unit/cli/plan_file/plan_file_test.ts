import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FileError, PlanFileError } from "../../../../cli/errors.ts";
import { parsePlanFile, readPlanFile, writePlanFile } from "../../../../cli/plan_file/plan_file.ts";
import type { Plan } from "../../../../engine/plan.ts";

const PLAN: Plan = {
  digest: "d".repeat(64),
  stores: [],
  hasChanges: true,
  postgres: {
    current: 4,
    latest: 10,
    steps: [{
      id: "sql/000005",
      name: "denormalize_attempts",
      description: "",
      statements: ["select 1", "select 'ü'"],
      tables: [{ name: "events", rows: 2, bytes: 8192, lock: "SHARE", rewrite: false }],
      consequences: [{ kind: "rows_quarantined", table: "deliveries", detail: "kept", rows: 1 }],
    }],
  },
  clickhouse: null,
  redis: [{
    id: "redis/003_entity",
    name: "003_entity",
    description: "d",
    estimatedItems: 2,
    scope: { tenants: 2 },
    examples: [{ key: "k", before: "a", after: "b" }],
    firsts: 1,
    invalidItems: 0,
    invalid: [],
  }],
  blockers: [],
  basis: {
    deployment: "dp_1",
    stores: { postgres: "postgres 1", redis: "redis 1" },
    versions: { postgres: 4 },
    migrations: [{ id: "sql/000005", checksum: "c", status: "pending" }],
    selected: ["sql/000005"],
    variants: {},
  },
};

async function saved(): Promise<{ readonly path: string; readonly text: string }> {
  const path = await Deno.makeTempFile();
  await writePlanFile(path, PLAN, new Date("2024-03-01T12:00:00Z"));
  return { path, text: await Deno.readTextFile(path) };
}

Deno.test("readPlanFile() reads what writePlanFile() wrote", async () => {
  const { path } = await saved();
  const read = await readPlanFile(path);
  assertEquals([read.digest, read.basis], [PLAN.digest, PLAN.basis]);
  assertEquals(read.createdAt, new Date("2024-03-01T12:00:00Z"));
});

Deno.test("parsePlanFile() says what is wrong with a file", async () => {
  const { text } = await saved();
  const change = (edit: (root: Record<string, object>) => unknown) => JSON.stringify(edit(JSON.parse(text)));
  const cases: readonly (readonly [string, string])[] = [
    ["not json", "it is not JSON"],
    ["[]", "the file is not a JSON object"],
    ["{}", "the file: format is not a text"],
    ['{"format": "tarball"}', 'it is no plan: format is not "outpost-plan"'],
    [change((root) => ({ ...root, format_version: 2 })), "it has format version 2, and this release reads 1"],
    [change((root) => ({ ...root, created_at: "yesterday" })), "created_at is no time"],
    [change((root) => ({ ...root, basis: null })), "the file: basis is not a JSON object"],
    [
      change((root) => ({ ...root, basis: { ...root.basis, selected: "all" } })),
      "selected is not a list of texts",
    ],
    [
      change((root) => ({ ...root, basis: { ...root.basis, versions: { postgres: "4" } } })),
      "versions is not an object",
    ],
    [
      change((root) => ({ ...root, basis: { ...root.basis, migrations: [{}] } })),
      "migrations[0]: id is not a text",
    ],
    [change((root) => ({ ...root, plan: { ...root.plan, digest: 1 } })), "digest is not a text"],
  ];
  for (const [content, problem] of cases) {
    const error = assertThrows(() => parsePlanFile("p.json", content), PlanFileError, problem);
    assertEquals(error.message.startsWith('Cannot use the saved plan "p.json": '), true);
  }
});

Deno.test("parsePlanFile() fails on anything with its own error and no other", async () => {
  const { text } = await saved();
  fc.assert(
    fc.property(fc.json(), (content) => void assertThrows(() => parsePlanFile("p", content), PlanFileError)),
  );
  fc.assert(fc.property(fc.nat(text.length - 1), (end) => {
    if (text.slice(0, end).trim() === text.trim()) return;
    assertThrows(() => parsePlanFile("p", text.slice(0, end)), PlanFileError);
  }));
});

Deno.test("a plan file that is missing, or cannot be written, is named", async () => {
  await assertRejects(() => readPlanFile("/no/such/plan.json"), PlanFileError, "it does not exist");
  await assertRejects(
    () => writePlanFile("/no/such/plan.json", PLAN, new Date()),
    FileError,
    "its folder does not exist",
  );
});
