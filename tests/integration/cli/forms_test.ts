/** One plan in every form that it is shown in: the same facts in each, and readable on 60 columns. */

import { assertEquals } from "@std/assert";
import { assertGolden, normalize } from "../../support/golden.ts";
import { World } from "../advice/world.ts";

const NARROW = 60;

const FILE = /^Configuration file: \S+$/gm;

/** What a text says, however it is broken into lines. */
function words(text: string): string {
  return text.replace(/\s+/g, " ");
}

function textOf(html: string): string {
  const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return html.replace(/<style>.*?<\/style>/s, "").replace(/<[^>]*>/g, " ")
    .replace(/&(amp|lt|gt|quot|#39);/g, (_all, name: string) => named[name]!);
}

/** All that a plan's JSON says and a person has to know. */
// deno-lint-ignore no-explicit-any
function factsOf(plan: any): readonly string[] {
  return [
    ...plan.stores.map(({ host, port, database }: { host: string; port: number; database: string }) =>
      `${host}:${port}/${database}`
    ),
    // deno-lint-ignore no-explicit-any
    ...plan.sql.steps.flatMap(({ id, name, tables, consequences }: any) => [
      id,
      name,
      ...tables.flatMap(({ name, lock }: { name: string; lock: string }) => [name, lock]),
      ...consequences.flatMap(({ table, detail }: { table: string; detail: string }) => [table, detail]),
    ]),
    // deno-lint-ignore no-explicit-any
    ...plan.redis.flatMap(({ id, description, estimated_items, scope, examples, invalid }: any) => [
      ...[id, description, `${estimated_items} record`],
      ...Object.keys(scope).filter((kind) => kind !== "invalid"),
      ...examples.flatMap(Object.values),
      ...invalid.flatMap(Object.values),
    ]),
    ...plan.blockers.flatMap(({ detail, hint }: { detail: string; hint: string }) => [detail, hint]),
  ];
}

Deno.test("a plan says the same in text, Markdown, JSON and HTML, and in 60 columns", async (t) => {
  await using world = await World.start();
  await world.begin();
  await world.old();
  await world.client.hset("tenant:{odd}:tenant", { id: "odd", created_at: "yesterday & <before>" });
  await world.sql().unsafe("create view report as select response_data from deliveries");
  const page = `${world.folder}/plan.html`;
  const shown = async (line: string, columns?: number) => {
    const options = columns === undefined ? {} : { answers: [], columns, env: { NO_COLOR: "1" } };
    return (await world.outpost(line, options)).stdout;
  };
  const json = await shown("migrate plan --json");
  const wide = await shown(`migrate plan --html ${page}`);
  const narrow = await shown("migrate plan", NARROW);
  const forms = {
    text: wide,
    markdown: await shown("migrate plan --markdown"),
    html: textOf(await Deno.readTextFile(page)),
    narrow,
  };
  const facts = factsOf(JSON.parse(json));

  for (const [form, text] of Object.entries(forms)) {
    await t.step(form, () => {
      const said = words(text);
      assertEquals(facts.filter((fact) => !said.includes(words(fact))), []);
    });
  }

  await t.step("nothing is wider than the terminal that could be broken", async () => {
    const listed = await shown("migrate list", NARROW);
    const screens = {
      ...{ narrow, listed, config_60: await shown("config", NARROW) },
      // Which records are shown as examples, the server's own order decides.
      plan_60: await shown("migrate plan --sql-only", NARROW),
      status_60: await shown("migrate status", NARROW),
      verify_60: await shown("migrate verify", NARROW),
    };
    for (const [name, screen] of Object.entries(screens)) {
      // How long the path of this checkout is, is not the program's doing.
      const wide = screen.replaceAll(FILE, "Configuration file: FILE").split("\n")
        .filter((line) => line.length > NARROW && line.trim().includes(" "));
      assertEquals(wide, [], name);
    }
    // Tables that do not fit stand in two lines.
    for (const name of ["plan_60", "config_60"] as const) {
      const text = screens[name].replaceAll(FILE, "Configuration file: FILE")
        .replace(/\/old_\d+/g, "/DATABASE").replace(/^ +\d{4,5}(?= +REDIS_PORT)/m, "  PORT");
      await assertGolden(`${name}.txt`, normalize(text));
    }
  });
});
