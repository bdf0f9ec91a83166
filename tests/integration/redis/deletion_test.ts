/** A time of deletion is read by one rule, in the program and in the server: by two, a list would lose what is alive for one of them. */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { toArgument } from "../../../engine/redis/binary.ts";
import { IS_DELETED } from "../../../engine/redis/scripts/listing.ts";
import { script, UNPACK } from "../../../engine/redis/scripts/script.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { parseTimestamp } from "../../../engine/timestamp.ts";
import { startRedis } from "../../support/redis.ts";
import {
  applyOne,
  destinationFieldsOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
} from "../../support/redis_records.ts";

const FIND_DELETED = script(`${UNPACK}${IS_DELETED}
local found = {}
for i = 1, #KEYS do found[i] = is_deleted(KEYS[i], 'deleted_at') and '1' or '0' end
return table.concat(found)
`);

const number = fc.tuple(fc.constantFrom("", "+", "-", " ", "--"), fc.stringMatching(/^\d{0,21}$/)).map((
  parts,
) => parts.join(""));
const two = (...more: string[]) =>
  fc.constantFrom("00", "01", "12", "23", "24", "28", "29", "30", "31", "59", "60", ...more);
const part = (...forms: string[]) => fc.constantFrom(...forms);
const text = fc.tuple(
  ...[
    part("2024", "1900", "2000", "2023", "0000", "024", "9999"),
    part("-", "-", "/"),
    two("02", "04", "13"),
  ],
  ...[part("-"), two(), part("T", "T", "t", " ", "")],
  ...[two(), part(":"), two(), part(":", ":", ""), two()],
  ...[part("", "", ".", ".5", ".123456789", ".1234567890", ",5", ".5x")],
  ...[part("Z", "Z", "z", "", "+07:00", "-23:59", "+24:00", "+07:60", "+7:00", "Z ", "Z\n", "\0", "+0700")],
).map((parts) => parts.join(""));

Deno.test("a time of deletion is one for a script when it is one for the program", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  const odd = [
    "",
    "8640000000000000",
    "8640000000000001",
    "-8640000000000001",
    "1.5",
    "1e3",
    "0x10",
    "2024-01-15",
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(number, text, fc.string()), { minLength: 50 }), async (some) => {
      const values = [...odd, ...some];
      const pipeline = client.pipeline();
      values.forEach((value, i) => pipeline.hset(`record:${i}`, "deleted_at", value));
      await pipeline.exec();
      const answer = String(
        await store.evaluate(FIND_DELETED, values.map((_, i) => `record:${i}`), [toArgument("")]),
      );
      const bytes = await Promise.all(values.map((_, i) => getHash(client, `record:${i}`)));
      const told = bytes.map((record) => parseTimestamp(record!.deleted_at!) === null ? "0" : "1").join("");
      assertEquals(answer, told, JSON.stringify(values));
    }),
    { numRuns: 100, seed: 1 },
  );
});

Deno.test("apply() leaves a destination on its list whose deleted_at tells no time, alone there or among others", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (const id of ["one", "two"]) await putHash(client, `tenant:${id}`, tenantFields(id));
  await putHash(client, "tenant:one:destinations", { d: "{}" });
  await putHash(client, "tenant:two:destinations", { d: "{}", e: "{}" });
  for (const id of ["one", "two"]) {
    const fields = { ...destinationFieldsOf("d"), deleted_at: "2024-02-30T00:00:00Z" };
    await putHash(client, `tenant:{${id}}:destination:d`, fields);
  }
  const backend = outpostBackend(client);
  assertEquals((await applyOne(backend, HASH_TAGS, { signal: NEVER })).outcome, "applied");
  assertEquals(await getHash(client, "tenant:{one}:destinations"), { d: "{}" });
  assertEquals(await getHash(client, "tenant:{two}:destinations"), { d: "{}", e: "{}" });
});
