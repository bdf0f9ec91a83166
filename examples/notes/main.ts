/**
 * Notes, whose Postgres was migrated by ley until now: its folder and its table `migrations` go on as they are.
 *
 * @module
 */

import { createEngine, createRegistry, type Engine, readLeyProject } from "@outpost/migrate";
import type { Sql } from "postgres";

/** An engine over the notes. The client stays the caller's. */
export async function createNotesEngine(postgres: Sql): Promise<Engine> {
  const project = await readLeyProject(`${import.meta.dirname}/migrations`);
  return createEngine({
    registry: createRegistry({ postgres: project }),
    names: {
      tool: "notes",
      postgres: {
        bookkeepingTable: "migrations",
        leyFiles: project.files,
        historyTable: "notes_migrations",
        lockKey: () => 7_120_553n, // Any number that no other program uses for its advisory lock.
      },
      lock: { lock: "notes:lock", older: [], fence: "notes:fence" },
    },
    postgres: { client: postgres },
    version: "1.0.0",
    owner: { host: "notes-1", pid: Deno.pid },
  });
}
