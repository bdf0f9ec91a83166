import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runCli, runInProcess } from "../../support/cli.ts";

/** Runs work in a folder that holds these files. */
async function inFolder(
  files: Readonly<Record<string, string>>,
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a file that was found neither weakens TLS nor narrows the gate", async () => {
  for (
    const [line, name] of [
      ["REDIS_TLS_INSECURE=true", "REDIS_TLS_INSECURE"],
      ["REDIS_TLS_CA=/some/ca.pem", "REDIS_TLS_CA"],
      ["MIGRATE_ONLY=redis", "MIGRATE_ONLY"],
    ] as const
  ) {
    await inFolder({ ".env": line }, async (folder) => {
      const { code, stderr } = await runCli(["config"], { cwd: folder });
      assertEquals(code, 2);
      assertStringIncludes(stderr, `${name} in .env is not taken from a file that was found`);
      assertEquals((await runCli(["config", "--config", ".env"], { cwd: folder })).code, 0);
    });
  }
  await inFolder({ ".env": "REDIS_TLS_INSECURE=false\nREDIS_PASSWORD_FILE=/etc/passwd" }, async (folder) => {
    const { code, stdout } = await runCli(["config", "--json"], { cwd: folder });
    assertEquals(code, 0);
    const { settings } = JSON.parse(stdout);
    assertEquals(settings.find(({ env }: { env: string }) => env === "REDIS_PASSWORD").origin, "default");
  });
});

Deno.test("a secret that goes where only a file that was found says is told", async () => {
  const files = { ".env": "REDIS_HOST=elsewhere\nPOSTGRES_URL=postgres://u@elsewhere/d" };
  await inFolder(files, async (folder) => {
    const env = { REDIS_PASSWORD: "swordfish", PGPASSWORD: "swordfish" };
    const { code, stderr } = await runCli(["config"], { cwd: folder, env });
    assertEquals(code, 0);
    for (const name of ["REDIS_PASSWORD", "PGPASSWORD"]) {
      assertStringIncludes(stderr, `${name} is sent to the host that .env names`);
    }
    assertEquals((await runCli(["config"], { cwd: folder, env: { REDIS_HOST: "mine" } })).stderr, "");
    assertEquals((await runCli(["config", "-c", ".env"], { cwd: folder, env })).stderr, "");
    assert(!stderr.includes("swordfish"));
  });
});

Deno.test({
  name: "a stop ends the wait for a configuration file that nobody writes",
  ignore: Deno.version.deno.startsWith("2.4."), // It stands still while it opens a pipe, deaf to signals.
  async fn() {
    const folder = await Deno.makeTempDir();
    const pipe = `${folder}/outpost.yaml`;
    const { success } = await new Deno.Command("mkfifo", { args: [pipe] }).output();
    assert(success);
    const stop = new AbortController();
    const running = runInProcess(["migrate", "status", "-c", pipe], { stop: stop.signal });
    stop.abort();
    const { promise: late, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(() => resolve(null), 60_000);
    const ended = await Promise.race([running, late]);
    clearTimeout(timer);
    // Lets the file's reader go, which else waits for ever.
    (await Deno.open(pipe, { write: true })).close();
    await running;
    await Deno.remove(folder, { recursive: true });
    assertEquals(ended?.code, 130, ended?.stderr);
    assertStringIncludes(ended!.stderr, "nothing was changed");
  },
});
