import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { parse, parseAll } from "@std/yaml";
import { EXIT } from "../../../cli/output/error_catalogue.ts";
import { assertGolden } from "../../support/golden.ts";
import { ROOT } from "./compiler.ts";
import { hasProgram, type Outcome, outcomeOf } from "./outcome.ts";

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

/** All that the guide hands out for Kubernetes: the base, the alternative with init containers, the settings, the chart. */
async function everything(): Promise<Manifest[]> {
  const files = [
    "config.example.yaml",
    "init-container.yaml",
    "base/job.yaml",
    "base/deployment.yaml",
    "base/service.yaml",
  ];
  return [...(await Promise.all(files.map(manifests))).flat(), ...await rendered()];
}

/** The chart as helm renders it with its default values. */
async function rendered(): Promise<Manifest[]> {
  return parseAll(await Deno.readTextFile(join(ROOT, "tests/golden/helm.yaml"))) as Manifest[];
}

Deno.test("deploy/kubernetes/ and the chart fit the API of Kubernetes, and the check would notice if they did not", async () => {
  const all = await everything();
  assertEquals(all.map(({ kind }) => kind), [
    "Secret",
    ...["Deployment", "Job", "Deployment", "Service"],
    ...["Service", "Deployment", "Job"],
  ]);
  const { code, stderr } = await typeCheck(all);
  assertEquals(code, 0, stderr);

  const mistaken = JSON.parse(JSON.stringify(all).replaceAll('"envFrom"', '"envfrom"')) as Manifest[];
  const refused = await typeCheck(mistaken);
  assertNotEquals(refused.code, 0);
  assertMatch(refused.stderr, /envfrom/);
});

// deno-lint-ignore no-explicit-any -- Reads deep into documents whose shape the test above has checked.
type Document = any;

async function byKind(kind: string): Promise<Document[]> {
  return (await everything()).filter((one) => one.kind === kind);
}

Deno.test("deploy/: every container gets the settings, may write nothing, has limits, and is of a version", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const [secret] = await manifests("config.example.yaml");
  const { images } = parse(await Deno.readTextFile(join(FOLDER, "base/kustomization.yaml"))) as Document;
  assertEquals(images, [{ name: "hookdeck/outpost", newTag: version }]);
  const pods = [...await byKind("Deployment"), ...await byKind("Job")].map((one) => one.spec.template.spec);
  assertEquals(pods.length, 5);
  for (const spec of pods) {
    assert(spec.securityContext.runAsNonRoot && !spec.automountServiceAccountToken);
    for (const container of [...spec.initContainers ?? [], ...spec.containers]) {
      assertEquals(container.envFrom, [{ secretRef: { name: secret!.metadata.name } }]);
      assertEquals(container.securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      assert(
        container.resources.limits.memory !== undefined && container.resources.requests.cpu !== undefined,
      );
      // The base's own is set by its kustomization.
      assert([`hookdeck/outpost:${version}`, "hookdeck/outpost"].includes(container.image), container.image);
    }
  }
});

Deno.test("deploy/: a rollout takes no pod away before a new one answers, however long that waits", async () => {
  for (const { spec, metadata } of await byKind("Deployment")) {
    assertEquals(spec.strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 });
    const [server] = spec.template.spec.containers;
    const port = server.ports.find((one: Document) => one.name === "http").containerPort;
    assertEquals(port, 3333);
    for (const probe of [server.startupProbe, server.readinessProbe, server.livenessProbe]) {
      assertEquals(probe.httpGet, { path: "/api/v1/healthz", port: "http" });
    }
    const waitS = server.command.includes("--wait") ? 3600 : 0;
    const startupS = server.startupProbe.periodSeconds * server.startupProbe.failureThreshold;
    assert(startupS > waitS, `${metadata.name}: the kubelet would kill a pod that waits`);
    assert(spec.progressDeadlineSeconds > startupS);
    for (const [name, value] of Object.entries(spec.selector.matchLabels)) {
      assertEquals(spec.template.metadata.labels[name], value);
    }
  }
  for (const { spec } of await byKind("Service")) {
    const [deployment] = await byKind("Deployment");
    const labels = deployment.spec.template.metadata.labels;
    assertEquals(spec.selector["app.kubernetes.io/name"], labels["app.kubernetes.io/name"]);
    assertEquals(spec.ports[0].targetPort, "http");
  }
});

Deno.test("deploy/: a job is tried again only where that can help, as the exit statuses say", async () => {
  for (const { spec } of await byKind("Job")) {
    assertEquals(spec.template.spec.restartPolicy, "Never", "podFailurePolicy asks for it");
    assertEquals(spec.template.spec.containers[0].command, ["outpost", "migrate", "apply", "--yes"]);
    const fatal = spec.podFailurePolicy.rules.find((rule: Document) => rule.action === "FailJob").onExitCodes;
    assertEquals(fatal.containerName, spec.template.spec.containers[0].name);
    assertEquals(fatal.values, [EXIT.failed, EXIT.usage, EXIT.stale]);
    assert(spec.activeDeadlineSeconds > 0 && spec.ttlSecondsAfterFinished > 0 && spec.backoffLimit > 0);
  }
});

