/** What is offered next: every command that a hint, an example or the last line of an output names is one that there is. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { COMMANDS } from "../../../cli/commands.ts";
import { nextWhenDone } from "../../../cli/output/output.ts";
import { PLAIN } from "../../../cli/output/style.ts";
import { carriedFlags } from "../../../cli/line/carried_flags.ts";
import { parseLine } from "../../../cli/line/program.ts";
import { resolveSettings } from "../../../cli/settings/resolve.ts";

const ROOT = fromFileUrl(new URL("../../..", import.meta.url));

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    if (isDirectory) yield* sources(`${folder}/${name}`);
    else if (name.endsWith(".ts")) yield await Deno.readTextFile(join(ROOT, folder, name));
  }
}

/** What stands for a value is given one. */
const EXAMPLES = { FILE: "plan.json", VERSION: "5", COMMAND: "true" };

function parse(command: string): void {
  const words = command.split(" ").map((word) => EXAMPLES[word as keyof typeof EXAMPLES] ?? word);
  const line = parseLine(words, COMMANDS, "1.0.0", {});
  if (line.kind === "command") line.command.prepare(line.input);
}

Deno.test("every command that is offered can be run as it is written", async () => {
  let seen = 0;
  for (const folder of ["cli", "engine"]) {
    for await (const text of sources(folder)) {
      const hints = [...text.matchAll(/hint`[^`]*`/g)].flatMap((
        [all],
      ) => [...all.matchAll(/\$\{"([^"]+)"\}/g)]);
      for (const [, command] of hints) {
        parse(`migrate ${command}`);
        seen++;
      }
      const offered = [
        ...text.matchAll(/nextCommand\(\s*\w+,\s*"outpost ([^"$]+)"/g),
        ...text.matchAll(/\{ command: "outpost ([^"&|]+?)(?: &&[^"]*)?", does:/g),
        ...text.matchAll(/hint:\s*"[^"]*?\boutpost (migrate [a-z]+(?: [a-z0-9/_-]+)*)"/g),
      ];
      for (const [, command] of offered) {
        if (/^complete /.test(command!)) continue;
        parse(command!.trim());
        seen++;
      }
    }
  }
  assert(seen > 60, String(seen));
});

Deno.test("carriedFlags() says which stores and records are meant, with a mark in the place of secrets", () => {
  const flags = new Map<string, unknown>([
    ["redis-host", "10.0.0.7"],
    ["redis-password", "swordfish"],
    ["postgres-url", "postgres://app:swordfish@db/outpost?sslmode=require"],
    ["clickhouse-addr", "http://app:swordfish@ch:8123"],
    ["redis-tls", false],
    ["redis-cluster", true],
    ["deployment-id", "dp_1"],
    ["sql-only", true],
    ["log-level", "debug"],
    ["lock-wait", "5s"],
    ["max-rate", "5"],
  ]);
  const env = { REDIS_PORT: "7000" };
  const resolved = resolveSettings({ flags, env, file: null, secretFiles: new Map() });
  assertEquals(
    carriedFlags(resolved, "my file.yaml", flags),
    " --config 'my file.yaml' --redis-host 10.0.0.7 --redis-password '[hidden]' --redis-cluster --no-redis-tls" +
      " --postgres-url 'postgres://app:[hidden]@db/outpost?sslmode=require'" +
      " --clickhouse-addr 'http://app:[hidden]@ch:8123' --deployment-id dp_1 --sql-only",
  );
  const none = new Map<string, unknown>();
  const unset = resolveSettings({ flags: none, env, file: null, secretFiles: new Map() });
  assertEquals(carriedFlags(unset, undefined, none), "");
});

Deno.test("carriedFlags() names the database of the flag, and not what a file adds to it", () => {
  const url = "postgres://app@db/staging?application_name=it's me";
  const flags = new Map<string, unknown>([["postgres-url", url]]);
  const file = { name: "POSTGRES_PASSWORD_FILE", path: "/secret", value: "swordfish", problem: null };
  const resolved = resolveSettings({
    flags,
    env: { POSTGRES_URL: "postgres://app@db/production" },
    file: null,
    secretFiles: new Map([["POSTGRES_PASSWORD", file]]),
  });
  assertEquals(
    carriedFlags(resolved, undefined, flags),
    ` --postgres-url 'postgres://app@db/staging?application_name=it'\\''s me'`,
  );
});

Deno.test("carriedFlags() shows nothing of a value that cannot be used", () => {
  for (const url of ["postgres://app:sword/fish@db/outpost", "host=db password=swordfish"]) {
    const flags = new Map<string, unknown>([["postgres-url", url], ["redis-host", "redis://app@db"]]);
    const resolved = resolveSettings({ flags, env: {}, file: null, secretFiles: new Map() });
    assertEquals(
      carriedFlags(resolved, undefined, flags),
      " --redis-host '[hidden]' --postgres-url '[hidden]'",
    );
  }
});

Deno.test("nextWhenDone() offers the server only where nothing is pending and no flag left out a side that there is", () => {
  const next = (carried: string, pending = false, oneSided = false) =>
    nextWhenDone({ style: PLAIN, carried, oneSided }, { pending }).split("  ")[0];
  assertEquals(next(" --sql-only", true), "Next: outpost migrate plan --sql-only");
  assertEquals(next(" --redis-host h --sql-only"), "Next: outpost migrate status --redis-host h");
  assertEquals(next(" --redis-only"), "Next: outpost migrate status");
  assertEquals(next(" --redis-only", false, true), "Next: outpost serve --redis-only");
  assertEquals(next(" --redis-host h"), "Next: outpost serve --redis-host h");
});
