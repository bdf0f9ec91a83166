import { assertEquals } from "@std/assert";
import { quotesRows, toldByServer } from "../../../../engine/postgres/server_message.ts";

Deno.test("toldByServer() quotes no value in a message, and quotesRows() tells where a detail does", () => {
  assertEquals(
    toldByServer({
      code: "22P02",
      message: `invalid input syntax for type json: "{"a": "sk_live"}".`,
    }),
    { message: "invalid input syntax for type json: ...", detail: null, hint: null },
  );
  assertEquals(
    toldByServer({
      code: "23505",
      message: `duplicate key value violates unique constraint "events_pkey"`,
    }),
    {
      message: `duplicate key value violates unique constraint "events_pkey"`,
      detail: null,
      hint: null,
    },
  );
  assertEquals(
    toldByServer({ code: "P0001", message: `no "sk_live_1" here`, hint: "sk_live_1" }),
    { message: "no ... here", detail: null, hint: null },
  );
  assertEquals(["22P02", "23505", "P0001", "2BP01", "42P01"].map(quotesRows), [
    true,
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("toldByServer() shows what names objects, in one harmless line", () => {
  assertEquals(
    toldByServer({
      code: "2BP01",
      message: "cannot drop column data because other objects depend on it",
      detail: "view a depends on column data\nview \x1b[8mb depends on it",
      hint: "Use DROP ... CASCADE to drop the dependent objects too.",
    }),
    {
      message: "cannot drop column data because other objects depend on it",
      detail: "view a depends on column data; view \\x1b[8mb depends on it",
      hint: "Use DROP ... CASCADE to drop the dependent objects too.",
    },
  );
});
