import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import fc from "fast-check";
import { readExisting, readFields, readHashes, readNames, Rows } from "../../../engine/redis/bulk_reads.ts";
import { StoreDeniedError } from "../../../engine/errors.ts";
import { toStoreError } from "../../../engine/redis/errors.ts";
import { type Content, readContents } from "../../../engine/redis/copy/content.ts";
import { script } from "../../../engine/redis/scripts/script.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { bytes } from "../../support/redis_records.ts";
import { startRedis } from "../../support/redis.ts";

/** Any bytes, and often those that mean something in JSON or in Lua. */
const anyBytes = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
    fc.constantFrom('"', "\\", "/", "\0", "\n", "\x7f", "\x80", "\xff", "[", "{", ",", "%", "u"),
  ),
  maxLength: 12,
});

const anyRecord = fc.oneof(
  fc.record({
    fields: fc.dictionary(anyBytes, anyBytes, { minKeys: 1, maxKeys: 4 }),
    ttlMs: fc.option(fc.nat(1e9)),
  }),
  fc.constantFrom("list" as const, "none" as const),
);

Deno.test("A script that fails is told, and what follows is still read by scripts", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.hset("hash", "field", "value");
  const store = new RedisStore(client);
  const failures = [
    "error('no reason')",
    "error('ERR unknown command')",
    "return redis.call('NOPE')",
    "return redis.call('HGET', 'hash')",
    "return unpack({}, 1, 1e8)",
  ];
  for (const text of failures) {
    await assertRejects(() => store.evaluateReading(script(text), ["hash"], []), Error, "user_script", text);
  }
  const keys = ["hash", "none"];
  const reads: readonly (() => Promise<unknown>)[] = [
    () => readFields(store, keys, ["field"]),
    () => readHashes(store, keys, { digests: true }),
    () => readNames(store, keys),
    () => readExisting(store, keys),
  ];
  // Before 7.0 no server keeps scripts from writing: they are sent as any other.
  const readOnly = (await client.call("COMMAND", "INFO", "evalsha_ro") as unknown[])[0] !== null;
  for (const [i, read] of reads.entries()) {
    await client.config("RESETSTAT");
    await read();
    const told = (await client.info("commandstats")).matchAll(/cmdstat_(eval\w*):/g);
    const calls = [...told].map(([, name]) => name!);
    assertEquals([i, calls.includes(readOnly ? "evalsha_ro" : "evalsha")], [i, true]);
    if (readOnly) assertEquals([i, calls.filter((name) => !name.endsWith("_ro"))], [i, []]);
  }
});

Deno.test("Servers and users without scripts are read by plain commands", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.hset("hash", "field", "value");
  await client.call("ACL", "SETUSER", "plain", "on", ">pw", "~*", "+@all", "-@scripting");
  const store = new RedisStore(server.client({ username: "plain", password: "pw" }));
  assertEquals(await readHashes(store, ["hash"], { digests: false }), null);
  assertEquals(await readFields(store, ["hash"], ["field"]), [["value"]]);
  const names = ["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO"];
  const known = await client.call("COMMAND", "INFO", ...names) as (unknown[] | null)[];
  const scripting = names.filter((_, i) => known[i] !== null);
  await using renamed = await startRedis(scripting.flatMap((name) => ["--rename-command", name, ""]));
  const plain = renamed.client();
  await plain.hset("hash", "field", "value");
  assertEquals(await readFields(new RedisStore(plain), ["hash"], ["field"]), [["value"]]);
});

