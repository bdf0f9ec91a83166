import { assertEquals } from "@std/assert";
import { RECORD } from "../../../engine/redis/scripts/writing.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { startRedis } from "../../support/redis.ts";

Deno.test("RECORD keeps when the first run began and when all was done, through every outcome, and writes nothing new over anything", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  const record = (...args: string[]) => store.write(RECORD, ["state"], args, undefined);
  const first = (await record("begin", "", "", "status", "running")).split(" ")[0]!;
  assertEquals(await client.hgetall("state"), { status: "running", first_began_at: first });
  await record("replace", "", "status", "applied", "done_since", "7");
  assertEquals(await client.hgetall("state"), { status: "applied", done_since: "7", first_began_at: first });
  // A run that begins tells itself whether all had been done before.
  await record("begin", "", "9", "status", "running", "done_since", "7");
  assertEquals(await client.hgetall("state"), { status: "running", done_since: "7", first_began_at: first });
  await record("replace", "", "status", "failed", "failed", "1");
  const failed = { status: "failed", failed: "1", done_since: "7", first_began_at: first };
  assertEquals(await client.hgetall("state"), failed);
  assertEquals(await record("new", "", "status", "applied"), "0");
  assertEquals(await client.hgetall("state"), failed);
  await client.del("state");
  await client.set("state", "of a stranger");
  assertEquals(await record("new", "", "status", "applied"), "0");
  assertEquals(await client.get("state"), "of a stranger");
});
