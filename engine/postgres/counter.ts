/**
 * Counts rows and bytes in Postgres. Every query reads only.
 *
 * @module
 */

import { type Query, tableNamed } from "./query.ts";

/** Counts through a query. */
export function countWith(query: Query): {
  /** The one number that a query gives. */
  rows(query: string): Promise<number>;
  /** Bytes of a table with its partitions, indexes and large values; 0 for one that is not there. */
  bytes(table: string): Promise<number>;
} {
  const one = async (text: string, parameters: readonly string[] = []): Promise<number> => {
    const [row] = await query<Record<string, unknown>>(text, parameters);
    return Number(Object.values(row ?? {})[0] ?? 0);
  };
  return { rows: (text) => one(text), bytes: (table) => one(SIZE, [table]) };
}

// The server tells nothing of the partitions of a table that can have none.
const SIZE = `
  SELECT coalesce(sum(pg_total_relation_size(part)), 0)::text AS bytes
    FROM (SELECT ${tableNamed("$1::text")} AS part
           UNION SELECT relid FROM pg_partition_tree(${tableNamed("$1::text")})) AS parts`;
