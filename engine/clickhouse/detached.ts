/**
 * Partitions that an operator put aside: a step does not see them, and they come back without what it carried over from a column.
 *
 * @module
 */

import type { Blocker } from "../blocker.ts";
import type { PendingChanges } from "../sql/step_store.ts";
import { quoteName, select } from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";

/** Names them, of a table that loses a column. What the server itself put aside is broken, and nobody's to attach. Reads only. */
export async function findDetached(
  client: ClickHouseClient,
  { step, table, column }: PendingChanges["changes"][number],
  prefix: string,
): Promise<readonly Blocker[]> {
  const name = prefix + table;
  const rows = await select<{ id: string }>(
    client,
    `SELECT DISTINCT assumeNotNull(partition_id) AS id FROM system.detached_parts
      WHERE database = currentDatabase() AND table = {name:String} AND coalesce(reason, '') = '' AND partition_id IS NOT NULL
      ORDER BY id`,
    { name },
  );
  return rows.map(({ id }) => ({
    ...{ store: "clickhouse", kind: "partition", object: `${name} ${id}` },
    detail:
      `The partition ${id} of ${name} is detached: ${step} drops ${column}, and its rows would come back without that`,
    hint: `Attach it (ALTER TABLE ${
      quoteName(name)
    } ATTACH PARTITION ID '${id}'); if its rows are not wanted, take them out of the \
folder "detached"`,
  }));
}
