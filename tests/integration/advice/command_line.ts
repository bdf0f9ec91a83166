/**
 * Advice on what was typed.
 *
 * @module
 */

import { commandIn, ends } from "./follow.ts";
import { mended, type Proof, proof } from "./proof.ts";
import { scaffoldCheckout } from "./scaffold_checkout.ts";

/** All of it. */
export const COMMAND_LINE: readonly Proof[] = [
  mended("Known are {}", "asks for an unknown shell", "completions tcsh", "completions bash"),
  mended("Did you mean {}?", "mistypes a shell", "completions bsh", "completions bash"),
  mended("See outpost --help", "types an option alone", "--sql-only", "--help"),
  mended(
    "See what it has: outpost {} --help",
    "names a store to who asks none",
    "completions bash --redis-host h",
    "completions --help",
  ),
  mended(
    "For example: outpost migrate apply redis/002_timestamps --rerun",
    "runs nothing again",
    "migrate apply --rerun",
    "migrate apply --yes",
  ),
  proof(
    "Name Redis migrations alone; to take SQL steps back, see outpost migrate down --help",
    "runs a SQL step again",
    async (world, see) => {
      await world.current();
      see(await world.outpost("migrate apply sql/1 --rerun --yes"));
      ends(await world.outpost("migrate apply redis/2 --rerun --yes"));
      return await world.outpost("migrate down --help");
    },
  ),
  proof("For example: outpost migrate down 1", "takes back nothing in particular", async (world, see) => {
    await world.current();
    see(await world.outpost("migrate down"));
    return await world.agreed("migrate down 1");
  }),
  proof(
    "Choose another name: a migration is found by its name alone, too",
    "takes a name twice",
    (_, see) =>
      scaffoldCheckout(async (run) => {
        see(await run("migrate new redis timestamps"));
        return await run("migrate new redis another_name");
      }),
  ),
  proof(
    "Add the file and its entry by hand: CONTRIBUTING.md lists what belongs to a migration",
    "has another list of steps",
    (_, see) =>
      scaffoldCheckout(async (run, folder) => {
        const list = `${folder}/migrations/redis.ts`;
        const content = await Deno.readTextFile(list);
        await Deno.writeTextFile(list, "export const other = [];\n");
        see(await run("migrate new redis another_name"));
        const guide = await Deno.readTextFile(new URL("../../../CONTRIBUTING.md", import.meta.url));
        if (!guide.includes("`migrations/redis.ts`")) throw new Error("CONTRIBUTING.md does not list it");
        await Deno.writeTextFile(list, content);
        return await run("migrate new redis another_name");
      }),
  ),
  proof(
    "Run this in the root of a checkout of the project",
    "is somewhere else",
    (_, see) =>
      scaffoldCheckout(async (run, folder) => {
        await Deno.mkdir(`${folder}/elsewhere`);
        see(await run("migrate new redis another_name", `${folder}/elsewhere`));
        return await run("migrate new redis another_name");
      }),
  ),
  proof(
    "Choose another name, or delete the file",
    "has such a file",
    (_, see) =>
      scaffoldCheckout(async (run, folder) => {
        const file = `${folder}/migrations/redis/004_another_name.ts`;
        await Deno.writeTextFile(file, "");
        see(await run("migrate new redis another_name"));
        await Deno.remove(file);
        return await run("migrate new redis another_name");
      }),
  ),
  proof(
    "See whether this folder can be written; delete what was written before trying again",
    "has a file where a folder should be",
    (_, see) =>
      scaffoldCheckout(async (run, folder) => {
        await Deno.writeTextFile(`${folder}/tests`, "");
        see(await run("migrate new redis another_name"));
        await Deno.remove(`${folder}/tests`);
        await Deno.remove(`${folder}/migrations/redis/004_another_name.ts`);
        return await run("migrate new redis another_name");
      }),
  ),
  mended("Pass one of them", "wants two forms", "migrate plan --markdown --json", "migrate plan --markdown"),
  mended(
    "Leave one of them away",
    "contradicts himself",
    "migrate plan --sql-only --redis-only",
    "migrate plan --sql-only",
  ),
  proof(
    "For example: outpost migrate resolve redis/1 tenant:acme --keep original",
    "settles nothing in particular",
    async (world, see) => {
      await world.current();
      await world.client.hset("tenant:acme", { name: "written since", updated_at: "2030-01-01T00:00:00Z" });
      see(await world.outpost("migrate resolve redis/1 --keep original"));
      return await world.agreed("migrate resolve redis/1 tenant:acme --keep original");
    },
  ),
  proof("Confirm on the command line: {}", "has no terminal", async (world, see) => {
    await world.old();
    const [command] = see(await world.outpost("migrate apply"));
    return await world.outpost(commandIn(command!));
  }),
  mended(
    "Name a file in a folder that exists and can be written",
    "writes into no folder",
    "migrate plan --out FOLDER/none/plan.json",
    "migrate plan --out FOLDER/plan.json",
  ),
  proof(
    "Save a plan with outpost migrate plan --out FILE, and name that file",
    "applies what is no plan",
    async (world, see) => {
      await world.old();
      const file = await world.write("no_plan.json", "{}");
      see(await world.outpost(`migrate apply --plan ${file} --yes`));
      ends(await world.outpost("migrate plan --out FOLDER/a_plan.json"));
      return await world.outpost("migrate apply --plan FOLDER/a_plan.json --yes");
    },
  ),
  proof("Use the release that saved it, or plan again", "has a newer plan", async (world, see) => {
    await world.old();
    ends(await world.outpost("migrate plan --out FOLDER/new.json"));
    const text = await Deno.readTextFile(`${world.folder}/new.json`);
    await world.write("new.json", text.replace(/"format_version": \d+/, '"format_version": 99'));
    see(await world.outpost("migrate apply --plan FOLDER/new.json --yes"));
    ends(await world.outpost("migrate plan --out FOLDER/new.json"));
    return await world.outpost("migrate apply --plan FOLDER/new.json --yes");
  }),
  proof(
    "Install it, or name the server's command: outpost serve -- COMMAND ARG...",
    "has no server",
    async (world, see) => {
      await world.current();
      see(await world.outpost("serve", { env: { PATH: "/nowhere" } }));
      return await world.outpost("serve -- true");
    },
  ),
  proof("Check the command after --", "mistypes the server", async (world, see) => {
    await world.current();
    see(await world.outpost("serve -- /nowhere/true"));
    return await world.outpost("serve -- true");
  }),
  mended(
    "Write the ID with its store in front",
    "means two migrations",
    "migrate plan 1",
    "migrate plan sql/1",
  ),
  mended("Known are: {}", "means none", "migrate plan sql/99", "migrate plan sql/1"),
  proof("Known are 0 to {}", "forces an unknown version", async (world, see) => {
    await world.current();
    const [latest] = see(await world.outpost("migrate force 99 --yes"));
    return await world.outpost(`migrate force ${Number.parseInt(latest!)} --yes`);
  }),
  mended(
    "Name them too, or apply everything that is pending",
    "leaves out what comes first",
    "migrate apply sql/3 --yes",
    "migrate apply sql/1 sql/2 sql/3 --yes",
  ),
  mended(
    "Leave --redis-only away, and MIGRATE_ONLY where that says it",
    "forces a version of Redis",
    "migrate force 0 --redis-only",
    "migrate force 0 --yes",
  ),
];
