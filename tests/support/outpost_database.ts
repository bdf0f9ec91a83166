/**
 * Databases as an Outpost of some version left them.
 *
 * @module
 */

import postgres from "postgres";
import { outpostNames } from "../../migrations/mod.ts";
import { frozenRegistry } from "./frozen_registry.ts";
import { createEngine } from "../../engine/create_engine.ts";
import { forgetOwnTables } from "./legacy_postgres_data.ts";

/**
 * Brings an empty database to a version as golang-migrate would have: with its bookkeeping, and without ours.
 *
 * @param fill Called at that version, with a client.
 */
export async function bringToVersion(
  url: string,
  version: number,
  fill: (sql: postgres.Sql) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  try {
    const engine = createEngine({
      registry: frozenRegistry(""),
      names: outpostNames(""),
      postgres: { client: sql },
      version: "0.0.0",
      owner: { host: "test", pid: 0 },
    });
    if (version > 0) {
      const ids = Array.from({ length: version }, (_, i) => `sql/${i + 1}`);
      await engine.apply({ ids });
    }
    await forgetOwnTables(sql);
    await fill(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
