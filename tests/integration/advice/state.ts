/**
 * Advice on what state a deployment is in, and on the lock.
 *
 * @module
 */

import { ends, followAll } from "./follow.ts";
import { besideRun, leaveDeadLock, leaveDirty } from "./held.ts";
import { type Proof, proof } from "./proof.ts";

/** All of it. */
export const STATE_ADVICE: readonly Proof[] = [
  proof("Apply them first: {}", "starts the server too early", async (world, see) => {
    await world.old();
    const [apply] = see(await world.outpost("serve -- true"));
    ends(await world.agreed(apply!));
    return await world.outpost("serve -- true");
  }),
  proof("Look at it: {}", "starts the server of a dirty database", async (world, see) => {
    await leaveDirty(world);
    const [verify] = see(await world.outpost("serve -- true"));
    return await followAll(world, verify!);
  }),
  proof(
    "{} is at work: try again when it is done, or outpost serve --wait 5m",
    "starts the server beside a run",
    async (world, see) => {
      let waiting: ReturnType<typeof world.outpost> | null = null;
      await besideRun(world, async () => {
        const refused = await world.outpost("serve -- true");
        see(refused);
        waiting = world.outpost("serve --wait 5m -- true");
        return refused;
      }, "finish");
      return await waiting!;
    },
  ),
  proof(
    "Compare the schema ({}), repair it, then set the version that it really has: {} when the step is complete, or {}",
    "applies to a dirty database",
    async (world, see) => {
      await leaveDirty(world);
      const [verify, complete] = see(await world.outpost("migrate apply --yes"));
      if ((await world.outpost(verify!)).code !== 1) throw new Error("It is said to be in order");
      ends(await world.agreed(complete!));
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof(
    "See with {} what the tables have of that version, and write down the one that is true: {}, or another",
    "has two versions written down",
    async (world, see) => {
      await world.current();
      ends(await world.outpost("migrate down --to 9 --yes"));
      await world.sql()`insert into schema_migrations values (8, false)`;
      const [verify, force] = see(await world.outpost("migrate apply --yes"));
      const { stdout } = await world.outpost(verify!);
      if (!stdout.includes("holds more than one row")) throw new Error(stdout);
      ends(await world.agreed(force!));
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof(
    "Use the release that knows it. If none ran these steps, answer {} on a terminal",
    "forces a version above all known ones back",
    async (world, see) => {
      await world.current();
      await world.sql()`update schema_migrations set version = 12`;
      const [force] = see(await world.outpost("migrate force 10 --yes"));
      ends(await world.agreed(force!));
      return await world.outpost("migrate verify");
    },
  ),
  proof(
    "Run {}, and use the release that applied these steps",
    "has another release's steps",
    async (world, see) => {
      await world.current();
      const sql = world.sql();
      const [{ checksum } = {}] = await sql`update outpost_migrations set checksum = 'other' where version = 4
      returning (select checksum from outpost_migrations where version = 4)`;
      await sql`update schema_migrations set version = 9`;
      await sql`delete from outpost_migrations where version = 10`;
      const [verify] = see(await world.outpost("migrate apply --yes"));
      const found = await world.outpost(verify!);
      if (!found.stdout.includes("Version 4 (delivery_manual_attempt) was changed")) {
        throw new Error(found.stdout);
      }
      // What the release that applied it would find.
      await sql`update outpost_migrations set checksum = ${checksum} where version = 4`;
      await sql`update schema_migrations set version = 10`;
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof(
    "Repair it with the release that knows version {}",
    "has what a newer release left",
    async (world, see) => {
      await world.current();
      await world.sql()`update schema_migrations set version = 11, dirty = true`;
      see(await world.outpost("migrate apply --yes"));
      await world.sql()`update schema_migrations set version = 10, dirty = false`;
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof("Use the release that applied them", "takes back steps of a newer release", async (world, see) => {
    await world.current();
    await world.sql()`update schema_migrations set version = 12`;
    see(await world.outpost("migrate down 1 --yes"));
    await world.sql()`update schema_migrations set version = 10`;
    return await world.outpost("migrate down 1 --yes");
  }),
  proof("Apply it first: {}", "cleans up too early", async (world, see) => {
    await world.old();
    const [apply] = see(await world.outpost("migrate cleanup redis/1 --yes"));
    ends(await world.agreed(apply!));
    return await world.outpost("migrate cleanup redis/1 --yes");
  }),
  proof(
    "Look at {}; {} skips this check, never the proof of each record",
    "cleans up what differs",
    async (world, see) => {
      await world.current();
      await world.client.hset("tenant:acme", { name: "since" });
      const [verify] = see(await world.outpost("migrate cleanup redis/1 --yes"));
      ends(await followAll(world, verify!));
      return await world.outpost("migrate cleanup redis/1 --yes");
    },
  ),
  proof("Plan again: {}", "has a plan of before", async (world, see) => {
    await world.old();
    ends(await world.outpost("migrate plan sql/5 --out FOLDER/stale.json"));
    ends(await world.outpost("migrate apply sql/5 sql/6 --yes"));
    const [plan] = see(await world.outpost("migrate apply --plan FOLDER/stale.json --yes"));
    ends(await world.outpost(plan!.replace("FILE", "FOLDER/anew.json")));
    return await world.outpost("migrate apply --plan FOLDER/anew.json --yes");
  }),
  proof("Wait until it is done; {} shows how far it is", "applies beside a run", async (world, see) => {
    const { run } = await besideRun(world, async () => {
      const refused = await world.outpost("migrate apply --yes --lock-wait 0");
      const status = await world.outpost(see(refused)[0]!);
      if (!status.stdout.includes("sql/00000")) throw new Error(status.stdout);
      return status;
    }, "finish");
    ends(run);
    return await world.outpost("migrate apply --yes --lock-wait 0");
  }),
  proof(
    "Its holder seems dead: the lock ends by itself soon, or {} clears it",
    "applies after a crash",
    async (world, see) => {
      await world.old();
      await leaveDeadLock(world);
      const [unlock] = see(await world.outpost("migrate apply --yes --lock-wait 0"));
      ends(await world.agreed(unlock!));
      return await world.outpost("migrate apply --yes --lock-wait 0");
    },
  ),
  proof(
    "Wait for it, or stop it; {} takes the lock away from it",
    "unlocks beside a run",
    async (world, see) => {
      const { run } = await besideRun(world, async () => {
        const refused = await world.outpost("migrate unlock --yes");
        return await world.agreed(see(refused)[0]!);
      }, "finish");
      if (run.code !== 3) throw new Error(run.stdout + run.stderr);
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof(
    "Run the same command again: it continues where this one stopped",
    "loses the lock",
    async (world, see) => {
      const { run } = await besideRun(world, () => world.outpost("migrate unlock --force --yes"), "finish");
      see(run);
      return await world.outpost("migrate apply --yes");
    },
  ),
  proof("Run the same command again to continue", "stops a run", async (world, see) => {
    const { run } = await besideRun(world, () => world.outpost("migrate status"));
    see(run);
    return await world.outpost("migrate apply --yes");
  }),
  proof("Run the same command again", "stops a look", async (world, see) => {
    await world.old();
    see(await world.outpost("migrate plan", { stop: AbortSignal.abort() }));
    return await world.outpost("migrate plan");
  }),
  proof(
    "Repair the records named and run {} again; {} leaves them as they are",
    "has a time that is none",
    async (world, see) => {
      await world.old();
      await world.client.hset("tenant:odd", { id: "odd", created_at: "next tuesday" });
      await world.client.hset("tenant:other", { id: "other", created_at: "soon" });
      const output = await world.outpost("migrate apply --yes");
      const [apply, accept] = see(output);
      for (const [, named] of output.stdout.matchAll(/(\S+odd\S*): it cannot be converted: created_at/g)) {
        await world.client.hset(named!, { created_at: "2024-01-15T10:30:00Z" });
      }
      const again = await world.agreed(apply!);
      if (again.code !== 1 || /odd\S*: it cannot/.test(again.stdout)) {
        throw new Error(again.stdout + again.stderr);
      }
      ends(await world.agreed(accept!));
      return await followAll(world, "migrate verify --full");
    },
  ),
  proof(
    "Repair what is named, then run {}: the plan stays good. {} leaves it as it is",
    "has a saved plan for times that are none",
    async (world, see) => {
      await world.old();
      await world.client.hset("tenant:odd", { id: "odd", created_at: "next tuesday" });
      await world.client.hset("tenant:other", { id: "other", created_at: "soon" });
      await world.outpost("migrate plan --out FOLDER/odd.json");
      const output = await world.outpost("migrate apply --plan FOLDER/odd.json --yes");
      const [, leave] = see(output);
      const [, named] = /(\S+odd\S*): created_at/.exec(output.stderr)!;
      await world.client.hset(named!, { created_at: "2024-01-15T10:30:00Z" });
      const again = await world.outpost(see(output)[0]!);
      if (again.code !== 1 || again.stderr.includes("tenant:odd")) throw new Error(again.stderr);
      ends(await world.outpost(leave!));
      return await followAll(world, "migrate verify --full");
    },
  ),
  proof(
    "Choose a form of each: {} or original shows both and asks. Repair what cannot be converted. Then run {} again",
    "has records in two forms before the first is applied",
    async (world, see) => {
      await world.old();
      await world.client.hset("tenant:{acme}:tenant", { id: "acme", name: "another" });
      await world.client.hset("tenant:odd", { id: "odd", created_at: "next tuesday" });
      const [resolve, apply] = see(await world.outpost("migrate apply --yes"));
      ends(await world.agreed(resolve!));
      await world.client.hset("tenant:{odd}:tenant", { created_at: "2024-01-15T10:30:00Z" });
      ends(await world.agreed(apply!));
      return await followAll(world, "migrate verify --full");
    },
  ),
  proof(
    "Settle them with all others that differ: {} or original shows both and asks",
    "names a record that is shown as another one is",
    async (world, see) => {
      await world.current();
      for (const id of ["x".repeat(300), "x".repeat(301)]) {
        for (const key of [`tenant:${id}`, `tenant:{${id}}:tenant`]) {
          await world.client.hset(key, { id, created_at: "1705314600000", entity: "tenant" });
        }
        await world.client.hset(`tenant:${id}`, { name: "since", updated_at: "2030-01-01T00:00:00Z" });
      }
      const key = `tenant:${"x".repeat(193)}…`;
      const [resolve] = see(await world.outpost(`migrate resolve redis/1 ${key} --keep copy --yes`));
      ends(await world.agreed(resolve!));
      return await followAll(world, "migrate verify --full");
    },
  ),
];
