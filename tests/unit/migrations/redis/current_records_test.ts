import { assertEquals } from "@std/assert";
import { currentRecords } from "../../../../migrations/redis/current_records.ts";
import { timestamps } from "../../../../migrations/redis/002_timestamps.ts";
import { entity } from "../../../../migrations/redis/003_entity.ts";

Deno.test("currentRecords() tells records by their whole key and their ID", () => {
  const { kindOf } = currentRecords("");
  const cases: [string, string | null, string | null][] = [
    ["tenant:{a}:tenant", "a", "tenants"],
    ["tenant:{a:b}:tenant", "a:b", "tenants"],
    ["tenant:{a}b}:tenant", "a}b", "tenants"],
    ["tenant:{a}:tenant", "b", null],
    ["tenant:{x}:tenant", "{x}:tenant", null], // An old tenant of that ID.
    ["tenant:{a}:destination:d", "d", "destinations"],
    ["tenant:{a}:destination:d:e", "d:e", "destinations"],
    ["tenant:{a}:destination:d", "e", null],
    ["tenant:{a:destination:b}:tenant", "a:destination:b", "tenants"],
    ["tenant:{a}:tenant", null, null],
    ["tenant:{a}:destination:d", null, null],
    ["tenant:{a}:destinations", null, null],
    ["tenant:a:destination:d", "d", null],
    ["tenant:{a}:y:destination:d", "d", null], // An old destination of tenant "{a}:y".
    ["dp_001:tenant:{a}:tenant", "a", null],
  ];
  for (const [key, id, kind] of cases) assertEquals(kindOf(key, [id, null]), kind, `${key} with ${id}`);
  // What is left of deleted records is without an ID; what lists records may have a field of that name.
  const left = "2024-01-15T10:30:00Z";
  assertEquals(kindOf("tenant:{a}:tenant", [null, left]), "tenants");
  assertEquals(kindOf("tenant:{a}:destination:d", [null, "1705289400123"]), "destinations");
  assertEquals(kindOf("tenant:{a}:destination:d", [null, "{}"]), null);
  assertEquals(kindOf("tenant:{a}:tenant", ["b", left]), null);
});

Deno.test("currentRecords() of a deployment sees no other", () => {
  const { kindOf, pattern, groupOf } = currentRecords("dp-1");
  assertEquals(pattern, "dp\\-1:tenant:{*");
  assertEquals(kindOf("dp-1:tenant:{a}:tenant", ["a"]), "tenants");
  assertEquals(kindOf("tenant:{a}:tenant", ["a"]), null);
  assertEquals(groupOf("dp-1:tenant:{a}:destination:d"), "a");
});

Deno.test("002 changes RFC 3339 alone, and 003 only what lacks the field", () => {
  const { change: times } = timestamps("");
  if (times.type !== "transform") throw new Error("002 is no transformation");
  const change = (created: string | null, updated: string | null) =>
    times.change("tenants", ["t", null, created, updated]);
  assertEquals(change("2024-01-15T10:30:00Z", "1705289400123"), ["created_at", "1705314600000"]);
  assertEquals(change(null, ""), null);
  assertEquals(change("yesterday", "2024-01-15T10:30:00Z"), { invalid: "created_at" });
  const { change: adding } = entity("");
  if (adding.type !== "transform") throw new Error("003 is no transformation");
  assertEquals(adding.change("tenants", ["t", null, null]), ["entity", "tenant"]);
  assertEquals(adding.change("destinations", ["d", null, ""]), ["entity", "destination"]);
  assertEquals(adding.change("destinations", ["d", null, "destination"]), null);
});
