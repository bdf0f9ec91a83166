import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { backendOver, locked, running } from "../integration/postgres/deployment.ts";
import { stepOf } from "../integration/postgres/test_step.ts";
import { certificates } from "../support/certificates.ts";
import { redisKnowsTls, startRedis } from "../support/redis.ts";
import { freePort } from "../support/server.ts";
import { chapter } from "./failure.ts";
import { outpost, Stores } from "./stores.ts";

const RUNNER = "hookdeck/outpost";

chapter("Connections, and what the tests stand on", Stores.start, [
  {
    id: "B38",
    severity: "S2",
    failure: "with TLS any certificate is accepted, and no authority can be named",
    from: `${RUNNER} #489, its Redis client`,
    shown:
      "A certificate of an unknown authority, and one for another name, are refused; with the authority's file it works.",
    async prove() {
      if (!await redisKnowsTls()) return;
      const directory = await Deno.makeTempDir();
      try {
        const [ca, certificate, key] = await certificates(directory);
        const port = freePort();
        const files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", ca];
        await using _server = await startRedis([
          "--tls-port",
          String(port),
          ...files,
          "--tls-auth-clients",
          "no",
        ]);
        const status = async (host: string, more: Record<string, string>) => {
          const env = { REDIS_HOST: host, REDIS_PORT: String(port), REDIS_TLS_ENABLED: "true", ...more };
          return (await outpost("migrate status --redis-only", { env })).code;
        };
        assertEquals(await status("localhost", {}), 4);
        assertEquals(await status("localhost", { REDIS_TLS_CA: ca }), 0);
        assertEquals(await status("127.0.0.2", { REDIS_TLS_CA: ca }), 4);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  },
  {
    id: "B49",
    severity: "S3",
    failure: "tests imitate the stores, so that no cluster, no end of a record and no failure is ever met",
    from: `${RUNNER}, its tests`,
    shown:
      "The servers under these proofs are processes of Redis and Postgres, with the IDs that were started; no package imitates one.",
    async prove(stores) {
      const { client, sql } = await stores.deployment();
      const info = await client.info("server");
      assertStringIncludes(info, `process_id:${stores.redis.pid}\r`);
      assertStringIncludes(
        await Deno.readTextFile(`/proc/${stores.redis.pid}/cmdline`),
        `${stores.redis.port}`,
      );
      const [{ parent }] =
        await sql`select pg_backend_pid() as pid, (pg_stat_file('postmaster.pid')).size > 0 as is_there,
        split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int as parent` as never as [{ parent: number }];
      assertEquals(parent, stores.postgres.pid);
      const settings = fromFileUrl(new URL("../../deno.json", import.meta.url));
      const packages = Object.keys(JSON.parse(await Deno.readTextFile(settings)).imports);
      assertEquals(packages.filter((name) => /mock|mini|fake|memory|stub/i.test(name)), []);
    },
  },
  {
    id: "Prisma Migrate #14456",
    severity: "S2",
    failure: "a step cannot build an index beside the application",
    from: "Prisma Migrate #14456",
    shown:
      "A step leaves the transaction: its index is built concurrently, is valid, and the step is recorded.",
    async prove(stores) {
      const { sql } = await stores.deployment("empty");
      await sql`create table one (n int)`;
      const build = { text: "CREATE INDEX CONCURRENTLY one_n ON one (n)", buildsIndex: "one_n" };
      const backend = backendOver(sql, stepOf([build], { transactional: false }));
      await using session = await locked(backend);
      await session.up(1, running());
      const [row] = await sql`select indisvalid from pg_index where indexrelid = 'one_n'::regclass`;
      assert(row!.indisvalid);
      assertEquals((await backend.read()).version, 1);
    },
  },
]);
