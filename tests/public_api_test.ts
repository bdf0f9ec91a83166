import { assertEquals, assertGreater } from "@std/assert";
import { join, resolve } from "@std/path";
import * as api from "../mod.ts";
import { inheritedEnv } from "./support/environment.ts";

const ROOT = resolve(import.meta.dirname!, "..");

/** What can be called or thrown. A name that goes is a breaking change; one that comes is a promise to keep. */
const VALUES = [
  "ApplyError",
  "BlockedError",
  "DirtyError",
  "DriftError",
  "Engine",
  "InterruptedError",
  "LockHeldError",
  "LockLostError",
  "MigrationError",
  "NotVerifiedError",
  "PendingError",
  "PlanStaleError",
  "RefusedError",
  "RegistryError",
  "StepFailedError",
  "StoreDeniedError",
  "StoreUnreachableError",
  "StoresFailedError",
  "UnknownMigrationError",
  "copyKeys",
  "createEngine",
  "createFleet",
  "createOutpostEngine",
  "createOutpostFleet",
  "createRegistry",
  "decodeText",
  "encodeText",
  "findOutpostDeployments",
  "parseTimestamp",
  "readLeyProject",
  "transformRecords",
];

/** What those speak of. */
const TYPES = `
  ApplyEvent ApplyOptions ApplyResult Binary Blocker BookkeepingNames BothKeys Changes CleanupItem CleanupOptions CleanupPlan
  CleanupResult ClearedLock ClickHouseClient ClickHouseStore ClickHouseTable ClickHouseTables ColumnObject ConsequenceQuery
  ConstraintObject CopyChange CopyRules CreateEngineOptions CreateFleetOptions Destination DownForecast DownOptions DownTarget Facts Fleet FleetOutcome Follows ForceOptions
  GroupKeys Hint Inconvertible IndexBeforehand IndexObject InitOptions InitResult KeptForm LeyProject ListKeys Lists LockOptions
  LockOwner Lookalikes MigrationEntry MigrationErrorOptions MigrationList MigrationResult MigrationStatus Names ObjectChange
  OlderState OneStoreOptions OutpostEngineOptions OutpostFleetOptions Pace PendingCounts PerSqlStore Plan PlanBasis PlanCleanupOptions PlanDownOptions PlanOptions
  PlanResolveOptions PlannedStore PostgresNames PostgresStore PrepareOptions Progress ReadStateOptions RedisClient
  RedisDifference RedisExample RedisInvalid RedisLayout RedisLockNames RedisMigration RedisMigrationPlan RedisVerification
  Registry ResolveResult RowRewrite RowsKept SavedPlan SchemaObjects SqlActivity SqlConsequence SqlDownPlan SqlGrouping
  SqlPlan SqlPrepared SqlStatement SqlStatus SqlStep SqlStepPlan SqlSteps SqlStoreName SqlTablePlan SqlVerification SqlWait
  SqlWork StatementPosition StatementProgress Status StepFailure StopOptions StepForecast StepModule StepRemains StepRewrite StepRunner
  StepVariant StoreName StorePlace TableLockMode TableLocks TableObject TableRewrite TableUse TransformChange TransformRules
  UnlockOptions UnreadStore Values VerifyOptions VerifyResult
`.trim().split(/\s+/);

Deno.test("mod.ts exports these values", () => {
  assertEquals(Object.keys(api).sort(), VALUES);
});

Deno.test("mod.ts exports these types, each by its name", async () => {
  const source = await Deno.readTextFile(join(ROOT, "mod.ts"));
  assertEquals([...source.matchAll(/^export .*\*/gm)].length, 0);
  const types = [...source.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, all, list]) =>
    list!.split(",").map((name) => name.trim()).filter((name) => name !== "")
      .flatMap((name) => all !== undefined ? [name] : name.startsWith("type ") ? [name.slice(5)] : [])
  );
  assertEquals(types.sort(), TYPES.sort());
});

Deno.test("importing mod.ts asks for no permission: no environment, no network, no file", async () => {
  const { code, stderr } = await deno([
    "run",
    "--no-prompt",
    "--cached-only",
    "--quiet",
    join(ROOT, "mod.ts"),
  ]);
  assertEquals([code, stderr], [0, ""]);
});

Deno.test("every export of mod.ts and of testing/mod.ts and each of its properties is documented", async () => {
  const { code, stderr } = await deno(["doc", "--lint", "mod.ts", "testing/mod.ts"]);
  assertEquals(code, 0, stderr);
});

Deno.test("every example compiles", async () => {
  const folder = await Deno.makeTempDir({ prefix: "outpost-examples-" });
  try {
    const files: string[] = [];
    for await (const path of documents()) {
      const examples = examplesIn(await Deno.readTextFile(path));
      for (const [i, example] of examples.entries()) {
        const name = `${path.slice(ROOT.length + 1).replaceAll(/[^\w]+/g, "_")}_${i + 1}.ts`;
        await Deno.writeTextFile(join(folder, name), example);
        files.push(join(folder, name));
      }
    }
    assertGreater(files.length, 8);
    const { code, stderr } = await deno(["check", "--quiet", "--config", "deno.json", "--frozen", ...files]);
    assertEquals(code, 0, stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("docs/library.md shows the files of its example as they are", async () => {
  const text = await Deno.readTextFile(join(ROOT, "docs/library.md"));
  const shown = [...text.matchAll(/^`(examples\/[^`]+)`.*\n\n```ts\n([^]*?)^```$/gm)];
  const files: string[] = [];
  for await (const path of walk(join(ROOT, "examples"))) files.push(path.slice(ROOT.length + 1));
  assertEquals(shown.map(([, path]) => path!).sort(), files.sort());
  for (const [, path, code] of shown) {
    assertEquals(code, await Deno.readTextFile(join(ROOT, path!)), `${path} was changed, or docs/library.md`);
  }
});

/** Where examples for users of the library stand. */
async function* documents(): AsyncGenerator<string> {
  yield join(ROOT, "mod.ts");
  yield join(ROOT, "README.md");
  for (const folder of ["docs", "engine", "migrations"]) yield* walk(join(ROOT, folder));
}

async function* walk(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* walk(join(folder, name));
    else if (name.endsWith(".ts") || name.endsWith(".md")) yield join(folder, name);
  }
}

/** Blocks of TypeScript in Markdown and in comments that stand alone: they import the library, and no file beside them. */
function examplesIn(text: string): string[] {
  return [...text.matchAll(/^( \* |)```ts\n([^]*?)^\1```/gm)]
    .map(([, margin, code]) => code!.split("\n").map((line) => line.slice(margin!.length)).join("\n"))
    .filter((code) => code.includes('from "@outpost/migrate"') && !code.includes('from "./'));
}

async function deno(args: readonly string[]) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    clearEnv: true,
    env: { ...inheritedEnv(), NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}
