import { assertRejects } from "@std/assert";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";

// A server that cannot start would be waited for in each test, and all of them together for longer than anybody waits.
Deno.test("a server of the tests that ends at its start is not waited for", {
  sanitizeResources: false, // What was begun for it goes with the process.
  sanitizeOps: false,
}, async () => {
  await assertRejects(
    () => startPostgres({ max_connections: "none" }),
    Error,
    "A server ended with status 1 at its start",
  );
  await assertRejects(
    () => startRedis(["--maxmemory", "none"]),
    Error,
    "A server ended with status 1 at its start",
  );
});
