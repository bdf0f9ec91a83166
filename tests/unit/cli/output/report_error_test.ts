import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import * as cliErrors from "../../../../cli/errors.ts";
import { docsOf, ERROR_CODES } from "../../../../cli/output/error_catalogue.ts";
import { describeError, errorJson, renderError } from "../../../../cli/output/report_error.ts";
import { makeScrub } from "../../../../cli/settings/secrets.ts";
import { PLAIN } from "../../../../cli/output/style.ts";
import { runInProcess } from "../../../support/cli.ts";
import { hint } from "../../../../engine/hint.ts";
import * as api from "../../../../mod.ts";

const { ApplyError, InterruptedError, LockHeldError, LockLostError, PlanStaleError, StepFailedError } = api;
const plainly = { scrub: (text: string) => text, stoppedBy: null } as const;
const layout = { style: PLAIN, width: 100 };

const failure = {
  id: "sql/000005",
  statement: "create tabel x ()",
  position: { line: 1, column: 8, excerpt: "create tabel x ()\n       ^" },
  serverCode: "42601",
  detail: "some detail",
  serverHint: "some hint",
};

Deno.test("docs/errors.md explains every code, and no other", async () => {
  const page = await Deno.readTextFile(fromFileUrl(new URL("../../../../docs/errors.md", import.meta.url)));
  const sections = [...page.matchAll(/^## (\w+)$/gm)].map(([, code]) => code!);
  assertEquals(sections, Object.keys(ERROR_CODES).toSorted());
  for (const [code, status] of Object.entries(ERROR_CODES)) {
    // The anchor that a heading gets, which is what errors link to.
    assertEquals(docsOf(code), `docs/errors.md#${code}`);
    const section = page.split(`\n## ${code}\n`)[1]!.split("\n## ")[0]!;
    assertStringIncludes(section, `Exit status ${status}`, code);
  }
});

Deno.test("settings that cannot be used and lines that make no sense are events where events were asked for", async () => {
  const cases: readonly (readonly [string, Record<string, string>, string])[] = [
    ["migrate status --log-format json", { REDIS_PORT: "many" }, "settings_invalid"],
    ["migrate status", { REDIS_PORT: "many", MIGRATE_LOG_FORMAT: "json" }, "settings_invalid"],
    ["migrate stat --log-format=json", {}, "usage"],
    ["serve -- true --log-format json", { REDIS_PORT: "many" }, ""],
  ];
  for (const [line, env, code] of cases) {
    const { stderr, stdout } = await runInProcess(line.split(" "), { env });
    assertEquals(stdout, "");
    if (code === "") {
      assertStringIncludes(stderr, "docs:  docs/errors.md#settings_invalid\n");
      continue;
    }
    const event = JSON.parse(stderr);
    assertEquals([event.level, event.code, event.docs], ["error", code, `docs/errors.md#${code}`]);
  }
});

Deno.test("every error class has a code in the catalogue", () => {
  const known = new Set<string>();
  for (const found of [...Object.values(api), ...Object.values(cliErrors)]) {
    if (!("prototype" in found && found.prototype instanceof api.MigrationError)) continue;
    const error = Reflect.construct(found as new (...args: unknown[]) => api.MigrationError, [
      ["a"],
      [],
      "apply",
    ]);
    assert(error.code in ERROR_CODES, `${error.name}: ${error.code}`);
    known.add(error.code);
  }
  assertEquals([...known, "internal"].toSorted(), Object.keys(ERROR_CODES).toSorted());
});

Deno.test("describeError() gives each kind the exit status of the documentation", () => {
  const status = (error: unknown, stoppedBy: "SIGINT" | "SIGTERM" | null = null) =>
    describeError(error, { ...plainly, stoppedBy }).exitStatus;
  assertEquals(status(new api.PendingError("x", { sql: 1, redis: 0 })), 1);
  assertEquals(status(new cliErrors.UsageError("x")), 2);
  assertEquals(status(new LockHeldError("x", null)), 3);
  assertEquals(status(new LockLostError("x")), 3);
  assertEquals(status(new api.StoreUnreachableError("redis", "x")), 4);
  assertEquals(status(new api.StoreDeniedError("postgres", "x")), 4);
  assertEquals(status(new PlanStaleError("x", [])), 5);
  assertEquals(status(new InterruptedError("x"), "SIGINT"), 130);
  assertEquals(status(new InterruptedError("x"), "SIGTERM"), 143);
  assertEquals(status(new Error("x")), 1);
  assertEquals(status(new TypeError("x"), "SIGTERM"), 143);
});

Deno.test("describeError() tells a failed apply by its cause where there is one", () => {
  const cause = new api.StoreUnreachableError("redis", "Redis is gone", { hint: "Start it" });
  const described = describeError(new ApplyError("x", [], { cause, hint: "again" }), plainly);
  assertEquals([described.code, described.exitStatus, described.hint], ["store_unreachable", 4, "Start it"]);
  const own = describeError(new ApplyError("2 records", [], { hint: hint`Run ${"apply"} again` }), plainly);
  assertEquals([own.code, own.hint], ["apply_failed", "Run outpost migrate apply again"]);
});

Deno.test("renderError() shows a failed statement with its place, a caret and what the server said", () => {
  const error = new StepFailedError("Cannot apply sql/000005: syntax error", failure, {
    hint: hint`Run ${"apply"}`,
  });
  assertEquals(
    renderError(describeError(error, plainly), layout),
    [
      "error: Cannot apply sql/000005: syntax error [step_failed]",
      "  in sql/000005, line 1, column 8:",
      "    create tabel x ()",
      "           ^",
      "  server code: 42601",
      "  detail: some detail",
      "  server's hint: some hint",
      "hint:  Run outpost migrate apply\ndocs:  docs/errors.md#step_failed",
    ].join("\n"),
  );
});

Deno.test("renderError() lists problems instead of repeating them in a sentence", () => {
  const error = new cliErrors.SettingsError(["A is wrong", "B is wrong"]);
  assertEquals(
    renderError(describeError(error, plainly), layout),
    "error: 2 settings cannot be used [settings_invalid]\n  - A is wrong\n  - B is wrong\ndocs:  docs/errors.md#settings_invalid",
  );
  assertEquals(errorJson(describeError(error, plainly)), {
    error: {
      code: "settings_invalid",
      message: "2 settings cannot be used: A is wrong; B is wrong",
      hint: null,
      docs: "docs/errors.md#settings_invalid",
    },
  });
});

Deno.test("describeError() takes an unknown error for a fault of the program, without a stack and without secrets", () => {
  const scrub = makeScrub({ redisPassword: "hunter2-xyz" });
  const error = new TypeError("cannot read hunter2-xyz\n    at file:///somewhere.ts");
  const described = describeError(error, { scrub, stoppedBy: null });
  assertEquals(described.code, "internal");
  assertEquals(described.message, "Unexpected failure: TypeError: cannot read [hidden]");
  assertStringIncludes(described.hint!, "report it");
  assertEquals(describeError("just a text", plainly).message, "Unexpected failure: just a text");
});

Deno.test("describeError() says where a store was looked for", () => {
  const error = new api.StoreUnreachableError("redis", "x", { hint: "Check it" });
  const whereIs = () => "redis:6379 (default)";
  assertEquals(
    describeError(error, { ...plainly, whereIs }).hint,
    "Check it. It was looked for at redis:6379 (default)",
  );
});

Deno.test("describeError() writes the commands of a hint as people type them, the library as its callers know them", () => {
  const error = new LockHeldError("x", null, {
    hint: hint`Wait, or look with ${"status"}, or ${"unlock --force"}; "habit" stays`,
  });
  assertEquals(
    describeError(error, plainly).hint,
    'Wait, or look with outpost migrate status, or outpost migrate unlock --force; "habit" stays',
  );
  assertEquals(error.hint, 'Wait, or look with status(), or unlock({ force: true }); "habit" stays');
});

Deno.test("run() reports failures that nothing waited for in a line, and does not end with 0", async () => {
  let fail = (_error: unknown) => {};
  const { code, stdout, stderr } = await runInProcess(["config", "--json"], {
    env: { REDIS_PASSWORD: "hunter2-xyz" },
    onFault: (fault) => fail = fault,
    onStdout: () => fail(new TypeError("hunter2-xyz is no function\n    at file:///x.ts")),
  });
  assertEquals(code, 1);
  assertEquals(JSON.parse(stdout).file !== undefined, true);
  assertEquals(
    stderr.split("\n")[0],
    "error: Unexpected failure: TypeError: [hidden] is no function [internal]",
  );
});
