/**
 * Advice on settings, on files of settings and on stores that are not there.
 *
 * @module
 */

import { runCli } from "../../support/cli.ts";
import { freePort } from "../../support/server.ts";
import { startRedisCluster } from "../../support/redis.ts";
import { mended, type Proof, proof } from "./proof.ts";
import type { World } from "./world.ts";

/** A setting in the environment that is wrong, and right without it. */
function wrongEnv(advice: string, when: string, env: (world: World) => Record<string, string>): Proof {
  return proof(advice, when, async (world, see) => {
    await world.current();
    see(await world.outpost("migrate status", { env: env(world) }));
    return await world.outpost("migrate status");
  });
}

/** A file that cannot be used, and one that can. */
function wrongFile(advice: string, when: string, name: string, wrong: string, right: string): Proof {
  return proof(advice, when, async (world, see) => {
    const path = await world.write(name, wrong);
    see(await world.outpost(`config --config ${path}`));
    await world.write(name, right);
    return await world.outpost(`config --config ${path}`);
  });
}

/** All of it. */
export const SETTINGS_ADVICE: readonly Proof[] = [
  mended(
    "Name the file with --config or CONFIG, or make it readable",
    "names a file that is not there",
    "config --config FOLDER/none.yaml",
    "config",
  ),
  proof("Name the file with --config or CONFIG", "has a file that is too large", async (world, see) => {
    await world.write("large.yaml", `# ${"x".repeat(1024 * 1024)}\n`);
    see(await world.outpost("config --config FOLDER/large.yaml"));
    await world.write("small.yaml", "redis:\n  port: 6379\n");
    return await world.outpost("config --config FOLDER/small.yaml");
  }),
  wrongFile(
    "Write one NAME=value a line, and quote values that hold spaces or #",
    "has half a line",
    "a.env",
    "REDIS_HOST\n",
    'REDIS_HOST="127.0.0.1"\n',
  ),
  wrongFile(
    "Check the indentation and quote values that hold special characters",
    "has YAML with a fault",
    "a.yaml",
    "redis:\n  host: [a\n",
    'redis:\n  host: "127.0.0.1"\n',
  ),
  wrongFile(
    "Write settings such as redis.host as nested YAML, or use a file named .env for NAME=value lines",
    "has lines in a YAML file",
    "b.yaml",
    "REDIS_HOST=127.0.0.1\n",
    "redis:\n  host: 127.0.0.1\n",
  ),
  wrongFile(
    "Take out the aliases that refer to one another",
    "has YAML that refers to itself",
    "c.yaml",
    "redis: &a\n  host: *a\n",
    "redis:\n  host: 127.0.0.1\n",
  ),
  proof("Take the right away: chmod go-w {}. {}", "has a file that others may write", async (world, see) => {
    const path = await world.write(".env", "REDIS_PORT=6390\n");
    await Deno.chmod(path, 0o666);
    const config = () => runCli(["config"], { cwd: world.folder });
    const [file] = see(await config());
    await Deno.chmod(`${world.folder}/${file}`, 0o644);
    const result = await config();
    await Deno.remove(path);
    return result;
  }),
  proof(
    "If it is yours, name it: outpost --config {}, or CONFIG={}",
    "has another's file",
    async (world, see) => {
      const path = await world.write(".env", "REDIS_PORT=6390\n");
      await Deno.chown(path, 65_534, null);
      see(await runCli(["config"], { cwd: world.folder }));
      const result = await runCli(["--config", ".env", "config"], { cwd: world.folder });
      await Deno.remove(path);
      return result;
    },
  ),
  proof("See where each value comes from: outpost config", "has a port that is none", async (world, see) => {
    const env = { REDIS_PORT: "many" };
    see(await world.outpost("migrate status", { env }));
    const config = await world.outpost("config", { env });
    if (!config.stdout.includes("REDIS_PORT")) throw new Error(config.stdout);
    return await world.outpost("migrate status");
  }),
  wrongEnv("Check the name of the database in the Postgres URL", "mistypes the database", ({ url }) => ({
    POSTGRES_URL: `${url}_mistyped`,
  })),
  wrongEnv(
    "Check that Postgres runs and that the Postgres URL names its host and port",
    "names a port where nobody is",
    () => ({ POSTGRES_URL: `postgres://postgres@127.0.0.1:${freePort()}/outpost` }),
  ),
  wrongEnv(
    "Check sslmode and sslrootcert in the Postgres URL",
    "wants TLS of a server that has none",
    ({ url }) => ({ POSTGRES_URL: `${url}?sslmode=require` }),
  ),
  wrongEnv(
    "Check the Redis host, port and TLS settings, and that it is running",
    "names a port where no Redis is",
    () => ({ REDIS_PORT: String(freePort()) }),
  ),
  wrongEnv("Check the Redis user name and password", "mistypes the password", () => ({
    REDIS_USERNAME: "nobody",
    REDIS_PASSWORD: "mistyped",
  })),
  wrongEnv("Check the Redis database number", "names a database that is not there", () => ({
    REDIS_DATABASE: "999",
  })),
  wrongEnv("Turn cluster mode off for this Redis", "takes a server for a cluster", () => ({
    REDIS_CLUSTER_ENABLED: "true",
  })),
  proof("Turn cluster mode on for this Redis", "takes a cluster for a server", async (world, see) => {
    await using cluster = await startRedisCluster();
    const node = cluster.nodes[0]!;
    const env = { REDIS_PORT: String(node.port) };
    see(await world.outpost("migrate status --redis-only", { env }));
    return await world.outpost("migrate status --redis-only --redis-cluster", { env });
  }),
  wrongEnv("Name a file of certificates in PEM with --redis-tls-ca", "names what is no certificate", () => ({
    REDIS_TLS_ENABLED: "true",
    REDIS_TLS_CA: "/nowhere/ca.pem",
  })),
  proof("Check user and password in the Postgres URL", "mistypes the user", async (world, see) => {
    const url = world.url.replace("postgres@", "nobody_of_this_name@");
    see(await world.outpost("migrate status", { env: { POSTGRES_URL: url } }));
    return await world.outpost("migrate status");
  }),
  wrongEnv("Write https:// there, or HOST:PORT alone", "has http and TLS", () => ({
    CLICKHOUSE_ADDR: "http://127.0.0.1:8123",
    CLICKHOUSE_TLS_ENABLED: "true",
  })),
  wrongEnv(
    "Check that ClickHouse runs and that its address names host and HTTP port",
    "names a port where no ClickHouse is",
    () => ({ CLICKHOUSE_ADDR: `127.0.0.1:${freePort()}` }),
  ),
  proof(
    "Set POSTGRES_URL (or postgres in the file, or --postgres-url), or CLICKHOUSE_ADDR; or pass --redis-only to work on " +
      "Redis alone",
    "has no SQL store",
    async (world, see) => {
      see(await world.outpost("migrate status", { env: { POSTGRES_URL: "" } }));
      return await world.outpost("migrate status --redis-only", { env: { POSTGRES_URL: "" } });
    },
  ),
  proof(
    "Set POSTGRES_URL (or postgres in the file, or --postgres-url), or CLICKHOUSE_ADDR",
    "takes a step back without a SQL store",
    async (world, see) => {
      await world.current();
      see(await world.outpost("migrate down 1 --yes", { env: { POSTGRES_URL: "" } }));
      return await world.outpost("migrate down 1 --yes");
    },
  ),
  proof("Say which: --store postgres, or --store clickhouse", "has two SQL stores", async (world, see) => {
    await world.current();
    const env = { CLICKHOUSE_ADDR: `127.0.0.1:${freePort()}` };
    see(await world.outpost("migrate down 1 --yes", { env }));
    return await world.outpost("migrate down 1 --yes --store postgres", { env });
  }),
  proof(
    "See what is configured: outpost config",
    "asks for a store that is not there",
    async (world, see) => {
      await world.current();
      see(await world.outpost("migrate down 1 --yes --store clickhouse"));
      const config = await world.outpost("config");
      if (!config.stdout.includes("POSTGRES_URL")) throw new Error(config.stdout);
      return await world.outpost("migrate down 1 --yes --store postgres");
    },
  ),
];
