/**
 * Which tests can notice a fault in a file: those that are about its folder, as far as they reach the file by imports.
 *
 * @module
 */

import { join } from "@std/path";
import type { ImportGraph } from "../imports.ts";

/** Folders and files of tests for folders of the product. The first row that fits holds; what is cheap comes first. */
const TESTS: readonly (readonly [folder: string, near: readonly string[], far: readonly string[]])[] = [
  ["engine/lock/", ["unit/engine/lock", "integration/lock"], ["integration/engine", "scoreboard/locks"]],
  ["engine/redis/lock/", ["unit/engine/redis/lock", "integration/lock"], [
    "integration/engine",
    "scoreboard",
  ]],
  ["engine/redis/", ["unit/engine/redis", "integration/redis", "contract/redis"], [
    "integration/migrations/redis",
    "integration/engine",
    "integration/cli/failures",
    "scoreboard",
  ]],
  ["engine/postgres/", ["unit/engine/postgres", "integration/postgres", "contract/postgres"], [
    "integration/lock",
    "integration/engine",
    "integration/cli",
    "scoreboard",
  ]],
  ["engine/clickhouse/", ["integration/clickhouse", "contract/clickhouse"], [
    "integration/engine",
    "scoreboard",
  ]],
  ["engine/sql/", ["unit/engine/sql", "contract/postgres", "integration/postgres"], [
    "contract/clickhouse",
    "integration/engine",
    "integration/cli",
    "scoreboard",
  ]],
  ["engine/", ["unit/engine", "integration/engine"], ["integration/cli", "integration/lock", "scoreboard"]],
  ["migrations/redis", ["unit/migrations", "integration/redis"], ["scoreboard", "integration/cli"]],
  ["migrations/sql/clickhouse", ["integration/clickhouse"], ["unit/migrations", "scoreboard"]],
  ["migrations/", ["unit/migrations", "integration/postgres"], ["scoreboard", "integration/cli"]],
  ["", ["unit"], ["integration", "scoreboard"]],
];

/** Files of tests, in the order in which they are to be asked: those that stand nearest, then the others. */
export function noticingTests(
  file: string,
  tests: readonly string[],
  graph: ImportGraph,
): readonly (readonly string[])[] {
  const [, near, far] = TESTS.find(([folder]) => file.startsWith(folder))!;
  const reaching = tests.filter((test) => reaches(graph, test, file));
  const of = (places: readonly string[]) =>
    reaching.filter((test) => places.some((place) => test.startsWith(join("tests", place))));
  const [first, then] = [of(near), of(far)];
  const unit = first.filter((test) => test.startsWith("tests/unit/"));
  const stages = [
    unit,
    first.filter((test) => !unit.includes(test)),
    then.filter((test) => !first.includes(test)),
  ];
  return stages.filter((stage) => stage.length > 0);
}

function reaches(graph: ImportGraph, from: string, to: string): boolean {
  const seen = new Set<string>();
  const visit = (file: string): boolean => {
    if (file === to) return true;
    if (seen.has(file)) return false;
    seen.add(file);
    return (graph.get(file) ?? []).some(visit);
  };
  return visit(from);
}
