/**
 * A Postgres and a Redis of the demo's own: containers where a Docker engine runs and has the images, else the programs
 * installed on this machine.
 *
 * @module
 */

import { startPostgres } from "../tests/support/postgres.ts";
import { startRedis } from "../tests/support/redis.ts";

/** Both stores, on free ports of the loopback. */
export interface Servers extends AsyncDisposable {
  readonly kind: "containers" | "programs";
  readonly postgresUrl: string;
  readonly redis: {
    readonly host: string;
    readonly port: number;
    /** Words that run the server's own client. */
    readonly cli: readonly string[];
  };
}

/** Starts both. */
export async function startServers(): Promise<Servers> {
  return await startContainers() ?? await startPrograms();
}

/** Null where no engine answers, or an image is not to be had. */
async function startContainers(): Promise<Servers | null> {
  try {
    await Deno.stat("/var/run/docker.sock");
    const { success } = await new Deno.Command("docker", {
      args: ["version"],
      stdout: "null",
      stderr: "null",
    }).output();
    if (!success) return null;
  } catch {
    return null;
  }
  await using stack = new AsyncDisposableStack();
  try {
    const { GenericContainer, Wait } = await import("testcontainers");
    const redis = await new GenericContainer("redis:7").withExposedPorts(6379).start();
    stack.defer(async () => void await redis.stop());
    const postgres = await new GenericContainer("postgres:15").withExposedPorts(5432)
      .withEnvironment({ POSTGRES_PASSWORD: "demo", POSTGRES_DB: "outpost" })
      .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
      .start();
    stack.defer(async () => void await postgres.stop());
    const running = stack.move();
    return {
      kind: "containers",
      postgresUrl: `postgres://postgres:demo@${postgres.getHost()}:${postgres.getMappedPort(5432)}/outpost`,
      redis: {
        host: redis.getHost(),
        port: redis.getMappedPort(6379),
        cli: ["docker", "exec", redis.getId(), "redis-cli"],
      },
      [Symbol.asyncDispose]: () => running.disposeAsync(),
    };
  } catch {
    return null; // No such image here: the programs do as well.
  }
}

async function startPrograms(): Promise<Servers> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const postgres = stack.use(await startPostgres());
  const postgresUrl = await postgres.createDatabase("outpost");
  const running = stack.move();
  return {
    kind: "programs",
    postgresUrl,
    redis: { host: redis.host, port: redis.port, cli: ["redis-cli", "-p", String(redis.port)] },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
