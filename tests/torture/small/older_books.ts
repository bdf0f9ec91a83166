/**
 * What older tools have written of migrations, in place of what this one has.
 *
 * @module
 */

import type { Redis } from "ioredis";

const NAMES = ["001_hash_tags", "002_timestamps", "003_entity"];
const keyOf = (name: string) => `outpost:migration:${name}`;
const HOUR_MS = 3_600_000;

/**
 * - `version`: of the first tool, which bears no time.
 * - `seconds`: the command line of v0.6 to v0.13 applied everything three hours ago, which it wrote in Unix seconds.
 * - `over`: an older tool calls applied what this one has called failed.
 * - `phase`: the first tool calls 001 applied, and says how many of its records it could not do.
 * - `began`: the first tool began three hours ago, and ended just now.
 * - `word`: a later version has recorded 001 in a word that this one does not know, and an older tool had called everything applied.
 * - `runs`: the command line called 002 and 003 applied, and the records of its runs say that some could not be done.
 */
export type OlderBooks = "version" | "seconds" | "over" | "phase" | "began" | "word" | "runs";

/** Writes them. */
export async function writeOlderBooks(client: Redis, books: OlderBooks): Promise<void> {
  const seconds = (ms: number) => String(Math.floor(ms / 1000));
  switch (books) {
    case "version":
      await client.del(NAMES.map(keyOf));
      await client.set("outpost:schema:version", "3");
      return;
    case "seconds":
      await client.del(NAMES.map(keyOf));
      for (const name of NAMES) {
        await client.hset(keyOf(name), { status: "applied", applied_at: seconds(Date.now() - 3 * HOUR_MS) });
      }
      return;
    case "over":
      await client.hset(keyOf(NAMES[0]!), { status: "applied", applied_at: new Date().toISOString() });
      return;
    case "phase": {
      await client.del(NAMES.map(keyOf));
      const [started_at, completed_at] = [new Date(Date.now() - HOUR_MS), new Date()];
      const state = { phase: "applied", started_at, completed_at, progress: { failed_items: 1 } };
      await client.set(`${keyOf(NAMES[0]!)}:state`, JSON.stringify(state));
      return;
    }
    case "began": {
      const times = { started_at: new Date(Date.now() - 3 * HOUR_MS), completed_at: new Date() };
      await client.del(NAMES.map(keyOf));
      for (const name of NAMES) {
        await client.set(`${keyOf(name)}:state`, JSON.stringify({ phase: "applied", ...times }));
      }
      return;
    }
    case "word":
      await client.del(keyOf(NAMES[0]!));
      await client.hset(keyOf(NAMES[0]!), { status: "half" });
      await client.set("outpost:schema:version", "3");
      return;
    case "runs": {
      const at = seconds(Date.now());
      for (const name of NAMES.slice(1)) {
        await client.hset(keyOf(name), { status: "applied", applied_at: at });
        await client.hset(`${keyOf(name)}:run:${at}`, { processed: "1", failed: "1" });
      }
    }
  }
}
