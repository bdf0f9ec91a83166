/**
 * For authors of Redis migrations: tries a migration on a server of their own and names every promise that it breaks.
 *
 * @example
 * ```ts
 * import { copyKeys, createEngine, createRegistry, type RedisMigration } from "@outpost/migrate";
 * import { checkRedisMigrations } from "@outpost/migrate/testing";
 * import { Redis } from "ioredis";
 * import { names } from "./names.ts";
 * import { emails } from "./001_emails.ts";
 *
 * const redis = new Redis("redis://127.0.0.1:6380"); // An empty database, for this alone.
 * await checkRedisMigrations({
 *   redis,
 *   engine: (client) =>
 *     createEngine({
 *       registry: createRegistry({ redis: [emails] }),
 *       names,
 *       redis: client,
 *       version: "test",
 *       owner: { host: "test", pid: 1 },
 *     }),
 *   seed: async () => {
 *     await redis.hset("user:1", { email: "Ada@Example.com" });
 *     await redis.hset("user:2", { email: "bob@example.com" });
 *     await redis.pexpireat("user:2", 4_102_444_800_000);
 *     await redis.set("user:count", "2");
 *   },
 *   foreign: ["user:count"],
 * });
 * ```
 *
 * @module
 */

export {
  BrokenPromiseError,
  type CheckOptions,
  checkRedisMigrations,
  type CheckReport,
  type Writer,
} from "./check_redis_migrations.ts";