Deno.test("deploy/: the job runs before the rollout with Helm and with Argo CD", async () => {
  const job: Document = (await rendered()).find(({ kind }) => kind === "Job");
  assertEquals(job.metadata.annotations["helm.sh/hook"], "pre-install,pre-upgrade");
  const overlay = parse(await Deno.readTextFile(join(FOLDER, "argocd/kustomization.yaml"))) as Document;
  assertEquals(overlay.resources, ["../base"]);
  const patched = overlay.patches.map(({ target, patch }: Document) => {
    const { kind, metadata } = parse(patch) as Document;
    assertEquals(target, { kind, name: metadata.name });
    return { kind, name: metadata.name, annotations: metadata.annotations };
  });
  const base = (await Promise.all(["base/job.yaml", "base/deployment.yaml"].map(manifests))).flat();
  assertEquals(
    patched.map(({ kind, name }: Document) => ({ kind, name })),
    base.map(({ kind, metadata }) => ({ kind, name: metadata.name })),
  );
  assertEquals(patched[0].annotations["argocd.argoproj.io/hook"], "PreSync");
  const { resources } = parse(await Deno.readTextFile(join(FOLDER, "base/kustomization.yaml"))) as Document;
  assertEquals(resources, ["job.yaml", "deployment.yaml", "service.yaml"]);
});

const helm = await hasProgram("helm");

Deno.test({
  name: `deploy/helm/ is linted and renders to tests/golden/helm.yaml${helm ? "" : " (needs helm)"}`,
  ignore: !helm,
  async fn() {
    const chart = join(ROOT, "deploy/helm/outpost");
    const run = (...args: string[]) => outcomeOf("helm", { args, cwd: ROOT });
    const lint = await run("lint", "--strict", chart);
    assertEquals(lint.code, 0, lint.stdout);
    const template = (...args: string[]) =>
      run("template", "outpost", chart, "--kube-version", "1.30.0", ...args);
    await assertGolden("helm.yaml", (await template()).stdout);
    const own = await template("--set-json", 'serve.command=["./my-server","--port","3333"]');
    assertMatch(own.stdout, /args:\n +- --\n +- \.\/my-server\n/);
    for (const mistake of ["image.tag=latest", "migrate.enable=true", "serve.wait=soon", "existingSecret="]) {
      assertNotEquals((await template("--set", mistake)).code, 0, mistake);
    }
  },
});

const kustomize = await hasProgram("kustomize");

Deno.test({
  name: `deploy/kubernetes/ builds with kustomize${kustomize ? "" : " (needs kustomize)"}`,
  ignore: !kustomize,
  async fn() {
    for (const [folder, hook] of [["base", undefined], ["argocd", "PreSync"]] as const) {
      const built = await outcomeOf("kustomize", { args: ["build", join(FOLDER, folder)] });
      assertEquals(built.code, 0, built.stderr);
      const job: Document = (parseAll(built.stdout) as Manifest[]).find(({ kind }) => kind === "Job");
      assertMatch(job.spec.template.spec.containers[0].image, /^hookdeck\/outpost:\d/);
      assertEquals(job.metadata.annotations?.["argocd.argoproj.io/hook"], hook);
    }
  },
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

Deno.test("deploy/ci/github-actions.yaml comments, plans, applies exactly that plan, verifies, and then deploys", async () => {
  const text = await Deno.readTextFile(join(ROOT, "deploy/ci/github-actions.yaml"));
  const { jobs, defaults, env } = parse(text) as Document;
  assertEquals(jobs.deploy.needs, "plan");
  assertEquals(defaults.run.shell, "bash", "which has pipefail, as the default shell has not");
  const { version } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  assertEquals(env.IMAGE, `hookdeck/outpost:${version}`);
  const scripts = [...jobs.comment.steps, ...jobs.plan.steps, ...jobs.deploy.steps].flatMap((
    { run }: Document,
  ) => run ?? []);
  for (const script of scripts) {
    const { code, stderr } = await outcomeOf("bash", { args: ["-n", "-c", script] });
    assertEquals(code, 0, stderr);
  }
  // Every setting reaches every command, and no command that reads or changes a store goes without.
  for (const command of scripts.join("\n").replaceAll("\\\n", " ").match(/docker run.*/g)!) {
    assertMatch(command, /--env-file outpost\.env/);
  }
  const order = [
    "migrate plan --markdown --out",
    "migrate apply --yes --plan",
    "migrate verify",
    "deploy command",
  ]
    .map((part) => scripts.join("\n").indexOf(part));
  assert(order.every((at, i) => at > (order[i - 1] ?? -1)), String(order));
});
