import { assertEquals } from "@std/assert";
import { expandFor } from "../../../../engine/clickhouse/cluster.ts";
import { clickhouseSteps } from "../../../../migrations/sql/clickhouse.ts";

const one = { prefix: "dp_", cluster: null };
const many = { prefix: "dp_", cluster: "the `best`" };

Deno.test("expandFor() leaves all but names alone for one server", () => {
  assertEquals(
    expandFor(one, "CREATE TABLE IF NOT EXISTS {{a}} (n Int8) ENGINE = MergeTree ORDER BY n"),
    "CREATE TABLE IF NOT EXISTS `dp_a` (n Int8) ENGINE = MergeTree ORDER BY n",
  );
  assertEquals(
    expandFor(one, "SELECT 1 FROM {{system.parts}} WHERE table = '{{a:name}}'"),
    "SELECT 1 FROM system.parts WHERE table = 'dp_a'",
  );
});

Deno.test("expandFor() makes and drops replicated tables on a cluster, and asks all of its servers", () => {
  assertEquals(
    expandFor(many, "CREATE TABLE IF NOT EXISTS {{a}} (n Int8) ENGINE = ReplacingMergeTree\nORDER BY n"),
    "CREATE TABLE IF NOT EXISTS `dp_a` ON CLUSTER `the \\`best\\`` (n Int8) ENGINE = ReplicatedReplacingMergeTree\nORDER BY n",
  );
  assertEquals(
    expandFor(many, "DROP TABLE IF EXISTS {{a}}"),
    "DROP TABLE IF EXISTS `dp_a` ON CLUSTER `the \\`best\\``",
  );
  assertEquals(
    expandFor(many, "SELECT 1 FROM {{system.parts}}"),
    "SELECT 1 FROM clusterAllReplicas(`the \\`best\\``, system.parts)",
  );
  // Replicated tables pass it on by themselves.
  assertEquals(expandFor(many, "ALTER TABLE {{a}} DROP COLUMN b"), "ALTER TABLE `dp_a` DROP COLUMN b");
});

Deno.test("every ClickHouse step makes and drops its tables on all replicas, and no other statement is spread", () => {
  for (const { step } of clickhouseSteps) {
    for (const { text } of [...step.up, ...step.down]) {
      const spread = expandFor(many, text).includes("ON CLUSTER");
      assertEquals(spread, /^(CREATE|DROP) TABLE/.test(text), text);
      assertEquals(/ENGINE = Replicated/.test(expandFor(many, text)), /^CREATE TABLE/.test(text), text);
    }
  }
});
