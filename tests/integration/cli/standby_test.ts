/** Several hosts in the URL, one of them a real standby, with TLS and without. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { startPostgres } from "../../support/postgres.ts";
import { securitySettings } from "../../support/secure_postgres.ts";
import { makeServerFolder } from "../../support/server.ts";
import { connectPostgres } from "../../../cli/stores/postgres/client.ts";

const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "target_session_attrs finds the primary and the standby, and apply never writes to a standby",
  options,
  async () => {
    const directory = await makeServerFolder("outpost-certificates-");
    try {
      const settings = { ...await securitySettings(directory), wal_level: "replica", max_wal_senders: "5" };
      await using primary = await startPostgres(settings);
      await primary.createDatabase("log");
      await using standby = await startPostgres(settings, primary);
      const hosts = `localhost:${standby.port},localhost:${primary.port}`;
      const url = (attributes: string, mode: string, at = hosts) =>
        `postgres://postgres@${at}/log?sslmode=${mode}&sslrootcert=${directory}/ca.crt&target_session_attrs=${attributes}`;
      for (const mode of ["verify-full", "disable"]) {
        const landed = async (attributes: string, at = hosts) => {
          const sql = connectPostgres(
            url(attributes, mode, at).replace(mode === "disable" ? /&sslrootcert=[^&]*/ : "", ""),
          );
          try {
            const [row] = await sql<{ standby: boolean; encrypted: boolean }[]>`
            SELECT pg_is_in_recovery() AS standby, ssl AS encrypted FROM pg_stat_ssl WHERE pid = pg_backend_pid()`;
            assertEquals(row!.encrypted, mode !== "disable");
            return row!.standby ? "standby" : "primary";
          } finally {
            await sql.end({ timeout: 0 });
          }
        };
        const found: Record<string, string> = {};
        for (const words of ["any", "primary", "read-write", "standby", "prefer-standby", "read-only"]) {
          found[words] = await landed(words);
        }
        assertEquals(found, {
          any: "standby",
          primary: "primary",
          "read-write": "primary",
          standby: "standby",
          "prefer-standby": "standby",
          "read-only": "standby",
        }, mode);
        assertEquals(await landed("prefer-standby", `localhost:${primary.port}`), "primary");
      }
      const run = (attributes: string, line: string, at = hosts) =>
        runInProcess(["migrate", ...line.split(" "), "--sql-only"], {
          env: { POSTGRES_URL: url(attributes, "verify-full", at) },
        });
      const onStandby = await run("any", "apply --yes");
      assertEquals(onStandby.code === 0, false);
      assertStringIncludes(onStandby.stderr, "target_session_attrs=read-write");
      const none = await run("primary", "apply --yes", `localhost:${standby.port}`);
      assertEquals(none.code, 4, none.stderr);
      for (const attributes of ["primary", "read-write"]) {
        const { code, stderr } = await run(attributes, "apply --yes");
        assertEquals(code, 0, stderr);
        if (attributes === "primary") {
          assertStringIncludes(stderr, `to Postgres ${hosts.replace(",", ", ")}/log`);
        }
      }
      const behind = standby.client(`postgres://postgres@127.0.0.1:${standby.port}/log`, { max: 1 });
      const [there] = await primary.client(`postgres://postgres@127.0.0.1:${primary.port}/log`, { max: 1 })`
      SELECT pg_current_wal_flush_lsn()::text AS lsn`;
      for (let caughtUp = false; !caughtUp;) {
        const [row] = await behind`SELECT pg_last_wal_replay_lsn() >= ${there!.lsn}::pg_lsn AS done`;
        caughtUp = row!.done;
      }
      // Whoever only reads may read there.
      assertEquals(JSON.parse((await run("standby", "status --json")).stdout).sql.version, 10);
      assertEquals((await run("standby", "verify")).code, 0);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);
