import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../../../cli/commands.ts";
import { SETTINGS } from "../../../../cli/settings/table.ts";
import { commandHelp } from "../../../../cli/line/help.ts";
import { parseLine } from "../../../../cli/line/program.ts";
import { displayWidth } from "../../../../cli/output/style.ts";
import { runInProcess } from "../../../support/cli.ts";

const shown = COMMANDS.filter(({ hidden }) => hidden !== true);

function parse(...args: string[]) {
  const line = parseLine(args, COMMANDS, "1.2.3", {});
  if (line.kind !== "command") throw new Error(`Not a command: ${line.kind}`);
  return line;
}

/** Contradictions, slips and missing words: each ends with status 2 and a sentence, before any store is contacted. */
const WRONG: readonly (readonly [line: string, message: string, hint: string])[] = [
  ["migrate aply", "Unknown command 'aply'", "Did you mean apply?"],
  ["migrte", "Unknown command 'migrte'", "Did you mean migrate?"],
  ["apply --yes", "Unknown command 'apply'", "Did you mean migrate apply? See outpost --help"],
  ["help aply", "Unknown command 'aply'", "outpost --help"],
  ["migrate help aply", "Unknown command 'aply'", "Did you mean apply?"],
  ["migrate aply --help", "Unknown command 'aply'", "Did you mean apply?"],
  ["version 2", "Too many arguments for 'version'. Expected 0 arguments but got 1: 2", "outpost --help"],
  ["migrate apply --yess", "Unknown option '--yess'", "Did you mean --yes?"],
  ["migrate plan --redis-hots x", "Unknown option '--redis-hots'", "Did you mean --redis-host?"],
  [
    "migrate plan --redis-pasword=hunter2",
    "Unknown option '--redis-pasword'",
    "outpost migrate plan --help",
  ],
  ["migrate plan -ahunter2", "Unknown option '-a'", "outpost migrate plan --help"],
  ["migrate", "No command given", "outpost migrate --help"],
  ["", "No command given", "outpost --help"],
  ["migrate plan --out", "Option '--out <FILE>' argument missing", "outpost migrate plan --help"],
  [
    "migrate list --sql-only --redis-only",
    "--sql-only and --redis-only contradict each other",
    "one of them",
  ],
  ["migrate list --verbose --quiet", "--verbose and --quiet contradict each other", "one of them"],
  ["migrate verify --full --sample 3", "--full and --sample contradict each other", "one of them"],
  ["migrate verify --sample none", '--sample must be a whole number of at least 1, and is "none"', ""],
  ["migrate apply --plan f sql/5", "--plan and the IDs named contradict each other", "one of them"],
  ["migrate apply --plan f --rerun", "--plan and --rerun contradict each other", "one of them"],
  ["migrate apply --plan f --all", "--plan and --all contradict each other", "one of them"],
  ["migrate apply --all sql/5", "--all and the IDs named contradict each other", "one of them"],
  [
    "completions bash --redis-host h",
    "outpost completions has no option '--redis-host'",
    "outpost completions --help",
  ],
  [
    "completions bash --no-redis-tls",
    "outpost completions has no option '--redis-tls'",
    "outpost completions --help",
  ],
  ["migrate apply --rerun", "--rerun needs the IDs", "redis/002_timestamps --rerun"],
  ["migrate down", "Say how far", "outpost migrate down 1"],
  ["migrate down 1 --to 8", "N and --to contradict each other", "outpost migrate down 1"],
  ["migrate down x", 'N must be a whole number of at least 1, and is "x"', ""],
  ["migrate down 1 2", "Too many arguments for 'down'", ""],
  ["migrate down 1 --redis-only", "This command works on the SQL side", "Leave --redis-only away"],
  ["migrate force 1 --redis-only", "This command works on the SQL side", "Leave --redis-only away"],
  ["migrate force -3", 'VERSION must be a whole number of at least 0, and is "-3"', ""],
  ["migrate list", "No SQL store is configured", "--redis-only"],
  ["migrate down 1", "No SQL store is configured", "CLICKHOUSE_ADDR"],
  ["migrate list --log-level loud", "--log-level must be one of debug, info, warn, error", "outpost config"],
  ["migrate apply --lock-wait soon", "--lock-wait must be a duration such as 500ms", "outpost config"],
  ["serve --wait soon", '--wait must be a duration such as 500ms, 3s, 5m, 1h or 0, and is "soon"', ""],
  ["completions tcsh", 'There are no completions for "tcsh"', "bash, zsh, fish"],
  ["completions fis", 'There are no completions for "fis"', "Did you mean fish?"],
  ["migrate list --config /no/such.yaml", 'Cannot read the configuration file "/no/such.yaml"', "--config"],
];

