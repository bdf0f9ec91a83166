import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { parseAll } from "@std/yaml";
import { PERMISSIONS } from "../../../scripts/permissions.ts";
import { seedLegacyRedis } from "../../support/legacy_redis_data.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { eventually, freePort, stop } from "../../support/server.ts";
import { ROOT } from "./compiler.ts";
import { outcomeOf } from "./outcome.ts";

/** What stands for the server: it answers its health check, and says which version it is. */
const SERVER = `
const version = Deno.args[0];
Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")), onListen() {} }, ({ url }) =>
  new Response(new URL(url).pathname === "/api/v1/healthz" ? "OK" : version));
`;

interface Pod {
  readonly version: "old" | "new";
  readonly port: number;
  readonly process: Deno.ChildProcess;
}

/** A deployment as Kubernetes rolls it out: traffic goes to pods whose probe succeeds, and to no others. */
class Rollout implements AsyncDisposable {
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #healthPath: string;
  readonly #serve: readonly string[];
  readonly #pods: Pod[] = [];
  /** What the service sends requests to. */
  readonly #endpoints = new Set<Pod>();
  readonly #answers = { old: 0, new: 0, none: 0 };
  #busy = true;

  private constructor(
    folder: string,
    env: Readonly<Record<string, string>>,
    serve: readonly string[],
    path: string,
  ) {
    this.#folder = folder;
    this.#env = { ...env, PATH: `${folder}:${Deno.env.get("PATH")}` };
    this.#serve = serve;
    this.#healthPath = path;
  }

  static async create(env: Readonly<Record<string, string>>): Promise<Rollout> {
    const folder = await Deno.makeTempDir({ prefix: "outpost-rollout-" });
    await Deno.writeTextFile(join(folder, "server.ts"), SERVER);
    await Deno.writeTextFile(
      join(folder, "outpost-server"),
      `#!/bin/sh\nexec '${Deno.execPath()}' run --no-config -A '${folder}/server.ts' new\n`,
      { mode: 0o755 },
    );
    const [deployment] = parseAll(
      await Deno.readTextFile(join(ROOT, "deploy/kubernetes/base/deployment.yaml")),
      // deno-lint-ignore no-explicit-any -- manifests_test.ts checks its shape.
    ) as any[];
    const [container] = deployment.spec.template.spec.containers;
    assertEquals(container.command[0], "outpost");
    return new Rollout(folder, env, container.command.slice(1), container.readinessProbe.httpGet.path);
  }

  get answers(): Readonly<Record<"old" | "new" | "none", number>> {
    return this.#answers;
  }

  /** @returns A pod that has been started, not yet one that answers. */
  start(version: Pod["version"]): Pod {
    const port = freePort();
    const args = version === "old"
      ? ["run", "--no-config", "-A", join(this.#folder, "server.ts"), "old"]
      : ["run", ...PERMISSIONS, join(ROOT, "main.ts"), ...this.#serve];
    const process = new Deno.Command(Deno.execPath(), {
      args,
      cwd: this.#folder,
      env: { ...this.#env, PORT: String(port) },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const pod = { version, port, process };
    this.#pods.push(pod);
    return pod;
  }

  /** The readiness probe, once. @throws When the pod is not ready. */
  async probe({ port }: Pod): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${port}${this.#healthPath}`);
    await response.body?.cancel();
    assert(response.ok);
  }

  async untilReady(pod: Pod): Promise<void> {
    await eventually(() => this.probe(pod), 60_000);
    this.#endpoints.add(pod);
  }

  /** Takes a pod out of the service, then ends it, as a cluster does with one that is to go. */
  async remove(pod: Pod): Promise<void> {
    this.#endpoints.delete(pod);
    await eventually(() => assertEquals(this.#underWay.get(pod) ?? 0, 0));
    await stop(pod.process, "SIGTERM");
  }

  readonly #underWay = new Map<Pod, number>();

  /** Sends one request after the other, each to the next pod in turn, until told to stop. */
  async clients(): Promise<void> {
    for (let turn = 0; this.#busy; turn++) {
      const pods = [...this.#endpoints];
      const pod = pods[turn % pods.length];
      if (pod === undefined) {
        this.#answers.none++;
        break;
      }
      this.#underWay.set(pod, (this.#underWay.get(pod) ?? 0) + 1);
      try {
        const answer = await (await fetch(`http://127.0.0.1:${pod.port}/`)).text();
        this.#answers[answer as Pod["version"]]++;
      } catch {
        this.#answers.none++;
      } finally {
        this.#underWay.set(pod, this.#underWay.get(pod)! - 1);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  endClients(): void {
    this.#busy = false;
  }

  /** The job of the base. */
  async job(): Promise<void> {
    const { code, stderr } = await outcomeOf(Deno.execPath(), {
      args: ["run", ...PERMISSIONS, join(ROOT, "main.ts"), "migrate", "apply", "--yes"],
      cwd: this.#folder,
      env: this.#env,
    });
    assertEquals(code, 0, stderr);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#busy = false;
    for (const { process } of this.#pods) {
      await stop(process);
      await process.stderr.cancel().catch(() => {}); // It may have been read to its end.
    }
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Reads what a process says until a text is in it. */
async function untilSaid(process: Deno.ChildProcess, text: string): Promise<void> {
  let said = "";
  const reader = process.stderr.pipeThrough(new TextDecoderStream()).getReader();
  while (!said.includes(text)) {
    const { value, done } = await reader.read();
    assert(!done, said);
    said += value;
  }
  await reader.cancel();
}

Deno.test("deploy/kubernetes/: in a rolling update, new pods wait unready, the old ones serve, and every request is answered", async () => {
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  await seedLegacyRedis(redis, { tenants: 20, destinationsPerTenant: 3 });
  await using rollout = await Rollout.create({
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    POSTGRES_URL: await postgres.createDatabase(),
  });
  const old = [rollout.start("old"), rollout.start("old")];
  for (const pod of old) await rollout.untilReady(pod);
  const clients = rollout.clients();

  // The rollout begins before anybody has migrated: the new pod waits, and nothing listens on its port.
  const first = rollout.start("new");
  await untilSaid(first.process, "Waiting for migrations");
  await assertRejects(() => rollout.probe(first));
  await rollout.job();

  await rollout.untilReady(first);
  await rollout.remove(old[0]!);
  const second = rollout.start("new");
  await rollout.untilReady(second);
  await rollout.remove(old[1]!);
  const answered = rollout.answers.new;
  await eventually(() => assertGreater(rollout.answers.new, answered + 10));
  rollout.endClients();
  await clients;
  assertEquals(rollout.answers.none, 0);
  assertGreater(rollout.answers.old, 0);
});
