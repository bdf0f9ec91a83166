import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { parse, parseAll } from "@std/yaml";
import { ROOT } from "./compiler.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

const FOLDER = join(ROOT, "deploy/kubernetes");
/** Where the types of each kind are declared. */
const MODULES: Readonly<Record<string, string>> = {
  "v1": "core/v1.d.ts",
  "apps/v1": "apps/v1.d.ts",
  "batch/v1": "batch/v1.d.ts",
};

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

async function manifests(file: string): Promise<Manifest[]> {
  return parseAll(await Deno.readTextFile(join(FOLDER, file))) as Manifest[];
}

/** Checks manifests against the types of Kubernetes' API: unknown and missing fields, and values of a wrong type. */
async function typeCheck(all: readonly Manifest[]): Promise<Outcome> {
  const lines = all.flatMap((manifest, i) => {
    const module = MODULES[manifest.apiVersion];
    assert(module !== undefined, `no types are known for ${manifest.apiVersion}`);
    return [
      `import type { ${manifest.kind} as Kind${i} } from "kubernetes-types/${module}";`,
      `export const manifest${i}: Kind${i} = ${JSON.stringify(manifest)};`,
    ];
  });
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, lines.join("\n"));
    return await outcomeOf(Deno.execPath(), {
      args: ["check", `--config=${join(ROOT, "deno.json")}`, file],
      cwd: ROOT,
    });
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("deploy/kubernetes/ fits the API of Kubernetes, and the check would notice if it did not", async () => {
  const all = [
    ...await manifests("config.example.yaml"),
    ...await manifests("init-container.yaml"),
    ...await manifests("job.yaml"),
  ];
  assertEquals(all.map(({ kind }) => kind), ["Secret", "Deployment", "Job", "Deployment"]);
  const { code, stderr } = await typeCheck(all);
  assertEquals(code, 0, stderr);

  const mistaken = JSON.parse(JSON.stringify(all).replaceAll('"envFrom"', '"envfrom"')) as Manifest[];
  const refused = await typeCheck(mistaken);
  assertNotEquals(refused.code, 0);
  assertMatch(refused.stderr, /envfrom/);
});

// deno-lint-ignore no-explicit-any -- Reads deep into documents whose shape the test above has checked.
type Document = any;

Deno.test("deploy/kubernetes/ migrates before it serves, in both ways that the guide gives", async () => {
  const [initial] = await manifests("init-container.yaml") as Document[];
  const { initContainers, containers } = initial.spec.template.spec;
  assertEquals(initContainers[0].command.slice(0, 4), ["outpost", "migrate", "apply", "--yes"]);
  assertEquals(containers[0].command, ["outpost", "serve"]);

  const [job, waiting] = await manifests("job.yaml") as Document[];
  assertEquals(job.spec.template.spec.containers[0].command, ["outpost", "migrate", "apply", "--yes"]);
  assertEquals(waiting.spec.template.spec.containers[0].command.slice(0, 3), ["outpost", "serve", "--wait"]);

  const [secret] = await manifests("config.example.yaml") as Document[];
  for (const { spec } of [initial, job, waiting].map((one) => one.spec.template)) {
    for (const container of [...spec.initContainers ?? [], ...spec.containers]) {
      assertEquals(container.envFrom, [{ secretRef: { name: secret.metadata.name } }]);
      assert(container.securityContext.readOnlyRootFilesystem);
    }
    assert(spec.securityContext.runAsNonRoot);
  }
  for (const { spec } of [initial, waiting]) {
    assertEquals(spec.template.metadata.labels, spec.selector.matchLabels);
  }
});

Deno.test("deploy/compose.yaml migrates between healthy stores and the server", async () => {
  const { services } = parse(await Deno.readTextFile(join(ROOT, "deploy/compose.yaml"))) as Document;
  assertEquals(services["outpost-migrate"].command, ["migrate", "apply", "--yes"]);
  assertEquals(services["outpost-migrate"].depends_on, {
    postgres: { condition: "service_healthy" },
    redis: { condition: "service_healthy" },
  });
  assertEquals(services.outpost.depends_on, {
    "outpost-migrate": { condition: "service_completed_successfully" },
  });
  for (const name of ["postgres", "redis", "outpost"]) {
    assert(services[name].healthcheck.test.length > 1, name);
  }
});

Deno.test("deploy/ci/github-actions.yaml plans, applies exactly that plan, verifies, and then deploys", async () => {
  const { jobs } = parse(await Deno.readTextFile(join(ROOT, "deploy/ci/github-actions.yaml"))) as Document;
  assertEquals(jobs.deploy.needs, "plan");
  const scripts = [...jobs.plan.steps, ...jobs.deploy.steps].flatMap(({ run }: Document) => run ?? []);
  for (const script of scripts) {
    const { code, stderr } = await outcomeOf("bash", { args: ["-n", "-c", script] });
    assertEquals(code, 0, stderr);
  }
  const order = ["migrate plan --out", "migrate apply --yes --plan", "migrate verify", "deploy command"]
    .map((part) => scripts.join("\n").indexOf(part));
  assert(order.every((at, i) => at > (order[i - 1] ?? -1)), String(order));
});
