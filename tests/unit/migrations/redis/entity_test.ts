import { assertEquals } from "@std/assert";
import { entity } from "../../../../migrations/redis/003_entity.ts";

const SINCE = "1795870572335";
const { change } = entity("").change as Extract<ReturnType<typeof entity>["change"], { type: "transform" }>;

Deno.test("003 says what a record is, also what an old application left of a deleted one", () => {
  assertEquals(change("tenants", ["t1", null, null]), ["entity", "tenant"]);
  assertEquals(change("destinations", [null, "2024-01-15T10:30:00Z", null]), ["entity", "destination"]);
  assertEquals(change("destinations", ["d1", SINCE, null]), ["entity", "destination"]);
});

Deno.test("003 has nothing to do for what a current application leaves of a deleted record", () => {
  assertEquals(change("tenants", [null, SINCE, null]), null);
  assertEquals(change("destinations", [null, SINCE, null]), null);
  assertEquals(change("tenants", ["t1", null, "tenant"]), null);
});
