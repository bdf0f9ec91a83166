import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { parse } from "@std/yaml";
import { TARGETS } from "../../../scripts/compile.ts";

const ROOT = fromFileUrl(new URL("../../../", import.meta.url));
const FOLDER = join(ROOT, ".github/workflows");
const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));

interface Step {
  readonly uses?: string;
  readonly run?: string;
}

interface Job {
  readonly "uses"?: string;
  readonly "needs"?: string | readonly string[];
  readonly "runs-on"?: string;
  readonly "env"?: Readonly<Record<string, string>>;
  readonly "permissions"?: Readonly<Record<string, string>>;
  readonly "strategy"?: {
    readonly matrix: { readonly include?: readonly Readonly<Record<string, string>>[] };
  };
  readonly "steps"?: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

async function workflow(name: string): Promise<Workflow> {
  return parse(await Deno.readTextFile(join(FOLDER, name))) as Workflow;
}

const workflows = new Map<string, Workflow>();
for (const { name } of Deno.readDirSync(FOLDER)) workflows.set(name, await workflow(name));

const allSteps = [...workflows].flatMap(([file, { jobs }]) =>
  Object.entries(jobs).flatMap(([job, { steps = [] }]) =>
    steps.map((step) => ({ at: `${file}: ${job}`, step }))
  )
);

Deno.test("workflows: every job waits for jobs that exist, runs somewhere, and has no more than it needs", () => {
  assertEquals([...workflows.keys()].sort(), ["ci.yml", "release.yml", "servers.yml"]);
  for (const [file, { jobs, permissions }] of workflows) {
    assertEquals(permissions, { contents: "read" }, file);
    for (const [name, job] of Object.entries(jobs)) {
      for (const needed of [job.needs ?? []].flat()) {
        assert(needed in jobs, `${file}: ${name} needs ${needed}`);
      }
      if (job.uses !== undefined) assert(workflows.has(job.uses.split("/").at(-1)!), job.uses);
      else assert(job["runs-on"] !== undefined && (job.steps ?? []).length > 0, `${file}: ${name}`);
    }
  }
});

Deno.test("workflows: every action is pinned to the commit of a release", () => {
  for (const { at, step } of allSteps) {
    assert((step.uses === undefined) !== (step.run === undefined), at);
    if (step.uses !== undefined) assertMatch(step.uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/, at);
  }
});

Deno.test("workflows: every script is one that bash can read", async () => {
  for (const { at, step } of allSteps) {
    if (step.run === undefined) continue;
    const script = step.run.replace(/\$\{\{.*?\}\}/g, "value");
    const { success, stderr } = await new Deno.Command("bash", { args: ["-n", "-c", script] }).output();
    assert(success, `${at}: ${new TextDecoder().decode(stderr)}`);
  }
});

Deno.test("workflows: nothing that others choose is put into a script", () => {
  for (const { at, step } of allSteps) {
    for (const [, expression] of step.run?.matchAll(/\$\{\{\s*(.*?)\s*\}\}/g) ?? []) {
      assertMatch(expression!, /^matrix\./, at);
    }
  }
});

Deno.test("workflows: every file and task that a script names exists", () => {
  for (const { at, step } of allSteps) {
    for (const [path] of step.run?.matchAll(/(?:\.ci|scripts|tests)\/[\w./]*\w/g) ?? []) {
      assert(Deno.statSync(join(ROOT, path)), `${at}: ${path}`);
    }
    for (const [, task] of step.run?.matchAll(/deno task ([\w:]+)/g) ?? []) {
      assert(task! in tasks, `${at}: ${task}`);
    }
  }
});

Deno.test("ci.yml passes the gate on the newest and on the oldest supported Deno", async () => {
  const { on, jobs } = workflows.get("ci.yml")!;
  assert("pull_request" in on && "push" in on && "workflow_call" in on);
  assert(jobs["gate"]!.steps!.some(({ run }) => run === ".ci/run"));
  assertEquals(jobs["oldest"]!.env, { DENO_VERSION: "2.4.2" });
  assert(jobs["oldest"]!.steps!.some(({ run }) => run === "./dev test"));
  assertMatch(await Deno.readTextFile(join(ROOT, "dev")), /DENO_VERSION:-2\.9\.6\}.*the oldest is 2\.4\.2/);
});

Deno.test("release.yml ships nothing that did not pass the gate, and attests what it ships", () => {
  const { on, jobs } = workflows.get("release.yml")!;
  assertEquals(on, { push: { tags: ["v*.*.*"] } });
  const needs = (name: string): string[] =>
    [jobs[name]!.needs ?? []].flat().flatMap((needed) => [needed, ...needs(needed)]);
  for (const shipping of ["binaries", "image", "image-index", "jsr", "release"]) {
    assert(needs(shipping).includes("gate"), `${shipping} does not wait for the gate`);
    assert(needs(shipping).includes("notes"), `${shipping} does not wait for the notes`);
  }
  assertEquals(
    Object.entries(jobs).filter(([, { permissions }]) => permissions?.["contents"] === "write").map((
      [name],
    ) => name),
    ["release"],
  );
  for (const attested of ["binaries", "image-index"]) {
    assertEquals(jobs[attested]!.permissions?.["attestations"], "write");
    assert(jobs[attested]!.steps!.some(({ uses }) => uses?.startsWith("actions/attest-build-provenance@")));
  }
  assert(jobs["binaries"]!.steps!.some(({ run }) => run === 'cp "$BUNDLE" dist/SHA256SUMS.sigstore.json'));
  assertEquals(jobs["jsr"]!.permissions?.["id-token"], "write");
});

Deno.test("release.yml runs every binary that deno task compile:all makes, and builds both images", () => {
  const { jobs } = workflows.get("release.yml")!;
  const included = (job: string, key: string) =>
    jobs[job]!.strategy!.matrix.include!.map((one) => one[key]!).sort();
  assertEquals(included("run-binaries", "file"), Object.values(TARGETS).sort());
  assertEquals(included("image", "platform"), ["linux/amd64", "linux/arm64"]);
});

Deno.test("servers.yml runs tests on every server that the documentation names", () => {
  const { jobs } = workflows.get("servers.yml")!;
  const images = jobs["redis"]!.strategy!.matrix.include!.map(({ image }) => image);
  assertEquals(images, ["redis:6.2", "redis:7.4", "redis:8", "valkey/valkey:8", "valkey/valkey:9"]);
  const { version } = jobs["postgres"]!.strategy!.matrix as { readonly version?: readonly number[] };
  assertEquals(version, [14, 15, 16, 17, 18]);
  const runtimes = jobs["runtimes"]!.strategy!.matrix.include!.map((one) => one["package"]);
  assertEquals(runtimes, ["node@20", "node@24", "bun@1"]);
});
