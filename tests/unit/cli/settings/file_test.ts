import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FileError } from "../../../../cli/errors.ts";
import { parseDotenv } from "../../../../cli/settings/dotenv.ts";
import { parseSettingsFile, readSettingsFile, SEARCHED_FILES } from "../../../../cli/settings/file.ts";

Deno.test("parseDotenv() reads quotes, comments, exports and line breaks", () => {
  const { values, problems } = parseDotenv(`
# a comment
PLAIN=value # and a comment
export EXPORTED = spaces around
HASH=a#b
EMPTY=
SINGLE='as it is: \\n $x # no comment'
DOUBLE="a\\nb \\"quoted\\" \\\\ # no comment"
LINES="first
second"
TWICE=1
TWICE=2
URL=postgres://u:p%40@h/d?x=y
`);
  assertEquals(problems, []);
  assertEquals(Object.fromEntries(values), {
    PLAIN: "value",
    EXPORTED: "spaces around",
    HASH: "a#b",
    EMPTY: "",
    SINGLE: "as it is: \\n $x # no comment",
    DOUBLE: 'a\nb "quoted" \\ # no comment',
    LINES: "first\nsecond",
    TWICE: "2",
    URL: "postgres://u:p%40@h/d?x=y",
  });
});

Deno.test("parseDotenv() puts in what the file said above, as Outpost's server does", () => {
  const { values } = parseDotenv(`
DB_USER=me
POSTGRES_URL=postgres://\${DB_USER}:$DB_PASSWORD@h/d
QUOTED="$DB_USER \\$DB_USER \${DB_USER}s"
SINGLE='$DB_USER'
KEPT=\\$DB_USER$ $lower \${lower}
DB_PASSWORD=too late
`);
  assertEquals(values.get("POSTGRES_URL"), "postgres://me:@h/d");
  assertEquals(values.get("QUOTED"), "me $DB_USER mes");
  assertEquals(values.get("SINGLE"), "$DB_USER");
  assertEquals(values.get("KEPT"), "$DB_USER$ $lower ${lower}");
});

Deno.test("parseDotenv() reads what other writers of such files write as Outpost's server does", () => {
  // Each value as godotenv 1.5.1 gives it.
  for (
    const [text, value] of [
      ["A: b", "b"],
      ["A : b", "b"],
      ["export\tA=b", "b"],
      ["A=b\t# comment", "b"],
      ["A=b #c #d", "b #c"],
      ["A= # comment", "# comment"],
      ["A=#b", "#b"],
      ["A=b#c", "b#c"],
      ['A="b\\tc"', "btc"],
      ['A="b" # comment', "b"],
      ["A='b\\'c'", "b\\'c"],
      ['A="b\\""', "b\\"],
      ["A=b\rB=c", "b"],
      ['B="x" A=b', "b"],
      ["\n\n  A=b", "b"],
    ] as const
  ) {
    const { values, problems } = parseDotenv(`${text}\n`);
    assertEquals([values.get("A"), problems], [value, []], text);
  }
  assertEquals(parseDotenv('A="b"c\nB=1\n').problems, ["line 1 is not NAME=value"]);
});

Deno.test("parseDotenv() names the lines that it cannot understand, not what they hold", () => {
  assertEquals(parseDotenv("A=1\r\nhunter2\r\nB=2").problems, ["line 2 is not NAME=value"]);
  assertEquals(parseDotenv('A=1\nB="hunter2\n').problems, ["the quote opened in line 2 is never closed"]);
});

Deno.test("parseSettingsFile() tells the kind by the name", async () => {
  for (const path of [".env", "config/outpost/.env", ".env.production", "prod.env"]) {
    assertEquals((await parseSettingsFile(path, "REDIS_HOST=a")).kind, "env");
  }
  for (const path of [".outpost.yaml", "config.yml", "outpost.conf"]) {
    assertEquals((await parseSettingsFile(path, "redis:\n  host: a")).kind, "yaml");
  }
});

Deno.test("parseSettingsFile() leaves Outpost's other settings alone and reports slips in its own sections", async () => {
  const { unknown } = await parseSettingsFile(
    "o.yaml",
    "api_key: x\nmqs:\n  rabbitmq:\n    server_url: y\nredis:\n  hots: a\n  zzzzzzzzzzzzzzz: 1\ndeploymentid: d\n",
  );
  assertEquals(unknown, [
    { key: "redis.hots", suggestion: "redis.host" },
    { key: "redis.zzzzzzzzzzzzzzz", suggestion: null },
    { key: "deploymentid", suggestion: "deployment_id" },
  ]);
  const env = await parseSettingsFile(
    ".env",
    "REDIS_PROT=1\nPOSTGRES_USER=u\nPOSTGRES_DB=d\nREDIS_MAXMEMORY=1\nAPI_KEY=k\n",
  );
  assertEquals(env.unknown, [{ key: "REDIS_PROT", suggestion: "REDIS_PORT" }]);
});

