import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { queryThrough } from "../../../engine/postgres/query.ts";
import { startPostgres } from "../../support/postgres.ts";

Deno.test("Values come to the server as they are, whatever they hold and however it reads constants", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const texts = fc.array(
    fc.oneof(
      fc.constantFrom("\\", "'", "''", "\\'", "$1", "$$", "--", "/*", ";", "\n", "E'", "é", "💥", "'; DROP"),
      fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
    ),
  ).map((parts) => parts.join(""));
  for (const conforming of ["on", "off"]) {
    const sql = server.client(url, {
      max: 1,
      connection: { standard_conforming_strings: conforming, escape_string_warning: "off" },
    });
    const query = queryThrough(sql);
    await fc.assert(
      fc.asyncProperty(texts, fc.integer(), fc.boolean(), async (text, number, boolean) => {
        const rows = await query(
          "SELECT $1::text AS text, $2::int AS number, $3::boolean AS boolean, $4::text AS none",
          [
            text,
            number,
            boolean,
            null,
          ],
        );
        assertEquals([...rows], [{ text, number, boolean, none: null }]);
      }),
      { numRuns: 200 },
    );
    await assertRejects(() => query("SELECT $1::text", ["a\0b"]), TypeError);
    await assertRejects(() => query("SELECT $1::text, $2::text", ["a"]), TypeError);
  }
});

Deno.test("A name that looks like the place of a value stays a name", async () => {
  await using server = await startPostgres();
  const query = queryThrough(server.client(await server.createDatabase(), { max: 1 }));
  const [row] = await query(`SELECT $1::text AS "a$1", 'one "word"' AS "b""$2"`, ["value"]);
  assertEquals(row as object, { "a$1": "value", 'b"$2': 'one "word"' });
});
