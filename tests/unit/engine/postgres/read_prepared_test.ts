import { assertEquals } from "@std/assert";
import { readPrepared } from "../../../../engine/postgres/prepare/read.ts";

Deno.test("readPrepared() tells nothing of what was taken away while it was looked at", async () => {
  const asked: string[] = [];
  const seen = [{ there: true, readable: true, bytes: "8192", notes: [] }, { there: false }];
  const prepared = await readPrepared(
    (text) => {
      asked.push(text);
      return Promise.resolve([seen[asked.length - 1]] as never);
    },
    "public",
    "outpost_prepared",
    () => null,
    4,
  );
  assertEquals([prepared, asked.length], [null, 2]);
});
