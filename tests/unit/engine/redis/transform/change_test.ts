import { assertThrows } from "@std/assert";
import { RegistryError } from "../../../../../engine/errors.ts";
import { encodeText } from "../../../../../engine/redis/binary.ts";
import { copyKeys } from "../../../../../engine/redis/copy/change.ts";
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