Deno.test("Scripts read the same bytes as plain commands, whatever they are", async () => {
  await using server = await startRedis();
  const client = server.client();
  const scripts = new RedisStore(client);
  const plain = new RedisStore(await server.reader());
  assertEquals(await readHashes(plain, ["x"], { digests: false }), null);

  const records = fc.dictionary(anyBytes, anyRecord, { minKeys: 1, maxKeys: 8 });
  const names = fc.array(anyBytes, { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(records, names, async (records, names) => {
      await client.flushall();
      const fields = [...names];
      for (const [key, record] of Object.entries(records)) {
        if (record === "list") await client.call("RPUSH", bytes(key), "member");
        if (typeof record !== "object") continue;
        await client.call("HSET", bytes(key), ...Object.entries(record.fields).flat().map(bytes));
        if (record.ttlMs !== null) await client.call("PEXPIRE", bytes(key), 3_600_000 + record.ttlMs);
        fields.push(...Object.keys(record.fields));
      }
      const keys = Object.keys(records);
      assertEquals(await readFields(scripts, keys, fields), await readFields(plain, keys, fields));
      const rows = await Rows.read(scripts, keys, names, { names: true });
      assertEquals(rows.of(keys, names), await readFields(plain, keys, names));
      const namesOf = await readNames(plain, keys);
      rows.of(keys, names).forEach((values, i) => {
        const expected = values?.every((value) => value === null) ? namesOf[i]!.toSorted() : undefined;
        assertEquals(rows.namesOf(keys[i]!)?.toSorted(), expected);
      });
      assertEquals(await readExisting(scripts, keys), await readExisting(plain, keys));
      const [fieldsOf, expectedOf] = [await readNames(scripts, keys), await readNames(plain, keys)];
      assertEquals(fieldsOf.map((one) => one.toSorted()), expectedOf.map((one) => one.toSorted()));
      for (const digests of [false, true]) {
        const [found, expected] = [
          await readAll(scripts, keys, { digests }),
          await readAll(plain, keys, { digests }),
        ];
        for (const [i, content] of found.entries()) {
          const { endsAt = null, ...rest } = content ?? {};
          // Without scripts, a server before 7.0 tells the end only about.
          const { endsAt: expectedAt = null, endsRoughly, ...expectedRest } = expected[i] ?? {};
          assertEquals(rest, expectedRest);
          const apart = Math.abs((endsAt ?? -1e6) - (expectedAt ?? -1e6));
          assert(apart <= (endsRoughly === true ? 60_000 : 0), `${endsAt} is not ${expectedAt}`);
        }
      }
    }),
    { numRuns: 150 },
  );
});

Deno.test("Hashes are read a few at a time when they are large, and by themselves when they are very large", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  const keys = Array.from({ length: 60 }, (_, i) => `hash:${i}`);
  const sizes = keys.map((_, i) => i % 20 === 7 ? 1001 + i : 10 * i);
  for (const [i, key] of keys.entries()) {
    const fields = Array.from({ length: sizes[i]! }, (_, field) => [`field${field}`, `${i}`]);
    if (fields.length > 0) await client.hset(key, ...fields.flat());
  }
  const hashes = await readHashes(store, keys, { digests: false }) ?? [];
  assert(hashes.length > 5 && hashes.length < keys.length, `${hashes.length} at once`);
  assertEquals(
    hashes.map((hash) => hash === null ? 0 : hash === "other" ? hash : hash.fields.size),
    sizes.map((size) => size > 1000 ? "other" : size).slice(0, hashes.length),
  );
  const contents = await readAll(store, keys, { digests: true });
  assertEquals(contents.map((content) => content?.fields?.size ?? 0), sizes);
});

Deno.test("A command that is denied inside of a script is an error, and no record of another type", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.hset("record", "field", "value");
  await client.call(
    "ACL",
    "SETUSER",
    "half",
    "on",
    ">pw",
    "~*",
    "+@all",
    "-hmget",
    "-hlen",
    "-hgetall",
    "-exists",
  );
  const store = new RedisStore(server.client({ username: "half", password: "pw" }));
  const reads: readonly (() => Promise<unknown>)[] = [
    () => readFields(store, ["record"], ["field"]),
    () => readAll(store, ["record"], { digests: false }),
    () => readExisting(store, ["record"]),
  ];
  for (const read of reads) {
    const error = await assertRejects(read, Error);
    assertInstanceOf(toStoreError(error, "Cannot read"), StoreDeniedError);
  }
});

/** All portions in one. */
async function readAll(...asked: Parameters<typeof readContents>): Promise<(Content | null)[]> {
  const found = [];
  for await (const portion of readContents(...asked)) found.push(...portion);
  return found;
}
