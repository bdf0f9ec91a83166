import { assertEquals, assertThrows } from "@std/assert";
import { RegistryError } from "../../../../../engine/errors.ts";
import { encodeText } from "../../../../../engine/redis/binary.ts";
import { copyKeys } from "../../../../../engine/redis/copy/copy_keys.ts";
import { transformRecords } from "../../../../../engine/redis/transform/change.ts";

Deno.test("transformRecords() refuses to read no field: it would find nothing to change", () => {
  const spec = {
    pattern: "user:*",
    fields: [],
    kindOf: () => "users",
    change: () => ["seen", "1"],
    groupOf: () => "",
  };
  assertThrows(() => transformRecords(spec), RegistryError, `Cannot transform the records "user:*"`);
});

Deno.test("transformRecords() and copyKeys() refuse names that are text, which would match nothing", () => {
  const spec = {
    pattern: "user:*",
    kindOf: () => "users",
    change: () => null,
    groupOf: () => "",
    judge: () => null,
  };
  for (const [pattern, field] of [["user:*", "größe"], ["user:*", "日本"], ["größe:*", "id"]] as const) {
    assertThrows(
      () => transformRecords({ ...spec, pattern, fields: [field] }),
      RegistryError,
      "encodeText()",
    );
    assertThrows(() => copyKeys({ ...spec, pattern, fields: [field] }), RegistryError, "encodeText()");
  }
  transformRecords({ ...spec, fields: [encodeText("größe")] });
});

Deno.test("transformRecords() and copyKeys() refuse a field that is named twice", () => {
  const spec = {
    ...{ pattern: "user:*", fields: ["email", "name", "email"], kindOf: () => "users", change: () => null },
    ...{ groupOf: () => "", judge: () => null },
  };
  const told = 'Cannot read the records "user:*": the field "email" is named twice';
  assertThrows(() => transformRecords(spec), RegistryError, told);
  assertThrows(() => copyKeys(spec), RegistryError, told);
});

Deno.test("transformRecords() and copyKeys() ask about no key that the pattern does not match", () => {
  const [pattern, groupOf] = ["a:*", (key: string) => key];
  const copy = copyKeys({ pattern, groupOf, judge: () => null, decide: () => ({ target: "b", kind: "a" }) });
  assertEquals([copy.decide("a:1", [null], false), copy.decide("c:1", [null], false)], [
    { target: "b", kind: "a" },
    null,
  ]);
  const { kindOf } = transformRecords({
    pattern,
    groupOf,
    fields: ["v"],
    kindOf: () => "a",
    change: () => null,
  });
  assertEquals([kindOf("a:1", [null]), kindOf("c:1", [null])], ["a", null]);
});

Deno.test("a change refuses to call a field invalid that it does not read: nothing could be shown of it", () => {
  const { change } = transformRecords({
    ...{ pattern: "user:*", fields: ["email"], kindOf: () => "users", groupOf: () => "" },
    change: (_kind, [email]) => ({ invalid: email ? "email" : "mail" }),
  });
  assertEquals(change("users", ["Ada"]), { invalid: "email" });
  assertThrows(
    () => change("users", [null]),
    RegistryError,
    'it calls "mail" invalid, which it does not read',
  );
});
