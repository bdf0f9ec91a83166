import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { up as leyUp } from "ley";
import { createNotesEngine } from "../../../examples/notes/main.ts";
import { readLeyProject } from "../../../mod.ts";
import { RegistryError } from "../../../engine/errors.ts";
import { startPostgres } from "../../support/postgres.ts";

const FOLDER = new URL("../../../examples/notes", import.meta.url).pathname;

Deno.test("A project of ley goes on under an engine, and under ley again", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  // As ley itself left it: the first file applied, and recorded in its table.
  await sql`CREATE TABLE migrations (id serial primary key, name varchar(255) NOT NULL, created_at timestamp NOT NULL)`;
  await sql`CREATE TABLE notes (id text PRIMARY KEY, body text NOT NULL)`;
  await sql`INSERT INTO migrations (name, created_at) VALUES ('000-notes.ts', now())`;
  await sql`INSERT INTO notes VALUES ('n1', 'kept')`;
  const engine = await createNotesEngine(sql);
  const names = async () => (await sql`SELECT name FROM migrations ORDER BY id`).map(({ name }) => name);

  const { migrations } = await engine.list();
  assertEquals(migrations.map(({ id, name, status }) => [id, name, status]), [
    ["sql/000001", "000-notes", "applied"],
    ["sql/000002", "001-note-tags", "pending"],
  ]);
  const plan = await engine.plan();
  assertStringIncludes(plan.postgres!.steps[0]!.statements[0]!, "ADD COLUMN tags");
  assertEquals((await engine.apply()).results.map(({ id, outcome }) => [id, outcome]), [[
    "sql/000002",
    "applied",
  ]]);
  assertEquals(await names(), ["000-notes.ts", "001-note-tags.ts"]);
  assertEquals([...await sql`SELECT * FROM notes`], [{ id: "n1", body: "kept", tags: [] }]);
  assertEquals((await engine.verify()).ok, true);

  // ley looks at the same table, and finds nothing left to do.
  const driver = {
    connect: () => ({}),
    setup: async () => [...await sql`SELECT name FROM migrations ORDER BY id`],
    loop: () => Promise.reject(new Error("There is nothing to run")),
    end: () => {},
  };
  assertEquals(await leyUp({ cwd: FOLDER, dir: "migrations", driver: driver as never, config: {} }), []);

  assertEquals(await engine.down({ to: 1 }), ["sql/000002"]);
  assertEquals(await names(), ["000-notes.ts"]);
  assertEquals([...await sql`SELECT * FROM notes`], [{ id: "n1", body: "kept" }]);
});

Deno.test("A file of ley that fails leaves nothing behind, and its table as it was", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 3 });
  await sql`CREATE TABLE migrations (id serial primary key, name varchar(255) NOT NULL, created_at timestamp NOT NULL)`;
  await sql`INSERT INTO migrations (name, created_at) VALUES ('000-notes.ts', now())`;
  const engine = await createNotesEngine(sql);
  await assertRejects(() => engine.apply(), Error, "does not exist");
  assertEquals((await sql`SELECT name FROM migrations`).length, 1);
  await sql`UPDATE migrations SET name = '000-other.ts'`;
  assertEquals((await engine.status()).postgres!.drift, [
    '"migrations" has "000-other.ts" where the folder has "000-notes.ts"',
  ]);
});

Deno.test("readLeyProject() reads CommonJS files too, and refuses an empty folder", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await assertRejects(() => readLeyProject(directory), RegistryError, "it has no files");
    await assertRejects(
      () => readLeyProject(`${directory}/none`),
      RegistryError,
      "no such file or directory",
    );
    for (const none of ["", "migrations", undefined as unknown as string]) {
      await assertRejects(() => readLeyProject(none), RegistryError, "it is no absolute path");
    }
    await Deno.writeTextFile(`${directory}/10-b.cjs`, "exports.up = async () => {};");
    await Deno.writeTextFile(`${directory}/9-a.mjs`, "export const up = async () => {};");
    assertEquals((await readLeyProject(directory)).files, ["9-a.mjs", "10-b.cjs"]);
    await Deno.writeTextFile(`${directory}/11-c.mjs`, "export const other = 1;");
    await assertRejects(() => readLeyProject(directory), RegistryError, "exports no up");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