for (const [line, message, hint] of WRONG) {
  Deno.test(`outpost ${line} ends with status 2 and says why`, async () => {
    const args = line === "" ? [] : line.split(" ");
    const text = await runInProcess(args);
    assertEquals([text.code, text.stdout], [2, ""]);
    assertStringIncludes(text.stderr, message);
    assert(!text.stderr.includes("hunter2"), text.stderr);
    assertStringIncludes(text.stderr, hint);
    const json = await runInProcess([...args, "--json"]);
    assertEquals([json.code, json.stderr], [2, ""]);
    const { error } = JSON.parse(json.stdout);
    assert(error.message.startsWith(message), error.message);
  });
}

Deno.test("outpost migrate plan takes one form of output", async () => {
  const { code, stdout } = await runInProcess(["migrate", "plan", "--markdown", "--json"]);
  assertEquals(code, 2);
  assertEquals(JSON.parse(stdout).error.message, "--markdown and --json contradict each other");
});

Deno.test("parseLine() takes options before the command like options after it", () => {
  for (
    const args of [
      ["--redis-host", "h", "migrate", "plan", "--json", "-c", "f"],
      ["migrate", "--redis-host", "h", "--json", "-c", "f", "plan"],
      ["migrate", "plan", "--redis-host=h", "--json", "--config", "f"],
    ]
  ) {
    const line = parse(...args);
    assertEquals([line.settings.get("redis-host"), line.output.json, line.config], ["h", true, "f"]);
  }
});

Deno.test("parseLine() takes what all commands of migrate take, and how to log, where no store is asked", () => {
  const line = parse(
    "migrate",
    "new",
    "sql",
    "a",
    "-c",
    "f",
    "--redis-host",
    "h",
    "--log-format",
    "json",
    "--sql-only",
  );
  assertEquals([line.input.args, line.config], [["sql", "a"], "f"]);
  assertEquals(parse("completions", "bash", "--log-format", "json").settings.get("log-format"), "json");
});

Deno.test("parseLine() leaves everything after -- to the server", () => {
  assertEquals(parse("serve", "--", "node", "x", "--json", "-c", "y").input.args, [
    "node",
    "x",
    "--json",
    "-c",
    "y",
  ]);
  const line = parse("serve", "--wait", "5m", "--", "node", "--wait", "1");
  assertEquals([line.input.args, line.input.text("wait")], [["node", "--wait", "1"], "5m"]);
  assertEquals(line.output.json, false);
});

Deno.test("parseLine() tells switches that are off from switches that were not given", () => {
  assertEquals(parse("migrate", "list", "--no-redis-tls").settings.get("redis-tls"), false);
  assertEquals(parse("migrate", "list", "--redis-tls").settings.get("redis-tls"), true);
  assertEquals(parse("migrate", "list").settings.has("redis-tls"), false);
  assertEquals(parse("migrate", "list").output.colours, undefined);
  assertEquals(parse("migrate", "list", "--no-color").output.colours, false);
});

Deno.test("help before a command shows what --help after it shows", async () => {
  for (
    const [words, path] of [
      ["help", ""],
      ["help migrate", "migrate"],
      ["help migrate plan", "migrate plan"],
      [
        "migrate help plan",
        "migrate plan",
      ],
      ["help serve", "serve"],
    ]
  ) {
    const flags = path === "" ? ["--help"] : [...path!.split(" "), "--help"];
    assertEquals(await runInProcess(words!.split(" ")), await runInProcess(flags));
  }
});