Deno.test("parseSettingsFile() merges what YAML has merged, as Outpost's server does", async () => {
  const { values, unknown } = await parseSettingsFile(
    "o.yaml",
    "base: &b\n  host: one\n  port: 1\nother: &o\n  host: two\n  password: p\n" +
      "redis:\n  port: 7\n  <<: [*b, *o]\nclickhouse:\n  <<: {addr: h}\n  username: u\n" +
      "<<: {postgres: postgres://h/d, redis: {username: no}}\n",
  );
  assertEquals([values.get("postgres"), values.get("redis.username")], ["postgres://h/d", undefined]);
  const itself = "a: &a\n  x: 1\n  <<: *a\nredis: *a\n";
  assertEquals((await parseSettingsFile("o.yaml", itself)).values.get("redis.x"), "1");
  const redis = ["redis.host", "redis.port", "redis.password", "clickhouse.addr", "clickhouse.username"];
  assertEquals(redis.map((name) => values.get(name)), ["one", "7", "p", "h", "u"]);
  assertEquals(unknown, []);
});

Deno.test("parseSettingsFile() takes an empty file and empty sections", async () => {
  assertEquals((await parseSettingsFile("o.yaml", "")).values.size, 0);
  assertEquals((await parseSettingsFile("o.yaml", "redis:\npostgres:\n")).values.size, 0);
});

Deno.test("parseSettingsFile() names the place of a fault in YAML and nothing of the text", async () => {
  const error = await assertRejects(
    () => parseSettingsFile("o.yaml", "redis:\n  password: 'hunter2\n"),
    FileError,
  );
  assertStringIncludes(
    error.message,
    'Cannot understand the configuration file "o.yaml": it is not valid YAML',
  );
  assertEquals(error.message.includes("hunter2"), false);
  await assertRejects(
    () => parseSettingsFile("o.yaml", "- a\n- b\n"),
    FileError,
    "it is not a list of settings",
  );
  await assertRejects(
    () => parseSettingsFile("o.yaml", "NAME=value\n"),
    FileError,
    "it is not a list of settings",
  );
});

Deno.test("readSettingsFile() refuses a named file that is missing", async () => {
  await assertRejects(() => readSettingsFile("/no/such/file.yaml"), FileError, "it does not exist");
});

Deno.test("readSettingsFile() takes the first of the searched files that exists", async () => {
  assertEquals(SEARCHED_FILES, [
    ".env",
    ".outpost.yaml",
    "config/outpost.yaml",
    "config/outpost/config.yaml",
    "config/outpost/.env",
    "/config/outpost.yaml",
    "/config/outpost/config.yaml",
    "/config/outpost/.env",
  ]);
  const folder = await Deno.makeTempDir();
  const searched = SEARCHED_FILES.map((path) =>
    path.startsWith("/") ? folder + path : `${folder}/here/${path}`
  );
  await Deno.mkdir(`${folder}/config/outpost`, { recursive: true });
  await Deno.mkdir(`${folder}/here/config/outpost`, { recursive: true });
  assertEquals(await readSettingsFile(undefined, { searched }), null);
  for (const path of searched.toReversed()) {
    await Deno.writeTextFile(path, path.endsWith(".env") ? "REDIS_HOST=a" : "redis:\n  host: a");
    assertEquals((await readSettingsFile(undefined, { searched }))?.path, path);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: "readSettingsFile() reads no more than a file may hold, and waits for no pipe that it found",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await assertRejects(() => readSettingsFile("/dev/zero"), FileError, "it is larger than 1 MiB");
    const folder = await Deno.makeTempDir();
    const path = `${folder}/.env`;
    assertEquals((await new Deno.Command("mkfifo", { args: [path] }).output()).code, 0);
    await assertRejects(
      () => readSettingsFile(undefined, { searched: [path] }),
      FileError,
      "it is no ordinary file",
    );
    // Deno 2.4 stands still while it opens a pipe: only another process can write to it.
    const writer = new Deno.Command("sh", { args: ["-c", 'echo REDIS_HOST=a > "$0"', path] }).spawn();
    assertEquals((await readSettingsFile(path))?.values.get("REDIS_HOST"), "a");
    await writer.status;
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test("parseSettingsFile() ends at once with aliases that multiply, or refer to themselves", async () => {
  const levels = Array.from({ length: 30 }, (_, n) => `l${n + 1}: &l${n + 1} {a: *l${n}, b: *l${n}}`);
  const bomb = ["l0: &l0 {a: x, b: y}", ...levels].join("\n");
  const cycle = "redis: &r\n  host: a\n  more: *r\n";
  const deep = `${Array.from({ length: 200 }, (_, n) => `${" ".repeat(n)}k:`).join("\n")} x`;
  for (const text of [bomb, cycle, deep]) {
    await assertRejects(
      () => parseSettingsFile("o.yaml", text),
      FileError,
      "values, or nests them too deeply",
    );
  }
  const { values } = await parseSettingsFile("o.yaml", "a: &a {host: h}\nredis: *a\n");
  assertEquals(values.get("redis.host"), "h");
});

Deno.test("readSettingsFile() reads no file that is too large", async () => {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  await Deno.truncate(path, 2 * 1024 * 1024);
  await assertRejects(() => readSettingsFile(path), FileError, "larger than 1 MiB").finally(() =>
    Deno.remove(path)
  );
});
