import { assertEquals } from "@std/assert";
import {
  ApplyError,
  BlockedError,
  StoreDeniedError,
  StoresFailedError,
  StoreUnreachableError,
} from "../../../engine/errors.ts";
import { remedy } from "../../../engine/blocker.ts";
import { callOf, hint } from "../../../engine/hint.ts";
import { GRANTS_HINT } from "../../../engine/redis/errors.ts";

const typed = (command: string) => `shop ${command}`;

Deno.test("callOf() tells the call that does what a command does", () => {
  const calls = {
    "apply": "apply()",
    "apply --skip-invalid": "apply({ skipInvalid: true })",
    "apply --no-prepared": "apply({ noPrepared: true })",
    "apply sql/000001 sql/000002": 'apply({ ids: ["sql/000001", "sql/000002"] })',
    "verify --full": "verify({ full: true })",
    "status": "status()",
    "unlock --force": "unlock({ force: true })",
    "prepare": "prepare()",
    "prepare --abort": "abortPrepared()",
    "force 5": "force(5)",
    "force 5 --store clickhouse": 'force(5, { store: "clickhouse" })',
    "force VERSION": "force(version)",
    "down --to 8": "down({ to: 8 })",
    "down --to 8 --store clickhouse": 'down({ to: 8 }, { store: "clickhouse" })',
  };
  assertEquals(Object.keys(calls).map(callOf), Object.values(calls));
});

Deno.test("a hint names calls to those who call, and commands to those who type", () => {
  const error = new ApplyError("2 records", [], { hint: hint`Run ${"apply --skip-invalid"} again` });
  assertEquals(error.hint, "Run apply({ skipInvalid: true }) again");
  assertEquals(error.hintWith(typed), "Run shop apply --skip-invalid again");
  const blocker = (parts: Parameters<typeof remedy>[0]) => ({
    ...{ store: "redis" as const, kind: "rights", object: "app", detail: "it may not" },
    ...remedy(parts),
  });
  const blocked = new BlockedError("apply", [
    blocker(GRANTS_HINT),
    blocker(GRANTS_HINT),
    blocker(hint`Run ${"prepare --abort"}`),
    { ...blocker(GRANTS_HINT), hint: "Make room", parts: undefined } as never,
  ]);
  assertEquals(blocked.hint, "Give the Redis user the rights that it lacks; Run abortPrepared(); Make room");
  assertEquals(
    blocked.hintWith(typed),
    "Give the Redis user the rights that shop grants shows; Run shop prepare --abort; Make room",
  );
});

Deno.test("those who call are told to make the same call again, and those who type to run the same command", () => {
  const failures = [
    new StoreUnreachableError("redis", "It is away", { hint: "Run the same command again: it goes on" }),
    new StoreDeniedError("postgres", "It refuses", {
      hint: hint`Look at ${"grants"}, then run the same command again`,
    }),
  ] as const;
  const told = [
    ["Make the same call again: it goes on", "Run the same command again: it goes on"],
    [
      "Look at grants(), then make the same call again",
      "Look at shop grants, then run the same command again",
    ],
  ];
  assertEquals(failures.map((one) => [one.hint, one.hintWith(typed)]), told);
  const both = new StoresFailedError(failures);
  assertEquals([both.hint, both.hintWith(typed)], [0, 1].map((i) => told.map((one) => one[i]).join(". ")));
  assertEquals(remedy("Run the same command again").parts, {
    texts: ["Run the same command again"],
    commands: [],
  });
});

Deno.test("no hint of the engine tells callers of flags or of commands that are no methods", async () => {
  const commands = new Set<string>();
  for await (const text of sources(new URL("../../../engine/", import.meta.url))) {
    for (const [template] of text.matchAll(/hint`[^`]*`(?![^}]*forCallers)/g)) {
      for (const [, command] of template.matchAll(/\$\{"([^"]+)"\}/g)) commands.add(command!);
    }
  }
  assertEquals(commands.size > 8, true);
  const { Engine } = await import("../../../engine/engine.ts");
  for (const command of commands) {
    const call = callOf(command);
    const [, method, given] = /^(\w+)\((.*)\)$/.exec(call)!;
    assertEquals([method! in Engine.prototype, /--|[A-Z]{2}/.test(given!)], [true, false], command);
  }
});

async function* sources(folder: URL): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* sources(new URL(`${name}/`, folder));
    else if (name.endsWith(".ts")) yield await Deno.readTextFile(new URL(name, folder));
  }
}
