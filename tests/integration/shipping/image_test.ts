import { assert, assertEquals, assertMatch } from "@std/assert";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { BASES, buildImages, docker, dockerOutput, type TestImages, whyNoDocker } from "./docker.ts";
import { assertComposeServes, COMPOSE_IMAGES, findCompose } from "./compose_deployment.ts";
import { doMainJob } from "./main_job.ts";
import { testNeeding } from "./test_needing.ts";

const compose = await findCompose();
const missing = await whyNoDocker([...BASES, ...COMPOSE_IMAGES]);
const run = ["run", "--rm", "--read-only", "--network=host"];

/** `-e NAME=value` for each. */
function environment(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
}

testNeeding("docker", missing, "the image works as the guide has it", async (t) => {
  await using images = await buildImages();
  await t.step("it migrates an old Outpost, with a file system that cannot be written", () =>
    doMainJob({
      run: (args, env) => docker([...run, ...environment(env), images.plain, ...args]),
      server: ["outpost", "--version"],
    }));
  await t.step(
    "it is what a cluster accepts: not root, no shell, health by a command",
    () => assertShape(images),
  );
  await t.step("the commands of the guide work as written", () => assertGuide(images));
  await t.step({
    name: `deploy/compose.yaml migrates, then serves${
      compose === null ? " (NOT RUN: compose is not installed)" : ""
    }`,
    ignore: compose === null,
    fn: () => assertComposeServes(compose!, images),
  });
});

async function assertShape({ plain }: TestImages): Promise<void> {
  const [{ Config: config }] = JSON.parse(await dockerOutput(["image", "inspect", plain]));
  assertEquals(config.Entrypoint, ["outpost"]);
  assertEquals(config.User, "65532:65532");
  assertEquals(config.Healthcheck.Test, ["CMD", "outpost", "migrate", "status", "--quiet"]);
  assertEquals(config.Labels["org.opencontainers.image.version"], "test");
  const notFound = 127;
  for (const shell of ["sh", "bash", "/bin/sh", "/usr/bin/dash"]) {
    assertEquals(
      (await docker(["run", "--rm", "--entrypoint", shell, plain, "-c", "true"])).code,
      notFound,
      shell,
    );
  }
}

async function assertGuide({ plain, withServer }: TestImages): Promise<void> {
  assertMatch(await dockerOutput(["run", "--rm", plain, "--version"]), /\d+\.\d+\.\d+/);
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  const env = environment({
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    POSTGRES_URL: await postgres.createDatabase(),
  });
  await dockerOutput([...run, ...env, plain, "migrate", "plan"]);
  // `command: ["outpost", ...]` of a pod replaces the entry point.
  await dockerOutput([...run, ...env, "--entrypoint", "outpost", plain, "migrate", "apply", "--yes"]);
  await dockerOutput([...run, ...env, plain, "migrate", "verify"]);
  await dockerOutput([...run, ...env, plain, "migrate", "status"]);
  await dockerOutput([...run, ...env, plain, "migrate", "unlock", "--yes"]);
  const served = await dockerOutput([...run, ...env, withServer, "serve"]);
  assert(served.includes(`REDIS_PORT=${redis.port}`), served);
}
