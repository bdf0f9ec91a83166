import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { findCompiler, ROOT, runDeno } from "./compiler.ts";
import { doMainJob } from "./main_job.ts";
import { outcomeOf } from "./outcome.ts";
import { testNeeding } from "./test_needing.ts";

const compiler = await findCompiler();

const missing = typeof compiler === "string" ? compiler : null;

/** A test of the binary, which is compiled once for all of them. */
function testBinary(name: string, run: (binary: string, listing: string) => Promise<void>): void {
  testNeeding("binary", missing, name, async () => {
    const { binary, listing } = await compiled();
    await run(binary, listing);
  });
}

const folder = await Deno.makeTempDir({ prefix: "outpost-binary-" });
let made: Promise<{ readonly binary: string; readonly listing: string }> | undefined;

function compiled() {
  return made ??= (async () => {
    const binary = join(folder, "outpost");
    if (typeof compiler === "string") throw new Error(compiler);
    const { code, stdout, stderr } = await runDeno(compiler, ["task", "compile", "--output", binary]);
    assertEquals(code, 0, stderr);
    return { binary, listing: stdout + stderr };
  })();
}

addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

testBinary(
  "outpost, compiled, migrates an old Outpost: no Deno, no home, nothing written",
  async (binary) => {
    const elsewhere = await Deno.makeTempDir();
    try {
      await doMainJob({
        // No file may be written: a write of a single byte would end the program.
        run: (args, env) =>
          outcomeOf("prlimit", { args: ["--fsize=0", binary, ...args], env, clearEnv: true, cwd: elsewhere }),
        server: [binary, "--version"],
      });
      assertEquals([...Deno.readDirSync(elsewhere)], []);
    } finally {
      await Deno.remove(elsewhere, { recursive: true });
    }
  },
);

testBinary("outpost, compiled, says its version and helps, with an empty environment", async (binary) => {
  const { version } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const shown = await outcomeOf(binary, { args: ["--version"], clearEnv: true, cwd: "/" });
  assertEquals(shown.code, 0, shown.stderr);
  assert(shown.stdout.includes(version), shown.stdout);
  const help = await outcomeOf(binary, { args: ["migrate", "--help"], clearEnv: true, cwd: "/" });
  assertEquals(help.code, 0, help.stderr);
  assertMatch(help.stdout, /apply/);
});

testBinary("deno task compile embeds the program and the packages it uses, and no more", (_, listing) => {
  // The listing shows each embedded file or folder on a line of its own, drawn as a tree.
  const embedded = listing.split("\n").filter((line) => /^[│├└ ]*[├└]/.test(line));
  assert(embedded.length > 5, listing);
  const unwanted =
    /testcontainers|fast-check|@types|undici|dockerode|docs|demo|tests|bench|README|\.d\.ts|\.map/;
  assertEquals(embedded.filter((line) => unwanted.test(line)), []);
  for (const wanted of ["ioredis", "postgres", "ley", "commander", "main.ts", "migrations"]) {
    assert(embedded.some((line) => line.includes(wanted)), wanted);
  }
  const [, size, unit] = /\.deno_compile_node_modules \(([\d.]+)(KB|MB)/.exec(listing) ?? [];
  assert(unit === "KB" || Number(size) < 2.5, `${size} ${unit} of packages are embedded`);
  return Promise.resolve();
});
