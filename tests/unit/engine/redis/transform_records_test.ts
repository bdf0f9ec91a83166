import { assertThrows } from "@std/assert";
import { RegistryError } from "../../../../engine/errors.ts";
import { transformRecords } from "../../../../engine/redis/transform_records.ts";

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
