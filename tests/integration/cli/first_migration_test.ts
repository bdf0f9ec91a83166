/** Walks docs/library.md's way of a first migration, with the commands that stand there, in a copy of the checkout. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { startFaultProxy } from "../../support/faults/fault_proxy.ts";
import { startRedis } from "../../support/redis.ts";
import { copyCheckout } from "./copy_checkout.ts";

const PAGE = new URL("../../../docs/library.md", import.meta.url);
/** As the page calls the program. */
const PROGRAM = "./dev deno run -A main.ts ";

Deno.test("docs/library.md: the first migration, from nothing", async (t) => {
  await using checkout = await copyCheckout();
  await using server = await startRedis();
  const redis = server.client();
  const env = {
    REDIS_HOST: "127.0.0.1",
    MIGRATE_ONLY: "redis",
    NO_COLOR: "1",
  };
  const { lines, file } = walkOf(await Deno.readTextFile(PAGE));

  const start = (args: readonly string[], port = server.port) =>
    new Deno.Command(Deno.execPath(), {
      args: [...args],
      cwd: checkout.path,
      env: { ...env, REDIS_PORT: String(port) },
      ...{ stdin: "null", stdout: "piped", stderr: "piped" } as const,
    }).spawn();
  const run = async (args: readonly string[]) => {
    const { code, stdout, stderr } = await start(args).output();
    const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals(code, 0, `${args.join(" ")}\n${out}${errors}`);
    return out!;
  };
  /** The next line of the page, which has to be a command of the program. */
  const next = () => {
    const line = lines.shift()!;
    assert(line.startsWith(PROGRAM), line);
    return ["run", "-A", "main.ts", ...line.slice(PROGRAM.length).split(" ")];
  };

  await t.step("the migration is written, changed, and its test passes", async () => {
    const out = await run(next());
    const [, path] = /new +(migrations\S+)/.exec(out)!;
    const [, test] = /new +(tests\S+)/.exec(out)!;
    await Deno.writeTextFile(join(checkout.path, path!), file);
    const written = await Deno.readTextFile(join(checkout.path, test!));
    const changed = written.replaceAll('field: "old"', 'topics: "ORDERS"').replace(
      '["d", "old"]',
      '["d", "ORDERS"]',
    )
      .replace('["field", "new"]', '["topics", "orders"]');
    await Deno.writeTextFile(join(checkout.path, test!), changed);
    await run(["check", "--quiet", path!, test!]);
    assertEquals(lines.shift(), "./dev test tests/integration/migrations");
    assertStringIncludes(await run(["test", "-A", "--no-check", "tests/integration/migrations"]), "2 passed");
  });

  await t.step("it is planned over the records that the page seeds", async () => {
    assert(lines.shift()!.startsWith("redis-server "));
    const seed = /^redis-cli -p 6390 EVAL "(.*)" 0$/.exec(lines.shift()!)!;
    await redis.eval(seed[1]!, 0);
    assertEquals(lines.shift(), "export REDIS_HOST=127.0.0.1 REDIS_PORT=6390 MIGRATE_ONLY=redis");
    assertStringIncludes(await run(next()), "topics=orders");
  });

  await t.step("it is applied, interrupted, and applied", async () => {
    // Halfway its next write is held until it has heard of the end, however fast it is.
    const [halfway, heard] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    await using proxy = startFaultProxy({
      protocol: "redis",
      target: server.port,
      decide: async ({ name }) => {
        if (!name.startsWith("EVAL") || await redis.dbsize() < 20_100) return null;
        halfway.resolve();
        await heard.promise;
        return null;
      },
    });
    const apply = start(next(), proxy.port);
    await halfway.promise;
    apply.kill("SIGINT");
    let told = "";
    for await (const text of apply.stderr.pipeThrough(new TextDecoderStream())) {
      told += text;
      if (told.includes("SIGINT: stopping")) heard.resolve();
    }
    await apply.stdout.cancel();
    assertEquals((await apply.status).code, 130, told);
    assertStringIncludes(await run(next()), "pending");
    await run(next());
    const topics = new Set<string | null>();
    for (let i = 1; i <= 20_000; i += 1999) {
      topics.add(await redis.hget(`tenant:{t}:destination:d${i}`, "topics"));
    }
    assertEquals([...topics], ["orders"]);
  });

  await t.step("it is verified and cleaned up", async () => {
    assertStringIncludes(await run(next()), "20,000 of 20,000 checks passed");
    await run(next());
    assertEquals(await redis.exists("tenant:t:destination:d1"), 0);
    assertEquals(lines.shift(), "redis-cli -p 6390 SHUTDOWN NOSAVE");
    assertEquals(lines, []);
  });
});

/** The lines that the section has its reader type, and the file that it has them write. */
function walkOf(page: string): { lines: string[]; file: string } {
  const section = /^## The first migration, from nothing\n(.*?)(?=^## |(?![^]))/ms.exec(page)![1]!;
  const lines = [...section.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) =>
    block!.trim().split("\n")
  );
  return { lines, file: /^```ts\n(.*?)^```/ms.exec(section)![1]! };
}
