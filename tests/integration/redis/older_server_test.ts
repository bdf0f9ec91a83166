import { assertEquals } from "@std/assert";
import { RedisStore } from "../../../engine/redis/store.ts";
import { READ_WHOLE } from "../../../engine/redis/scripts/reading.ts";
import { startRedis } from "../../support/redis.ts";

Deno.test("A record's end is read to the millisecond where no command tells it, as before Redis 7.0", async () => {
  await using server = await startRedis();
  const client = server.client();
  const missing = (await client.command("INFO", "pexpiretime") as unknown[])[0] === null;
  const rights = ["on", ">sesame", "~*", "+@all", ...missing ? [] : ["-pexpiretime"]];
  await client.call("ACL", "SETUSER", "old", ...rights);
  await client.set("record", "content");
  await client.call("PEXPIREAT", "record", "32503680000123");
  const store = new RedisStore(server.client({ username: "old", password: "sesame" }));
  const ends = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const replies = Array.from({ length: 500 }, () => store.evaluate(READ_WHOLE, ["record"], []));
    for (const [told] of await Promise.all(replies) as unknown[][]) ends.add(JSON.parse(String(told))[0][0]);
  }
  assertEquals([...ends], ["32503680000123"]);
});
