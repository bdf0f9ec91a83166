import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { RefusedError } from "../../../engine/errors.ts";
import { digestOf } from "../../../engine/checksum.ts";
import {
  type MigrationEntry,
  migrationId,
  type MigrationStatus,
  type StoreName,
} from "../../../engine/migration.ts";
import { compareBasis, type PlanBasis } from "../../../engine/saved_plan.ts";
import { select } from "../../../engine/plan.ts";

function entry(store: StoreName, version: number, status: MigrationStatus): MigrationEntry {
  const name = store === "redis" ? `00${version}_m` : "m";
  return {
    id: migrationId(store, version, name),
    store,
    version,
    name,
    description: "",
    status,
    reason: null,
    appliedAt: null,
  };
}

const entries = [
  entry("postgres", 1, "applied"),
  entry("postgres", 2, "pending"),
  entry("postgres", 3, "pending"),
  entry("redis", 1, "not_applicable"),
  entry("redis", 2, "applied"),
  entry("redis", 3, "failed"),
];
const ids = (selected: readonly MigrationEntry[]) => selected.map(({ id }) => id);

Deno.test("select() takes everything that is pending, failed included, SQL first", () => {
  assertEquals(ids(select(entries, [], { rerun: false })), ["sql/000002", "sql/000003", "redis/003_m"]);
});

Deno.test("select() takes only what is named, in version order", () => {
  assertEquals(ids(select(entries, ["sql/3", "sql/2"], { rerun: false })), ["sql/000002", "sql/000003"]);
});

Deno.test("select() ignores a named migration that is applied, unless it is to run again", () => {
  assertEquals(select(entries, ["redis/2"], { rerun: false }), []);
  assertEquals(ids(select(entries, ["redis/2"], { rerun: true })), ["redis/002_m"]);
  assertEquals(select(entries, ["sql/1"], { rerun: true }), []);
});

Deno.test("select() refuses to leave out an earlier pending migration of the same store", () => {
  assertThrows(
    () => select(entries, ["sql/3"], { rerun: false }),
    RefusedError,
    "sql/000002 must come first",
  );
});

const basis: PlanBasis = {
  deployment: "dp_1",
  stores: { postgres: "a", redis: "b" },
  versions: { postgres: 4 },
  migrations: [{ id: "sql/000005", checksum: "c", status: "pending" }],
  selected: ["sql/000005"],
  variants: {},
};

Deno.test("compareBasis() finds nothing between a plan and itself", () => {
  assertEquals(compareBasis(basis, structuredClone(basis)), []);
});

Deno.test("compareBasis() counts what was planned as done, and nothing else", () => {
  const applied = [{ id: "sql/000005", checksum: "c", status: "applied" }];
  const done = { ...basis, migrations: applied, versions: { postgres: 5 } };
  assertEquals(compareBasis(basis, done), []);
  assertEquals(
    compareBasis({ ...basis, selected: [], variants: {} }, { ...done, selected: [], variants: {} }),
    [
      "The postgres version was 4 and is 5",
      "sql/000005 was pending and is applied",
    ],
  );
  assertEquals(compareBasis(done, basis), [
    "The postgres version was 5 and is 4",
    "sql/000005 was applied and is pending",
  ]);
});

for (
  const [what, moved, sentence] of [
    ["deployment", { deployment: "dp_2" }, 'The deployment was "dp_1" and is "dp_2"'],
    ["store", { stores: { postgres: "a", redis: "x" } }, "The redis store was b and is x"],
    ["lost store", { stores: { postgres: "a" } }, "The redis store was b and is absent"],
    ["version", { versions: { postgres: 5 } }, "The postgres version was 4 and is 5"],
    [
      "checksum",
      { migrations: [{ id: "sql/000005", checksum: "d", status: "pending" }] },
      "sql/000005 was edited: its checksum changed",
    ],
    [
      "status",
      { migrations: [{ id: "sql/000005", checksum: "c", status: "dirty" }] },
      "sql/000005 was pending and is dirty",
    ],
    [
      "registry",
      { migrations: [...basis.migrations, { id: "sql/000006", checksum: "", status: "pending" }] },
      "sql/000006 is new",
    ],
    ["lost migration", { migrations: [] }, "sql/000005 is gone"],
    ["choice", { selected: [], variants: {} }, "The plan was for sql/000005, now for nothing"],
  ] as const
) {
  Deno.test(`compareBasis() names a moved ${what}`, () => {
    assertEquals(compareBasis(basis, { ...basis, ...moved }), [sentence]);
  });
}

Deno.test("digestOf() depends on what is said, not on the order in which it is written", () => {
  const { deployment, ...rest } = basis;
  assertEquals(digestOf({ ...rest, deployment }), digestOf(basis));
  assertNotEquals(digestOf({ ...basis, versions: { postgres: 5 } }), digestOf(basis));
  assertNotEquals(digestOf(["a", "b"]), digestOf(["b", "a"]));
});
