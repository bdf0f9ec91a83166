import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { copyCheckout } from "./copy_checkout.ts";

/** Runs Deno in a folder. */
async function deno(folder: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: folder,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

Deno.test("migrate new", async (t) => {
  await using checkout = await copyCheckout();
  const outpost = (...args: readonly string[]) =>
    deno(checkout.path, "run", "-A", "main.ts", "migrate", "new", ...args);

  let test = "";
  await t.step("writes a Redis migration whose file, entry and test stand as they are", async () => {
    const { code, stdout, stderr } = await outpost("redis", "lower_topics", "--json");
    assertEquals(code, 0, stderr);
    const { id, created, changed } = JSON.parse(stdout);
    assertMatch(id, /^redis\/\d{3}_lower_topics$/);
    const format = await deno(checkout.path, "fmt", "--check", ...created, ...changed);
    assertEquals(format.code, 0, format.stderr);
    const tested = await deno(checkout.path, "test", "-A", "--no-check", created[1]);
    assertEquals(tested.code, 0, tested.stdout + tested.stderr);
    assertStringIncludes(tested.stdout, "2 passed");
    test = created[1];
  });

  await t.step(
    "writes a Postgres step and its entry, which type-check as the Redis migration does",
    async () => {
      const { code, stdout, stderr } = await outpost("sql", "event_source");
      assertEquals(code, 0, stderr);
      const [, path] = /new +(migrations\/sql\/postgres\/\d{6}_event_source\.ts)/.exec(stdout)!;
      const list = await Deno.readTextFile(join(checkout.path, "migrations/sql/postgres_steps.ts"));
      assertStringIncludes(list, `from "./postgres/${path!.split("/").at(-1)}";\n`);
      const files = ["main.ts", ...(/new +(tests\S+)/.exec(stdout)!).slice(1)];
      const checked = await deno(checkout.path, "check", "--quiet", ...files, test);
      assertEquals(checked.code, 0, checked.stderr);
      const format = await deno(
        checkout.path,
        "fmt",
        "--check",
        path!,
        files[1]!,
        "migrations/sql/postgres_steps.ts",
      );
      assertEquals(format.code, 0, format.stderr);
    },
  );

  await t.step("refuses what cannot be a migration, and writes nothing then", async () => {
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["redis", "Lower-Topics"], 2, /small letters/],
      [["mongo", "lower_topics"], 2, /kind redis or sql/],
      [["redis", "lower_topics"], 2, /There is a migration called lower_topics already/],
      [["redis"], 2, /Missing required argument/],
    ];
    const list = await Deno.readTextFile(join(checkout.path, "migrations/redis.ts"));
    for (const [args, status, message] of cases) {
      const { code, stderr } = await outpost(...args);
      assertEquals(code, status, args.join(" "));
      assertMatch(stderr, message);
    }
    assertEquals(await Deno.readTextFile(join(checkout.path, "migrations/redis.ts")), list);
    await Deno.mkdir(join(checkout.path, "elsewhere"));
    const outside = await deno(
      join(checkout.path, "elsewhere"),
      "run",
      "-A",
      "../main.ts",
      "migrate",
      "new",
      "redis",
      "x",
    );
    assertEquals(outside.code, 2);
    assertMatch(outside.stderr, /Cannot find "migrations\/redis\.ts" here/);
    assertMatch(outside.stderr, /in the root of a checkout/);
  });
});
