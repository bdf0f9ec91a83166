/**
 * Parameters by which golang-migrate keeps other books, or takes another lock, than this program: left out in silence, each would
 * find the database at a version of its own.
 *
 * @module
 */

import { invalid } from "./url.ts";

/** @throws {SettingsError} When the URL asks for such. */
export function assertSharedBooks(parameters: ReadonlyMap<string, string>): void {
  const table = parameters.get("x-migrations-table") ?? "";
  if (!["", "schema_migrations", '"schema_migrations"'].includes(table)) {
    throw invalid(
      "x-migrations-table names another table than schema_migrations, which every Outpost uses: rename the table, or name its " +
        "schema in search_path, and leave the parameter out",
    );
  }
  if (!["", "advisory"].includes(parameters.get("x-lock-strategy") ?? "")) {
    throw invalid(
      "x-lock-strategy asks for another lock than the advisory one, which keeps this program and golang-migrate apart: leave it out",
    );
  }
}
