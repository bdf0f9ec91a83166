/**
 * What only a process of its own can show: signals, prompts on a terminal, a server run in the program's place.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { PROGRAM_LINE, runCli, spawnCli } from "../../support/cli.ts";
import { inheritedEnv } from "../../support/environment.ts";
import { seedLegacyTenant } from "../../support/outpost_data.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { findProgram } from "../../support/server.ts";

/** Reads a stream while it comes, and lets a test wait for a text. */
function collect(stream: ReadableStream<Uint8Array>) {
  let text = "";
  let look = () => {};
  const done = (async () => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      look();
    }
  })();
  return {
    text: () => text,
    done,
    async until(wanted: string) {
      const { promise, resolve } = Promise.withResolvers<void>();
      look = () => {
        if (text.includes(wanted)) resolve();
      };
      look();
      const ended = done.then(() => {
        if (!text.includes(wanted)) throw new Error(`"${wanted}" was never written, but: ${text}`);
      });
      await Promise.race([promise, ended]);
    },
  };
}

Deno.test("outpost as a process", async (test) => {
  // A step builds on the one before: after a failure the others would only wait for what never comes.
  const t = {
    async step(name: string, work: () => Promise<void>) {
      if (!await test.step(name, work)) throw new Error(`Stopped after: ${name}`);
    },
  };
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  const env = {
    REDIS_HOST: "127.0.0.1",
    REDIS_PORT: String(redis.port),
    POSTGRES_URL: await postgres.createDatabase(),
  };
  const client = redis.client();
  for (let i = 0; i < 400; i++) await seedLegacyTenant(client, `t${i}`);

  for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    await t.step(
      `${signal} ends apply after the batch in hand with ${status}, the lock released`,
      async () => {
        const child = spawnCli(
          ["migrate", "apply", "--yes", "--redis-only", "--json", "--max-rate", "40", "--batch-size", "10"],
          { env },
        );
        const stdout = collect(child.stdout);
        const stderr = collect(child.stderr);
        await stdout.until('"event":"progress"');
        child.kill(signal);
        const { code } = await child.status;
        await Promise.all([stdout.done, stderr.done]);
        assertEquals(code, status, stdout.text() + stderr.text());
        const last = JSON.parse(stdout.text().trim().split("\n").at(-1)!);
        assertEquals([last.event, last.ok, last.error.code], ["summary", false, "interrupted"]);
        assertStringIncludes(stderr.text(), `${signal}: stopping after the batch in hand`);
        assertEquals(await client.exists("outpost:migration:lock"), 0);
      },
    );
  }

  await t.step("a second signal ends it at once", async () => {
    const child = spawnCli(
      ["migrate", "apply", "--yes", "--redis-only", "--json", "--max-rate", "1", "--batch-size", "400"],
      { env },
    );
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    await stdout.until('"event":"start"');
    child.kill("SIGINT");
    await stderr.until("SIGINT: stopping");
    child.kill("SIGINT");
    const { code } = await child.status;
    await Promise.all([stdout.done, stderr.done]);
    assertEquals(code, 130);
  });

  await t.step("the question on a terminal defaults to no and takes yes", async () => {
    await client.del("outpost:migration:lock", ".outpost:migration:lock", ".outpost:migration_lock");
    for (const [typed, status] of [["\n", 1], ["y\n", 0]] as const) {
      const result = await onTerminal("migrate apply --sql-only", env, typed);
      assertStringIncludes(result.screen, "Apply 10 migrations to Postgres 127.0.0.1:");
      assertStringIncludes(result.screen, "[y/N]");
      assertStringIncludes(result.screen, "\x1b[1m", "a terminal gets colours");
      assertEquals(result.code, status, result.screen);
    }
  });

  await t.step("Ctrl-C at the question ends with 130 and changes nothing", async () => {
    const { code, screen } = await onTerminal("migrate down 1", env, "\x03");
    assertEquals(code, 130, screen);
    const { stdout } = await runCli(["migrate", "status", "--sql-only", "--json"], { env });
    assertEquals(JSON.parse(stdout).sql.version, 10);
  });

  await t.step("a terminal sees a progress line with a bar", async () => {
    const { code, screen } = await onTerminal("migrate apply --redis-only --yes --max-rate 400", env, "");
    assertEquals(code, 0, screen);
    assert(/\r.*redis\/001_hash_tags.*\[.*=.*\].*of about \d+ records/.test(screen), screen);
  });

  const sh = (script: string) => ["serve", "--", "sh", "-c", script];
  await t.step("serve passes streams, environment and the exit status", async () => {
    const { code, stdout, stderr } = await runCli(sh('echo "out $MARK"; echo err >&2; exit 7'), {
      env: { ...env, MARK: "here" },
    });
    assertEquals([code, stdout, stderr], [7, "out here\n", "err\n"]);
  });

  await t.step("serve gives the server the settings that were proven, whoever said them", async () => {
    const file = await Deno.makeTempFile({ suffix: ".yaml" });
    await Deno.writeTextFile(file, `redis:\n  port: ${env.REDIS_PORT}\n`);
    const { REDIS_PORT: _, POSTGRES_URL, ...rest } = env;
    const { code, stdout, stderr } = await runCli([
      ...["serve", "--config", file, "--postgres-url", POSTGRES_URL],
      ...["--", "sh", "-c", 'echo "$REDIS_HOST $REDIS_PORT $POSTGRES_URL ${REDIS_DATABASE:-unset}"'],
    ], { env: rest });
    assertEquals([code, stdout], [0, `127.0.0.1 ${env.REDIS_PORT} ${POSTGRES_URL} unset\n`], stderr);
    await Deno.remove(file);
  });

  await t.step("serve ends with 128 plus the signal that killed the server", async () => {
    assertEquals((await runCli(sh("kill -KILL $$"), { env })).code, 137);
  });

  await t.step("serve passes signals on and ends as the server ends", async () => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"] as const) {
      const name = signal.slice(3);
      const child = spawnCli(
        sh(`trap 'echo got ${name}; exit 9' ${name}; echo up; while :; do sleep 0.05; done`),
        { env },
      );
      const stdout = collect(child.stdout);
      const stderr = collect(child.stderr);
      await stdout.until("up");
      child.kill(signal);
      const { code } = await child.status;
      await Promise.all([stdout.done, stderr.done]);
      assertEquals([code, stdout.text()], [9, `up\ngot ${name}\n`]);
    }
  });

  await t.step("serve finds outpost-server on PATH", async () => {
    const folder = await Deno.makeTempDir();
    await Deno.writeTextFile(`${folder}/outpost-server`, "#!/bin/sh\necho the server\nexit 3\n", {
      mode: 0o755,
    });
    const { code, stdout } = await runCli(["serve"], {
      env: { ...env, PATH: `${folder}:${Deno.env.get("PATH")}` },
    });
    assertEquals([code, stdout], [3, "the server\n"]);
    await Deno.remove(folder, { recursive: true });
  });

  await t.step("serve names a missing server, and a missing command", async () => {
    const none = await runCli(["serve", "--json"], { env: { ...env, PATH: "/nowhere" } });
    assertEquals([none.code, JSON.parse(none.stdout).error.code], [2, "server_missing"]);
    const wrong = await runCli(["serve", "--", "/no/such/program"], { env });
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.stderr, 'Cannot start "/no/such/program": there is no such program');
  });

  await t.step("serve --wait starts when somebody else has migrated", async () => {
    const taken = await runCli(["migrate", "down", "1", "--yes"], { env });
    assertEquals(taken.code, 0, taken.stderr);
    const child = spawnCli(["serve", "--wait", "2m", "--log-format", "json", "--", "echo", "started"], {
      env,
    });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    await stderr.until("Waiting for migrations: 1 SQL migration pending");
    assertEquals((await runCli(["migrate", "apply", "--yes"], { env })).code, 0);
    const { code } = await child.status;
    await Promise.all([stdout.done, stderr.done]);
    assertEquals([code, stdout.text()], [0, "started\n"]);
  });

  await t.step("a signal ends serve --wait with 143 while it waits", async () => {
    assertEquals((await runCli(["migrate", "down", "1", "--yes"], { env })).code, 0);
    const child = spawnCli(["serve", "--wait", "10m", "--", "echo", "started"], { env });
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    await stderr.until("Waiting for migrations");
    child.kill("SIGTERM");
    const { code } = await child.status;
    await Promise.all([stdout.done, stderr.done]);
    assertEquals([code, stdout.text()], [143, ""]);
  });

  await t.step("a reader that leaves early does no harm", async () => {
    const { code, stdout } = await shell(`${PROGRAM_LINE} migrate list | head -1`, env);
    assertEquals(code, 0);
    assertStringIncludes(stdout, "MIGRATION");
  });

  await t.step("an answer that a full disk took is not passed off as given", async () => {
    if (Deno.build.os !== "linux") return;
    for (const line of ["migrate list --json", "migrate aply --json", "--version"]) {
      const { code, stderr } = await shell(`${PROGRAM_LINE} ${line} > /dev/full`, env);
      assertEquals(code, 2, `${line}: ${stderr}`);
      assertStringIncludes(stderr, "Cannot write to standard output: no space left on device [file_invalid]");
    }
    // Whatever the answer was, the status tells of it.
    const unreachable = { ...env, REDIS_PORT: "1" };
    const { code, stderr } = await shell(
      `${PROGRAM_LINE} migrate status --redis-only --json > /dev/full`,
      unreachable,
    );
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, "Cannot write to standard output");
  });
});

async function shell(line: string, env: Readonly<Record<string, string>>) {
  const output = await new Deno.Command("sh", { args: ["-c", line], env, stdin: "null", cwd: "/" }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code: output.code, stdout: stdout!, stderr: stderr! };
}

/** Runs a command on a pseudo-terminal, types once it asks, and returns everything that the screen got. */
async function onTerminal(line: string, env: Readonly<Record<string, string>>, typed: string) {
  const script = findProgram("script", "util-linux");
  const child = new Deno.Command(script, {
    args: ["-qefc", `stty cols 120; ${PROGRAM_LINE} ${line}`, "/dev/null"],
    clearEnv: true,
    env: { ...inheritedEnv(), ...env, TERM: "xterm", SHELL: "/bin/sh" },
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const screen = collect(child.stdout);
  const writer = child.stdin.getWriter();
  if (typed !== "") {
    await screen.until("[y/N]");
    await writer.write(new TextEncoder().encode(typed));
  }
  const { code } = await child.status;
  await writer.close().catch(() => {}); // It may be gone already, together with the terminal.
  await screen.done;
  return { code, screen: screen.text() };
}
