/**
 * What goes wrong in the demo: a record that nobody can convert, and somebody who holds a table.
 *
 * @module
 */

import { Redis } from "ioredis";
import postgres from "postgres";
import type { RedisAddress } from "../tests/support/legacy_redis_data.ts";

/** Writes a time that is none into a record. */
export async function spoilRecord(address: RedisAddress, key: string): Promise<void> {
  const client = new Redis({ ...address });
  await client.hset(key, "created_at", "yesterday");
  client.disconnect();
}

/** Somebody who reads a table and forgets to end the transaction. */
export interface Holder extends AsyncDisposable {
  /** Ends the transaction. */
  letGo(): Promise<void>;
}

/** Begins a transaction that reads a table. */
export async function holdTable(url: string, table: string): Promise<Holder> {
  const connection = { application_name: "monthly-report" };
  const sql = postgres(url, { max: 2, connection, onnotice: () => {} });
  const session = await sql.reserve();
  await session`begin`;
  await session`select count(*) from ${sql(table)}`;
  let isHeld = true;
  const letGo = async () => {
    if (isHeld) await session`rollback`;
    isHeld = false;
  };
  return {
    letGo,
    async [Symbol.asyncDispose]() {
      await letGo();
      session.release();
      await sql.end();
    },
  };
}
