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
  assertEquals(await offered("completions", "bash", "--js"), ["--json"]);
  const { stdout: script } = await runCli(["completions", "bash"]);
  const { stdout: object } = await runCli(["completions", "bash", "--json"]);
  assertEquals(JSON.parse(object), { shell: "bash", script });
});

Deno.test({
  name:
    "bash completes commands, IDs, values, files and the command after --, by itself and with its package",
  async fn() {
    await using program = await programOnPath();
    await Deno.writeTextFile(`${program.folder}/a plan.json`, "");
    await Deno.writeTextFile(`${program.folder}/outpost-server-of-a-test`, "#!/bin/sh\n", { mode: 0o755 });
    const ask = (words: readonly string[]) =>
      `COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
       COMP_LINE='${words.join(" ")}'; COMP_POINT=\${#COMP_LINE}
       __outpost_complete 2>/dev/null; (IFS='|'; printf '%s\\n' "\${COMPREPLY[*]}")`;
    const packages = installed(BASH_COMPLETION) ? [[], [`source ${BASH_COMPLETION}`]] : [[]];
    for (const before of packages) {
      const lines = [
        ...before,
        "source <(outpost completions bash)",
        "source <(outpost completions bash)",
        ask(["outpost", "migrate", "sta"]),
        ask(["outpost", "migrate", "plan", "redis/003"]),
        ask(["outpost", "migrate", "plan", "--log-level", "="]),
        ask(["outpost", "migrate", "down", "--store", ""]),
        ask(["outpost", "migrate", "apply", "--plan", "a"]),
        ask(["outpost", "serve", "--", "outpost-server-of"]),
        ask(["outpost", "migrate", "plan", "$(touch evil)"]),
      ];
      const [first, ...more] = (await shell("bash", ["--norc", "-c", lines.join("\n")], program.folder))
        .trim().split("\n");
      assertEquals([first, ...more], [
        "status",
        "redis/003_entity",
        "debug|info|warn|error",
        "postgres|clickhouse",
        "a plan.json",
        "outpost-server-of-a-test",
      ]);
    }
    assertEquals(installed(`${program.folder}/evil`), false, "what is typed is not run");
  },
});

Deno.test({
  name: "fish completes commands, IDs, values, files and the command after --",
  ignore: !installed("/usr/bin/fish"),
  async fn() {
    await using program = await programOnPath();
    await Deno.writeTextFile(`${program.folder}/plan.json`, "");
    const asked = [
      "migrate plan redis/003",
      "migrate sta",
      "migrate down --store c",
      "migrate apply --plan pla",
    ];
    const script = [
      "outpost completions fish | source",
      ...[...asked, "serve -- fish_inden"].map((line) => `complete -C "outpost ${line}"`),
    ].join("; ");
    const lines = (await shell("fish", ["--no-config", "-c", script], program.folder)).trim().split("\n");
    assertEquals(lines.map((line) => line.split("\t")[0]), [
      ...["redis/003_entity", "status", "clickhouse", "plan.json", "fish_indent"],
    ]);
  },
});

Deno.test({
  name: "zsh completes commands, IDs and the command after --",
  ignore: !installed("/usr/bin/zsh"),
  async fn() {
    await using program = await programOnPath();
    await Deno.writeTextFile(`${program.folder}/outpost-server-of-a-test`, "#!/bin/sh\n", { mode: 0o755 });
    // zpty reads until the pattern appears: nothing here waits for the clock.
    const script = [
      "zmodload zsh/zpty",
      "zpty z zsh -f -i",
      `zpty -w z 'PS1="ready> "; autoload -Uz compinit; compinit -u -d dump; source <(outpost completions zsh); print loa""ded'`,
      "zpty -r -m z out '*loaded*'",
      "zpty -n -w z $'outpost migrate plan redis/003\\t'",
      "zpty -r -m z out '*redis/003_entity*'; print -r -- $out",
      "zpty -n -w z $'\\025outpost serve -- outpost-server-of\\t'",
      "zpty -r -m z out '*outpost-server-of-a-test*'; print -r -- $out",
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
