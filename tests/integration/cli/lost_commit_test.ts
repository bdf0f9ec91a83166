/** The answer to a COMMIT that never comes: whether it held nobody knows, and what the error says to do next is right either way. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { startFaultProxy } from "../../support/faults/fault_proxy.ts";
import { startPostgres } from "../../support/postgres.ts";

const options = { sanitizeOps: false, sanitizeResources: false };

/** Each command from a version, where it leads to, and how often it commits. */
const COMMANDS = [
  { from: 4, words: "apply --yes", to: 10, commits: 1 },
  { from: 4, words: "apply sql/5 sql/6 sql/7 --yes", to: 7, commits: 3 },
  { from: 10, words: "down 3 --yes", to: 7, commits: 3 },
  { from: 4, words: "force 3 --yes", to: 3, commits: 1 },
  { from: 10, words: "cleanup sql/5 --yes", to: 10, commits: 1 },
];

Deno.test(
  "A lost answer to COMMIT: the hint, and the same again, lead to where the command was to lead",
  options,
  async () => {
    await using server = await startPostgres();
    for (const { from, words, to, commits } of COMMANDS) {
      for (let lost = 1; lost <= commits; lost++) {
        for (const fault of lost === 1 ? ["lost_reply", "cut"] as const : ["lost_reply"] as const) {
          const url = new URL(await server.createDatabase());
          const sql = server.client(url.href, { max: 1 });
          await using proxy = startFaultProxy({
            protocol: "postgres",
            target: server.port,
            decide: () => null,
          });
          const through = new URL(url);
          through.port = String(proxy.port);
          const run = (line: string, at: URL) =>
            runInProcess(["migrate", ...line.split(" "), "--sql-only"], { env: { POSTGRES_URL: at.href } });
          const told = `${words}, ${fault} at COMMIT ${lost}`;
          assertEquals((await run("apply sql/1 sql/2 sql/3 sql/4 --yes", url)).code, 0, told);
          await sql`INSERT INTO deliveries (id, event_id, destination_id, status, time) VALUES ('del', 'gone', 'dst', 'success', now())`;
          if (from === 10) assertEquals((await run("apply --yes", url)).code, 0, told);
          let seen = 0;
          let writing = -1;
          proxy.decide = ({ name, text, connection }) => {
            if (/^\s*BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE/.test(text)) writing = connection;
            return name === "COMMIT" && connection === writing && ++seen === lost ? { type: fault } : null;
          };
          const first = await run(words, through);
          assertNotEquals(first.code, 0, `${told}: ${first.stdout}${first.stderr}`);
          proxy.decide = () => null;
          const advised = /outpost migrate (down --to \d+)/.exec(first.stderr.replaceAll(/\s+/g, " "))?.[1];
          assert(!words.startsWith("down") || advised !== undefined, `${told}: ${first.stderr}`);
          const again = await run(advised === undefined ? words : `${advised} --yes`, through);
          assertEquals(again.code, 0, `${told}: ${again.stdout}${again.stderr}`);
          const [recorded] = await sql<{ version: number }[]>`SELECT version::int FROM schema_migrations`;
          assertEquals(recorded!.version, to, told);
          if (to >= 5) {
            const kept = await sql`SELECT FROM outpost_quarantine`;
            assertEquals(kept.length, words.startsWith("cleanup") ? 0 : 1, told);
          }
          await sql.end();
        }
      }
    }
  },
);