Deno.test("every command has a flag for each of its settings", () => {
  for (const command of shown) {
    for (const key of command.settings ?? []) {
      const { flag, type } = SETTINGS[key];
      const sample = type.placeholder === "DURATION" ? "5s" : "5";
      const required = {
        "migrate down": ["1"],
        "migrate force": ["1"],
        "migrate resolve": ["redis/1", "tenant:acme", "--keep", "copy"],
      }[command.path] ?? [];
      const line = parse(...command.path.split(" "), ...required, `--${flag}`, sample);
      assertEquals(line.settings.get(flag!), sample);
    }
  }
});

Deno.test("--version prints the version alone", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../../../deno.json", import.meta.url)));
  for (const flag of ["--version", "-V", "version"]) {
    assertEquals(await runInProcess([flag]), { code: 0, stdout: `${version}\n`, stderr: "" });
    const json = await runInProcess([flag, "--json"]);
    assertEquals(json, { code: 0, stdout: `${JSON.stringify({ version })}\n`, stderr: "" });
  }
});

for (const path of ["", "migrate", ...shown.map((command) => command.path)]) {
  Deno.test(`outpost ${path} --help begins with examples and fits the screen`, async () => {
    const words = path === "" ? [] : path.split(" ");
    const { code, stdout, stderr } = await runInProcess([...words, "--help"]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.split("\n\n")[1]!.split("\n")[0], "Examples:");
    assertStringIncludes(stdout, `Usage: outpost ${path}`.trimEnd());
    for (const line of stdout.split("\n")) assert(displayWidth(line) <= 100, line);
    const narrow = await runInProcess([...words, "--help"], { columns: 80 });
    for (const line of narrow.stdout.split("\n")) {
      assert(displayWidth(line) <= 80 || line.includes("outpost "), line);
    }
  });
}

Deno.test("--help of every migrate command names variables and defaults of all shared settings", async () => {
  // `migrate new` alone works on a checkout and not on stores.
  for (const command of shown.filter(({ path }) => path.startsWith("migrate ") && path !== "migrate new")) {
    const { stdout } = await runInProcess([...command.path.split(" "), "--help"]);
    for (
      const text of [
        "(REDIS_HOST) [default: redis]",
        "(POSTGRES_URL)",
        "(DEPLOYMENT_ID)",
        "--json",
        "-c, --config",
      ]
    ) {
      assertStringIncludes(stdout.replace(/\s+/g, " "), text, command.path);
    }
  }
});

Deno.test("help offers --all-deployments for the commands that take several, which docs/deploy.md names", async () => {
  const offering = shown.filter((command) => commandHelp(command).includes("--all-deployments"));
  const deploy = await Deno.readTextFile(new URL("../../../../docs/deploy.md", import.meta.url));
  const [, several, last] = /^- ((?:`\w+`, )+`\w+`) and `(\w+)` take several/m.exec(deploy)!;
  const named = [...several!.matchAll(/\w+/g)].map(([name]) => `migrate ${name}`);
  assertEquals(
    new Set(offering.map(({ path }) => path)),
    new Set([...named, `migrate ${last}`, "config"]),
  );
});

Deno.test("every example of a help text parses", () => {
  for (const command of shown) {
    for (const { command: example } of command.examples) {
      const line = example.split(/ [|&]+ /)[0]!.replace(/^source <\((.*)\)$/, "$1").replace(/^outpost /, "");
      assertEquals(parse(...line.split(" ")).command.path, command.path, example);
    }
  }
});

Deno.test("help is readable at 60 columns: only a command to copy is longer", () => {
  for (const path of ["", "migrate", ...shown.map((command) => command.path)]) {
    const line = parseLine([...path.split(" ").filter((word) => word !== ""), "--help"], COMMANDS, "1", {
      width: 60,
    });
    const lines = line.kind === "help" ? line.text.split("\n") : [];
    const long = lines.filter((text) => text.length > 60 && !text.trimStart().startsWith("outpost "));
    assertEquals([path, lines.length > 5, long], [path, true, []]);
  }
});
