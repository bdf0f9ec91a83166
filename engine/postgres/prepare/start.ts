/**
 * How a preparation begins: in one transaction all that it fills is made, and the application's tables are watched.
 *
 * @module
 */

import { RefusedError } from "../../errors.ts";
import { SETTINGS } from "../fold.ts";
import { findOwnWork } from "../foldable.ts";
import type { Query } from "../query.ts";
import type { RunStatements } from "../transaction.ts";
import { assertOwn, beginBooks, makeBooks } from "./books.ts";
import { type Preparation, tablesOf } from "./describe.ts";
import { fingerprint, makeNotes, watch } from "./notes.ts";
import { highestKey } from "./part.ts";

const INSTEAD = "The steps themselves do without: apply them while the application stands still";

/** Begins, within a transaction. @throws {RefusedError} When this database allows no preparation. */
export async function start(
  query: Query,
  run: RunStatements,
  preparation: Preparation,
  { schema, tool, assertTrusted }: {
    readonly schema: string;
    readonly assertTrusted: (query: Query) => Promise<void>;
    readonly tool: { readonly version: string; readonly who: string };
  },
): Promise<void> {
  const { name } = preparation;
  const [server] = await query<{ encoding: string }>(
    "SELECT current_setting('server_encoding') AS encoding",
  );
  if (server!.encoding === "SQL_ASCII") {
    throw new RefusedError("Cannot prepare: the database has no encoding, and keys could be misread", {
      hint: INSTEAD,
    });
  }
  for (const { text } of SETTINGS) await query(text);
  await query(makeBooks(name));
  await assertOwn(query, schema, name);
  for (const { into, make } of preparation.parts) {
    await run(make);
    if (into.kind === "kept") await assertTable(query, into.table);
  }
  await assertTrusted(query);
  for (const text of makeNotes(preparation, schema)) await query(text);
  // Writers wait from here to the end of this transaction: whatever they wrote before is there, whatever they write after is noted.
  await run([preparation.fold.lock]);
  await assertFree(query, schema, preparation);
  for (const text of watch(preparation, schema)) await query(text);
  const highest: (string | null)[] = [];
  for (const source of preparation.sources) {
    const [row] = await query<{ key: string }>(highestKey(source));
    highest.push(row?.key ?? null);
  }
  await beginBooks(query, preparation, {
    fingerprint: await fingerprint(query, tablesOf(preparation)),
    highest,
    by: tool.who,
    toolVersion: tool.version,
  });
}

/** @throws {RefusedError} When rows cannot be kept there, one by one. */
async function assertTable(query: Query, name: string): Promise<void> {
  const [found] = await query<{ ordinary: boolean }>(
    "SELECT relkind = 'r' AS ordinary FROM pg_class WHERE oid = to_regclass($1::text)",
    [name],
  );
  if (found?.ordinary) return;
  throw new RefusedError(`Cannot prepare: "${name}" is no table`, { hint: INSTEAD });
}

/** @throws {RefusedError} When the tables have anything that new ones would not have. */
async function assertFree(query: Query, schema: string, { before, fold }: Preparation): Promise<void> {
  const own = await findOwnWork(query, schema, before, fold.tables, { columns: [] });
  if (own.length === 0) return;
  throw new RefusedError(`Cannot prepare beside the application: ${own.join("; ")}`, {
    hint: INSTEAD,
  });
}
