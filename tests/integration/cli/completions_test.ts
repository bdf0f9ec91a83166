/**
 * Completions in the real shells, as far as they are installed.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { PROGRAM_LINE, runCli } from "../../support/cli.ts";
import { inheritedEnv } from "../../support/environment.ts";

function installed(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

const BASH_COMPLETION = "/usr/share/bash-completion/bash_completion";

/** A folder with an `outpost` that is this checkout's. */
async function programOnPath(): Promise<{ readonly folder: string } & AsyncDisposable> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/outpost`, `#!/bin/sh\nexec ${PROGRAM_LINE} "$@"\n`, {
    mode: 0o755,
  });
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

async function shell(program: string, args: readonly string[], folder: string): Promise<string> {
  const inherited = inheritedEnv();
  const { stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    clearEnv: true,
    env: { ...inherited, PATH: `${folder}:${inherited.PATH}`, TERM: "xterm", LANG: "C.UTF-8" },
    cwd: folder,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return decoder.decode(stdout) + decoder.decode(stderr);
}

Deno.test("outpost complete offers commands, options, values and migration IDs", async () => {
  const offered = async (...words: string[]) => {
    const { code, stdout, stderr } = await runCli(["complete", "--", ...words]);
    assertEquals([code, stderr], [0, ""]);
    return stdout.trim().split("\n").slice(0, -1).map((line) => line.split("\t")[0]);
  };
  assertEquals(await offered("migrate", "un"), ["unlock"]);
  assertEquals(await offered("migrate", "plan", "redis/00"), [
    "redis/001_hash_tags",
    "redis/002_timestamps",
    "redis/003_entity",
  ]);
  assertEquals(await offered("migrate", "apply", "sql/000001", "sql/00001"), ["sql/000010"]);
  assertEquals(await offered("migrate", "apply", "--log-format", ""), ["text", "json"]);
  assertEquals(await offered("migrate", "apply", "--skip"), ["--skip-invalid"]);
  assertEquals(await offered("completions", ""), ["bash", "zsh", "fish"]);
});

Deno.test({
  name: "bash completes commands and IDs",
  ignore: !installed(BASH_COMPLETION),
  async fn() {
    await using program = await programOnPath();
    const ask = (line: string) =>
      `COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMP_LINE="${line}"; COMP_POINT=\${#COMP_LINE}
       __outpost_complete 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const script = [
      `source ${BASH_COMPLETION}`,
      "source <(outpost completions bash)",
      ask("outpost migrate sta"),
      ask("outpost migrate plan redis/003"),
    ].join("\n");
    assertEquals(await shell("bash", ["-c", script], program.folder), "status\nredis/003_entity\n");
  },
});

Deno.test({
  name: "fish completes commands and IDs",
  ignore: !installed("/usr/bin/fish"),
  async fn() {
    await using program = await programOnPath();
    const script = 'outpost completions fish | source; complete -C "outpost migrate plan redis/003"; ' +
      'complete -C "outpost migrate sta"';
    const lines = (await shell("fish", ["--no-config", "-c", script], program.folder)).trim().split("\n");
    assertEquals(lines.map((line) => line.split("\t")[0]), ["redis/003_entity", "status"]);
  },
});

Deno.test({
  name: "zsh completes commands and IDs",
  ignore: !installed("/usr/bin/zsh"),
  async fn() {
    await using program = await programOnPath();
    // zpty reads until the pattern appears: nothing here waits for the clock.
    const script = [
      "zmodload zsh/zpty",
      "zpty z zsh -f -i",
      `zpty -w z 'PS1="ready> "; autoload -Uz compinit; compinit -u -d dump; source <(outpost completions zsh); print loa""ded'`,
      "zpty -r -m z out '*loaded*'",
      "zpty -n -w z $'outpost migrate plan redis/003\\t'",
      "zpty -r -m z out '*redis/003_entity*'; print -r -- $out",
      "zpty -d z",
    ].join("\n");
    assertStringIncludes(await shell("zsh", ["-f", "-c", script], program.folder), "redis/003_entity");
  },
});

Deno.test("outpost completions prints a script that names the program", async () => {
  for (const name of ["bash", "zsh", "fish"]) {
    const { code, stdout } = await runCli(["completions", name]);
    assertEquals(code, 0);
    assert(stdout.includes("complete --") && stdout.includes("outpost"), name);
  }
});
