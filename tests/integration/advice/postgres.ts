/**
 * Advice on what Postgres says.
 *
 * @module
 */

import { ends } from "./follow.ts";
import { holdTable, SOON_TOLD, untilTold } from "./held.ts";
import { startPostgres } from "../../support/postgres.ts";
import { type Proof, proof } from "./proof.ts";
import type { World } from "./world.ts";

const APPLY = "migrate apply --yes";

/** Something in the database that is in the way, and gone when it is done what the advice says. */
function inTheWay(advice: string, when: string, make: string, mend: string, line = APPLY): Proof {
  return proof(advice, when, async (world, see) => {
    await world.old();
    const sql = world.postgres.client(world.url, { max: 1 });
    await sql.unsafe(make);
    see(await world.outpost(line));
    await sql.unsafe(mend);
    return await world.outpost(line);
  });
}

/** A role that is not the owner of the tables. @returns Its settings. */
async function otherRole(
  world: World,
): Promise<{ readonly name: string; readonly env: Record<string, string> }> {
  const name = `role_${Math.random().toString(36).slice(2)}`;
  await world.sql().unsafe(`create role ${name} login`);
  return { name, env: { POSTGRES_URL: world.url.replace("postgres@", `${name}@`) } };
}

/** All of it. */
export const POSTGRES_ADVICE: readonly Proof[] = [
  inTheWay(
    "If the database was migrated by other means, set its version by hand with {}",
    "has a version too low",
    "update schema_migrations set version = 3",
    "update schema_migrations set version = 4",
  ),
  proof(
    "Run {}: it goes on where this was cut off, and no further than that",
    "stops on the way back",
    async (world, see) => {
      await world.current();
      const stop = new AbortController();
      await using held = await holdTable(world, "attempts");
      const running = world.outpost(`migrate down 3 --yes --lock-retries 1000 ${SOON_TOLD}`, {
        stop: stop.signal,
      });
      await untilTold(world, "migrate status", "taking it back");
      stop.abort();
      const [down] = see(await running);
      await held[Symbol.asyncDispose]();
      // However often: it names where to go to.
      for (let i = 0; i < 2; i++) ends(await world.agreed(down!));
      const { stdout } = await world.outpost("migrate status");
      if (!stdout.includes("version 7 of 10")) throw new Error(stdout);
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof(
    "Connect to the primary; of several hosts in the Postgres URL target_session_attrs=read-write finds it",
    "migrates a standby",
    async (world, see) => {
      await world.old();
      await using standby = await startPostgres({ max_prepared_transactions: "5" }, world.postgres);
      const at = new URL(world.url);
      const both =
        `postgres://postgres@127.0.0.1:${standby.port},127.0.0.1:${world.postgres.port}${at.pathname}`;
      see(await world.outpost(APPLY, { env: { POSTGRES_URL: both } }));
      return await world.outpost(APPLY, { env: { POSTGRES_URL: `${both}?target_session_attrs=read-write` } });
    },
  ),
  inTheWay(
    "Nothing of this step was kept. Remove the cause and run {} again",
    "has a rule against new tables",
    `create function refuse() returns event_trigger language plpgsql as $$ begin raise 'not today'; end $$;
     create event trigger never on ddl_command_start when tag in ('CREATE TABLE AS', 'ALTER TABLE') execute function refuse()`,
    "drop event trigger never",
  ),
  inTheWay(
    "Rename what is there",
    "has a table of the name",
    "create table attempts (a int)",
    "alter table attempts rename to other_attempts",
  ),
  inTheWay(
    "Take the {} away before, and make it anew for the new columns afterwards",
    "has a view",
    "create view payloads as select data from events",
    "drop view payloads",
  ),
  inTheWay(
    "End it with COMMIT PREPARED or ROLLBACK PREPARED",
    "forgot a prepared transaction",
    "begin; lock table events in share mode; prepare transaction 'forgotten'",
    "rollback prepared 'forgotten'",
  ),
  inTheWay(
    "Attach it again ({}); if its rows are not wanted, rename it",
    "took a partition away",
    "alter table events detach partition events_default",
    "alter table events attach partition events_default default",
  ),
  proof(
    "Attach it again ({}); if its rows are not wanted, rename it",
    "goes back without a partition",
    async (world, see) => {
      await world.current();
      await world.sql()`alter table attempts detach partition attempts_default`;
      const back = "migrate down --to 4 --yes";
      const [attach] = see(await world.outpost(back));
      await world.sql().unsafe(attach!);
      return await world.outpost(back);
    },
  ),
  proof(
    "No partition of the table takes a row that is written to it: make or attach one that does, such as one that is DEFAULT, and " +
      "run the same again",
    "goes back without a partition for a row",
    async (world, see) => {
      await world.current();
      await world.sql().unsafe(`
        insert into outpost_quarantine (migration, source_table, row) values ('sql/000005', 'deliveries',
          '{"id": "d", "event_id": "e", "destination_id": "x", "status": "success", "time": "2025-01-01", "manual": false, "attempt": 0}');
        alter table attempts detach partition attempts_default;
        alter table attempts_default rename to attempts_kept`);
      const back = "migrate down --to 4 --yes";
      see(await world.outpost(back));
      await world.sql()`create table attempts_default partition of attempts default`;
      return await world.outpost(back);
    },
  ),
  inTheWay(
    "The tables are not what the recorded version says: see what differs with {}",
    "renamed a table",
    "alter table deliveries rename to gone",
    "alter table gone rename to deliveries",
    "migrate plan",
  ),
  proof("Run as {}, or make {} a member of it", "migrates as a role of no rights", async (world, see) => {
    await world.old();
    const { name, env } = await otherRole(world);
    await world.sql().unsafe(
      `grant create on schema public to ${name}; grant all on schema_migrations to ${name}`,
    );
    const [owner] = see(await world.outpost(APPLY, { env }));
    await world.sql().unsafe(`grant ${owner} to ${name}`);
    return await world.outpost(APPLY, { env });
  }),
  proof("Grant it, or run as a role that has it", "lacks a right", async (world, see) => {
    await world.old();
    const { name, env } = await otherRole(world);
    await world.sql().unsafe(`grant select on all tables in schema public to ${name}`);
    for (const table of ["events", "deliveries", "event_delivery_index"]) {
      await world.sql().unsafe(`alter table ${table} owner to ${name}`);
    }
    await world.sql().unsafe(
      `alter table events_default owner to ${name}; alter table deliveries_default owner to ${name};
      alter table event_delivery_index_default owner to ${name}`,
    );
    see(await world.outpost(APPLY, { env }));
    await world.sql().unsafe(
      `grant create on schema public to ${name}; grant all on schema_migrations to ${name}`,
    );
    return await world.outpost(APPLY, { env });
  }),
  proof(
    "Grant the role the right, or connect as the owner of the tables",
    "may not read",
    async (world, see) => {
      await world.old();
      const { name, env } = await otherRole(world);
      see(await world.outpost("migrate list", { env }));
      await world.sql().unsafe(`grant select on all tables in schema public to ${name}`);
      return await world.outpost("migrate list", { env });
    },
  ),
  proof(
    "Create the schema, or correct search_path in the Postgres URL",
    "names no schema",
    async (world, see) => {
      const env = { POSTGRES_URL: `${world.url}?search_path=new_place` };
      see(await world.outpost(APPLY, { env }));
      await world.sql()`create schema new_place`;
      return await world.outpost(APPLY, { env });
    },
  ),
  proof(
    "Grant it: GRANT USAGE ON SCHEMA {} TO {}; or leave that schema out of search_path in the Postgres URL",
    "may not look into the schema",
    async (world, see) => {
      await world.old();
      const { name, env } = await otherRole(world);
      const sql = world.sql();
      await sql.unsafe(
        `revoke all on schema public from public; grant select on all tables in schema public to ${name}`,
      );
      const [schema, role] = see(await world.outpost("migrate list", { env }));
      await sql.unsafe(`grant usage on schema ${schema} to ${role}`);
      return await world.outpost("migrate list", { env });
    },
  ),
  proof(
    "Name the schema of the tables first in search_path of the Postgres URL",
    "has temporary tables first",
    async (world, see) => {
      see(
        await world.outpost("migrate list", {
          env: { POSTGRES_URL: `${world.url}?search_path=pg_temp,public` },
        }),
      );
      return await world.outpost("migrate list", {
        env: { POSTGRES_URL: `${world.url}?search_path=public` },
      });
    },
  ),
  proof(
    "No connection is left, of the server (max_connections) or of the role or the database (CONNECTION LIMIT), as it says: end " +
      "some, or allow more, and run the same again",
    "may not connect so often",
    async (world, see) => {
      await world.old();
      const { name, env } = await otherRole(world);
      await world.sql().unsafe(
        `grant select on all tables in schema public to ${name}; alter role ${name} connection limit 0`,
      );
      see(await world.outpost("migrate list", { env }));
      await world.sql().unsafe(`alter role ${name} connection limit 5`);
      return await world.outpost("migrate list", { env });
    },
  ),
  proof(
    "Look at who made the table. If it is yours, take away what is named, run as its owner, or give it to the owner of the " +
      "database; if another tool keeps it, name another schema in search_path; if it is nobody's, rename it: what it holds may be needed",
    "shares a schema with a tool that calls its table the same",
    async (world, see) => {
      const sql = world.sql();
      await sql.unsafe(
        "create table schema_migrations (version varchar primary key); insert into schema_migrations values ('20250101000000')",
      );
      const only = `${APPLY} --sql-only`;
      see(await world.outpost(only));
      await sql`create schema of_its_own`;
      const env = { POSTGRES_URL: `${world.url}?search_path=of_its_own` };
      const moved = await world.outpost(only, { env });
      const [{ count } = {}] = await sql`select count(*)::int from public.schema_migrations`;
      if (count !== 1) throw new Error("The other tool's versions are gone");
      await sql.unsafe("drop schema of_its_own cascade; alter table schema_migrations rename to kept");
      ends(moved);
      return await world.outpost(only);
    },
  ),
  proof("Try again when it is over, or end it", "reads what another holds", async (world, see) => {
    await world.old();
    await using held = await holdTable(world, "schema_migrations", "ACCESS EXCLUSIVE");
    see(await world.outpost("migrate verify"));
    await held[Symbol.asyncDispose]();
    return await world.outpost("migrate list");
  }),
  proof(
    "{}: end it, or allow more time or more tries for locks",
    "steps behind a reader",
    async (world, see) => {
      await world.old();
      await using held = await holdTable(world);
      const [holder] = see(await world.outpost(`${APPLY} --lock-retries 0`));
      if (!/process \d+/.test(holder!)) throw new Error(holder);
      const more = world.outpost(`${APPLY} --lock-retries 1000`);
      await held[Symbol.asyncDispose]();
      return await more;
    },
  ),
  proof(
    "Somebody ended the statement, or it took longer than it may: allow it more time, and run the same again",
    "allows too little time",
    async (world, see) => {
      await world.old();
      see(await world.outpost(`${APPLY} --statement-timeout 1ms`));
      return await world.outpost(`${APPLY} --statement-timeout 5m`);
    },
  ),
  proof(
    "If these are the application's own, made by other means, set the version that they have by hand ({}); if " +
      "not, rename what is there",
    "has tables without bookkeeping",
    async (world, see) => {
      await world.old();
      await world.sql()`drop table schema_migrations`;
      const [force] = see(await world.outpost(APPLY));
      ends(await world.agreed(force!.replace("VERSION", "4")));
      return await world.outpost(APPLY);
    },
  ),
];
