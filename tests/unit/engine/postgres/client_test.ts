import { assertEquals, assertThrows } from "@std/assert";
import postgres from "postgres";
import { RefusedError } from "../../../../engine/errors.ts";
import { admitPostgres } from "../../../../engine/postgres/client.ts";

/** Nothing is contacted before a query. */
const client = (options: postgres.Options<Record<string, postgres.PostgresType>>) =>
  postgres("postgres://localhost/none", options) as postgres.Sql;

Deno.test("admitPostgres() takes clients with types of their own", () => {
  for (const options of [{}, { types: { bigint: postgres.BigInt } }, { transform: { undefined: null } }]) {
    const given = client(options);
    assertEquals(admitPostgres(given) === given, true);
  }
});

Deno.test("admitPostgres() refuses a client that changes what the server sent", () => {
  const refused = [
    ["renames columns", postgres.camel],
    ["renames columns", postgres.toPascal],
    ["changes values", { value: (value: unknown) => value }],
    ["changes rows", { row: (row: unknown) => row }],
  ] as const;
  for (const [fault, transform] of refused) {
    assertThrows(() => admitPostgres(client({ transform })), RefusedError, `its option "transform" ${fault}`);
  }
});
