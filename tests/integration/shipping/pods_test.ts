import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { parseAll } from "@std/yaml";
import { PERMISSIONS } from "../../../scripts/permissions.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { ROOT } from "./compiler.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

interface Container {
  readonly command: readonly string[];
}

interface Manifest {
  readonly stringData: Readonly<Record<string, string>>;
  readonly spec: {
    readonly replicas: number;
    readonly template: {
      readonly spec: {
        readonly initContainers?: readonly Container[];
        readonly containers: readonly Container[];
      };
    };
  };
}

async function manifests(file: string): Promise<Manifest[]> {
  return parseAll(await Deno.readTextFile(join(ROOT, "deploy/kubernetes", file))) as Manifest[];
}

/** Runs pods as a cluster would: the init containers one after the other, each to its success, then the containers. */
class Namespace implements AsyncDisposable {
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#env = { ...env, PATH: `${folder}:${Deno.env.get("PATH")}` };
  }

  /** @param env The settings that the pods get from their secret. */
  static async create(env: Readonly<Record<string, string>>): Promise<Namespace> {
    const folder = await Deno.makeTempDir({ prefix: "outpost-pods-" });
    await Deno.writeTextFile(join(folder, "outpost-server"), "#!/bin/sh\necho server is running\n", {
      mode: 0o755,
    });
    return new Namespace(folder, env);
  }

  /** Runs every replica of a manifest at once. @returns What the last container of each said. */
  replicas({ spec }: Manifest): Promise<Outcome[]> {
    return Promise.all(Array.from({ length: spec.replicas ?? 1 }, () => this.#pod(spec.template.spec)));
  }

  async #pod({ initContainers = [], containers }: Manifest["spec"]["template"]["spec"]): Promise<Outcome> {
    for (const container of initContainers) {
      const outcome = await this.#run(container);
      if (outcome.code !== 0) return outcome;
    }
    return await this.#run(containers[0]!);
  }

  #run({ command: [program, ...args] }: Container): Promise<Outcome> {
    assertEquals(program, "outpost");
    return outcomeOf(Deno.execPath(), {
      args: ["run", ...PERMISSIONS, join(ROOT, "main.ts"), ...args],
      cwd: this.#folder,
      env: this.#env,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

const RUNNING = "server is running\n";

Deno.test("deploy/kubernetes/: pods that start together migrate once, or wait for a job, and then serve", async (t) => {
  const [secret] = await manifests("config.example.yaml");
  const settings = secret!.stringData;
  await using redis = await startRedis(["--requirepass", settings["REDIS_PASSWORD"]!]);
  await using postgres = await startPostgres();
  const settingsOf = async (database: number) => ({
    ...settings,
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    REDIS_DATABASE: String(database),
    POSTGRES_URL: await postgres.createDatabase(),
  });

  await t.step("init-container.yaml", async () => {
    const [deployment] = await manifests("init-container.yaml");
    await using namespace = await Namespace.create(await settingsOf(0));
    for (const { code, stdout, stderr } of await namespace.replicas(deployment!)) {
      assertEquals({ code, stdout }, { code: 0, stdout: RUNNING }, stderr);
    }
  });

  await t.step("base/, whichever starts first", async () => {
    const [job] = await manifests("base/job.yaml");
    const [deployment] = await manifests("base/deployment.yaml");
    await using namespace = await Namespace.create(await settingsOf(1));
    const pods = namespace.replicas(deployment!);
    const [migrated] = await namespace.replicas(job!);
    assertEquals(migrated!.code, 0, migrated!.stderr);
    for (const { code, stdout, stderr } of await pods) {
      assertEquals({ code, stdout }, { code: 0, stdout: RUNNING }, stderr);
    }
  });
});
