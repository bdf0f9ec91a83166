/**
 * The last line of outputs: what to run next.
 *
 * @module
 */

import { ends, followAll } from "./follow.ts";
import { besideRun, holdTable, leaveDeadLock, leaveDirty } from "./held.ts";
import { type Proof, proof } from "./proof.ts";
import type { World } from "./world.ts";

/** Runs a command and the one that its last line names. @param prepare Makes the deployment that it is run on. */
function next(
  advice: string,
  when: string,
  command: string,
  prepare: (world: World) => Promise<unknown> = (world) => world.current(),
): Proof {
  return proof(advice, when, async (world, see) => {
    await prepare(world);
    const [following] = see(await world.outpost(command));
    return await world.agreed(following!);
  });
}

const after = (...lines: readonly string[]) => async (world: World) => {
  await world.current();
  for (const line of lines) ends(await world.outpost(line));
};

/** All of it. */
export const NEXT_LINES: readonly Proof[] = [
  next("Next: outpost migrate status  are the stores there?", "looks at the settings", "config"),
  next(
    "Next: outpost migrate cleanup {}",
    "cleans up a step that leaves nothing, before Redis",
    "migrate cleanup sql/6 --yes",
  ),
  next(
    "Next: outpost migrate cleanup {}  only when these rows are not needed",
    "has cleaned up Redis",
    "migrate cleanup redis/1 --yes",
    after("migrate cleanup --yes"),
  ),
  next(
    "Next: outpost migrate cleanup {}  only when these rows are not needed",
    "cleans up",
    "migrate cleanup --yes",
  ),
  next("Next: outpost migrate status", "cleans up the last", "migrate unlock"),
  proof("Next: outpost migrate verify --full  why", "cleans up what differs", async (world, see) => {
    await world.current();
    await world.client.hset("tenant:acme", { name: "since", updated_at: "2030-01-01T00:00:00Z" });
    const [verify] = see(await world.outpost("migrate cleanup redis/1 --yes --force"));
    await followAll(world, verify!);
    return await world.outpost("migrate cleanup redis/1 --yes");
  }),
  next(
    "Next: outpost migrate status  the database is now behind this program",
    "takes a step back",
    "migrate down 1 --yes",
  ),
  next("Next: outpost migrate verify  does the schema agree?", "sets the version", "migrate force 10 --yes"),
  next("Next: outpost migrate plan  as the user who looks", "asks for the rights", "migrate grants"),
  next(
    "Next: outpost migrate init  see whether what older tools recorded is so",
    "has older bookkeeping",
    "migrate status",
    async (world) => {
      await world.current();
      world.env.DEPLOYMENT_ID = "dp";
      for (const name of ["001_hash_tags", "002_timestamps", "003_entity"]) {
        await world.client.del(`outpost:migration:${name}`);
        await world.client.hset(`outpost:migration:${name}`, { status: "applied", applied_at: "1700000000" });
      }
    },
  ),
  next("Next: outpost migrate apply  apply it", "begins", "migrate init", () => Promise.resolve()),
  proof(
    "Next: outpost migrate plan{}  when the way is free",
    "plans what a view reads",
    async (world, see) => {
      await world.old();
      await world.sql().unsafe("create view report as select data from events");
      const [following] = see(await world.outpost("migrate plan"));
      await world.sql().unsafe("drop view report");
      await followAll(world, following!);
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof(
    "Next: outpost migrate status  and apply, where the migration is not applied yet",
    "settles a difference",
    async (world, see) => {
      await world.current();
      await world.client.hset("tenant:acme", { name: "since", updated_at: "2030-01-01T00:00:00Z" });
      const [status] = see(await world.agreed("migrate resolve redis/1 --all --keep original"));
      ends(await world.outpost(status!));
      return await world.outpost("migrate verify --full");
    },
  ),
  next(
    "Next: outpost migrate plan  other migrations are pending",
    "names what is applied",
    "migrate apply sql/1 --yes",
    (world) => world.old(),
  ),
  proof("Next: outpost serve  start the server", "has nothing to do", async (world, see) => {
    await world.current();
    const [serve] = see(await world.outpost("migrate apply --yes"));
    return await world.outpost(`${serve} -- true`);
  }),
  proof("Next: outpost serve  start the server", "has Redis alone", async (world, see) => {
    await world.current();
    const env = { POSTGRES_URL: "" };
    const [serve] = see(await world.outpost("migrate status --redis-only", { env }));
    return await world.outpost(`${serve} -- true`, { env });
  }),
  next(
    "Next: outpost migrate status  with the side that was left out",
    "has nothing to do on one side",
    "migrate apply --sql-only --yes",
  ),
  proof(
    "Next: outpost migrate verify  what the dirty step left behind",
    "lists a dirty step",
    async (world, see) => {
      await leaveDirty(world);
      const [verify] = see(await world.outpost("migrate list"));
      return await followAll(world, verify!);
    },
  ),
  proof(
    "Next: outpost migrate verify  what is wrong, in detail",
    "looks at a dirty step",
    async (world, see) => {
      await leaveDirty(world);
      const [verify] = see(await world.outpost("migrate status"));
      return await followAll(world, verify!);
    },
  ),
  proof(
    "Next: outpost migrate force {}  or the version that the tables really have: writes it down anew",
    "finds two versions written down",
    async (world, see) => {
      await world.current();
      await world.sql()`insert into schema_migrations values (9, false)`;
      const [force] = see(await world.outpost("migrate verify"));
      if (!force!.includes("force 10")) throw new Error(force);
      ends(await world.agreed(force!));
      return await world.outpost("migrate verify");
    },
  ),
  proof(
    "Next: outpost migrate force {}  once the schema is repaired; {} where the step is not complete",
    "verifies a dirty step of which tables lack something",
    async (world, see) => {
      await world.current();
      const sql = world.sql();
      await sql`update schema_migrations set dirty = true`;
      await sql`drop index idx_events_id`;
      const [force] = see(await world.outpost("migrate verify"));
      await sql`create index idx_events_id on events (id)`;
      ends(await world.agreed(force!));
      return await followAll(world, "migrate verify");
    },
  ),
  proof(
    "Next: outpost migrate force {}  the version that the tables have",
    "verifies a dirty step of which nothing was done",
    async (world, see) => {
      await leaveDirty(world);
      await world.sql()`update schema_migrations set version = 5`;
      const [force] = see(await world.outpost("migrate verify"));
      ends(await world.agreed(force!));
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof(
    "Next: outpost migrate force {}  the version that the tables have",
    "verifies a dirty step of which all was done",
    async (world, see) => {
      await world.current();
      await world.sql()`update schema_migrations set dirty = true`;
      const [force] = see(await world.outpost("migrate verify"));
      ends(await world.agreed(force!));
      return await followAll(world, "migrate verify");
    },
  ),
  proof(
    "Next: outpost migrate force {}  the version that the tables have",
    "verifies a database whose version was written down wrongly",
    async (world, see) => {
      await world.old();
      await world.sql()`update schema_migrations set version = 7`;
      const [force] = see(await world.outpost("migrate verify"));
      ends(await world.agreed(force!));
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof(
    "Next: outpost migrate force {}  the version that the tables have",
    "verifies a database that was restored without its bookkeeping",
    async (world, see) => {
      await world.current();
      const sql = world.sql();
      await sql`drop table schema_migrations`;
      await sql`drop table outpost_migrations`;
      const [force] = see(await world.outpost("migrate verify"));
      ends(await world.agreed(force!));
      return await followAll(world, "migrate verify");
    },
  ),
  proof(
    "Next: outpost migrate status  who is at work",
    "lists beside a run",
    async (world, see) => {
      const { result } = await besideRun(world, async () => {
        const [status] = see(await world.outpost("migrate list"));
        return await world.outpost(status!);
      });
      return result;
    },
  ),
  proof(
    "Next: outpost migrate status  again, when the other is done",
    "looks beside a run",
    async (world, see) => {
      let again = "";
      await besideRun(world, async () => {
        const result = await world.outpost("migrate status");
        again = see(result)[0]!;
        return result;
      });
      return await world.outpost(again);
    },
  ),
  next("Next: outpost migrate verify  prove it", "applies", "migrate apply --yes", (world) => world.old()),
  next(
    "Next: outpost migrate status  what is left",
    "applies one of several",
    "migrate apply sql/1 --yes",
    () => Promise.resolve(),
  ),
  next("Next: {}  apply it", "plans", "migrate plan", (world) => world.old()),
  proof(
    "Next: {}  when the records named are repaired",
    "plans with a time that is none",
    async (world, see) => {
      await world.old();
      await world.client.hset("tenant:odd", { id: "odd", created_at: "next tuesday" });
      const planned = await world.outpost("migrate plan --json");
      const [{ key, field }] = JSON.parse(planned.stdout).redis[1].invalid;
      const [apply] = see(await world.outpost("migrate plan"));
      await world.client.hset(key, field, "2024-01-15T10:30:00Z");
      ends(await world.agreed(apply!));
      return await followAll(world, "migrate verify --full");
    },
  ),
  next(
    "Next: {}  apply exactly this, or nothing",
    "saves a plan",
    "migrate plan --out FOLDER/next.json",
    (world) => world.old(),
  ),
  proof(
    "Next: outpost migrate unlock  only when that tool is no longer at work",
    "looks after another tool crashed",
    async (world, see) => {
      await world.old();
      await world.client.set("outpost:migration:lock", "by hand", "PX", 3_000_000);
      const [unlock] = see(await world.outpost("migrate status"));
      ends(await world.agreed(unlock!));
      return await world.outpost("migrate apply --yes --lock-wait 0");
    },
  ),
  proof("Next: outpost migrate unlock  clear the dead lock", "looks after a crash", async (world, see) => {
    await world.old();
    await leaveDeadLock(world);
    const [unlock] = see(await world.outpost("migrate status"));
    ends(await world.agreed(unlock!));
    return await world.outpost("migrate apply --yes --lock-wait 0");
  }),
  proof(
    "Next: outpost migrate prepare --abort  take away what notes every write for nothing",
    "looks after another tool has run what was prepared",
    async (world, see) => {
      await world.old();
      ends(await world.outpost("migrate prepare"));
      await world.sql()`UPDATE schema_migrations SET version = 10`;
      const [abort] = see(await world.outpost("migrate status"));
      ends(await world.agreed(abort!));
      return await world.outpost("migrate prepare --abort");
    },
  ),
  next(
    "Next: outpost migrate plan  what apply would change",
    "lists",
    "migrate list",
    (world) => world.old(),
  ),
  next("Next: outpost migrate verify --full  check every record", "verifies", "migrate verify"),
  proof(
    "Next: outpost migrate status  {}",
    "looks while somebody holds the bookkeeping",
    async (world, see) => {
      await world.old();
      await using held = await holdTable(world, "schema_migrations", "ACCESS EXCLUSIVE");
      const [status] = see(await world.outpost("migrate status"));
      await held[Symbol.asyncDispose]();
      return await world.outpost(status!);
    },
  ),
  proof(
    "Next: outpost migrate list  {}",
    "lists while somebody holds the bookkeeping",
    async (world, see) => {
      await world.old();
      await using held = await holdTable(world, "schema_migrations", "ACCESS EXCLUSIVE");
      const [list] = see(await world.outpost("migrate list"));
      await held[Symbol.asyncDispose]();
      return await world.outpost(list!);
    },
  ),
  next("Next: outpost migrate status  and the others?", "verifies one", "migrate verify sql/1 --full"),
  proof("Next: outpost migrate plan  something is pending", "verifies too early", async (world, see) => {
    await world.old();
    return await world.outpost(see(await world.outpost("migrate verify"))[0]!);
  }),
  proof("Next: {}  or original: shows both forms, and asks", "finds two forms", async (world, see) => {
    await world.current();
    await world.client.hset("tenant:acme", { name: "since" });
    const [resolve] = see(await world.outpost("migrate verify --full"));
    ends(await world.agreed(resolve!));
    return await world.outpost("migrate verify --full");
  }),
  proof(
    "Next: outpost migrate verify  once what is listed above is repaired",
    "finds an index missing",
    async (world, see) => {
      await world.current();
      await world.sql()`alter table events alter column topic drop not null`;
      const [verify] = see(await world.outpost("migrate verify"));
      await world.sql()`alter table events alter column topic set not null`;
      return await world.outpost(verify!);
    },
  ),
  proof(
    "Next: outpost migrate verify  once what is listed above is repaired",
    "finds a table missing that pending steps change",
    async (world, see) => {
      await world.old();
      await world.sql()`alter table events rename to gone`;
      const [verify] = see(await world.outpost("migrate verify"));
      await world.sql()`alter table gone rename to events`;
      await world.outpost("migrate apply --yes");
      return await world.outpost(verify!);
    },
  ),
  proof(
    "Next: outpost migrate verify  with the release that applied these steps",
    "is older than its database",
    async (world, see) => {
      await world.current();
      await world.sql()`update schema_migrations set version = 11`;
      const [verify] = see(await world.outpost("migrate verify"));
      // The newer release is gone again: it took its step back.
      await world.sql()`update schema_migrations set version = 10`;
      return await world.outpost(verify!);
    },
  ),
  proof(
    "Next: outpost migrate apply {} --rerun  copies what has no copy",
    "settles all that another tool copied in part",
    async (world, see) => {
      await world.old();
      const recorded = { status: "applied", applied_at: "2026-01-01T00:00:00Z" };
      await world.client.hset("outpost:migration:001_hash_tags", recorded);
      const [rerun] = see(await world.outpost("migrate resolve redis/1 --all --keep copy --yes"));
      ends(await world.agreed(rerun!));
      return await world.outpost("migrate verify redis/1 --full");
    },
  ),
  proof("Next: {}  convert what was left", "finds records of an old server", async (world, see) => {
    await world.current();
    await world.client.hset("tenant:{late}:tenant", { id: "late", created_at: "2024-01-15T10:30:00Z" });
    const [rerun] = see(await world.outpost("migrate verify --full"));
    ends(await world.agreed(rerun!));
    return await followAll(world, "migrate verify --full");
  }),
];
