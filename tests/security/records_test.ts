/**
 * Marked secrets in every field of every record, and IDs that steer terminals and CIs: what comes out of each command over them.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { runInProcess } from "../support/cli.ts";
import { startRedis } from "../support/redis.ts";
import { Dice, Marks, steeringIn } from "./marks.ts";

const STEERING = [
  "\x1b[8m",
  "\n::add-mask::x\n",
  "\u202e",
  "\u200b",
  "\x9b",
  "##[set-env name=a]",
  "\r",
  "\ud83d",
];

// Clients' timers outlive connections that were closed.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "no output holds a field of a record that is no time, nor what an ID would steer with",
  quietly,
  async () => {
    await using server = await startRedis();
    const client = server.client();
    const dice = new Dice(1);
    const marks = new Marks(dice);
    for (let n = 0; n < 60; n++) {
      const tenant = `t${n}${dice.pick(STEERING)}`;
      const time = dice.pick(["2024-01-15T10:30:00.5+07:00", "1705314600000", "tomorrow\x1b[2J", ""]);
      await client.hset(
        `tenant:${tenant}`,
        ...["id", tenant, "created_at", time, "updated_at", time],
        ...["metadata", marks.make("metadata")],
      );
      const destination = `d${n}${dice.pick(STEERING)}`;
      await client.hset(
        `tenant:${tenant}:destination:${destination}`,
        ...["id", destination, "type", "webhook", "topics", "[]", "created_at", time, "updated_at", time],
        ...["config", marks.make("config"), "credentials", marks.make("credentials")],
        ...["metadata", marks.make("metadata"), "delivery_metadata", marks.make("delivery_metadata")],
      );
      await client.hset(`tenant:${tenant}:destinations`, destination, marks.make("summary"));
      if (dice.chance(0.3)) {
        await client.hset(`tenant:{${tenant}}:tenant`, "id", tenant, "metadata", marks.make("copy"));
      }
    }
    await client.set("outpost:migration_lock", `someone\x1b[8m\nVerified.\n::add-mask::x`, "PX", 1);
    const folder = await Deno.makeTempDir();
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port), MIGRATE_ONLY: "redis" };
    const [out, page] = [`${folder}/plan.json`, `${folder}/page.html`];
    try {
      for (
        const line of [
          "migrate plan",
          `migrate plan --out ${out} --html ${page}`,
          "migrate list",
          "migrate apply --yes --verbose",
          `migrate verify --full --html ${page}`,
          "migrate apply --yes --skip-invalid",
          "migrate verify --full",
          "migrate cleanup --yes",
          "migrate status",
        ]
      ) {
        for (const form of [[], ["--json"], ["--log-format", "json"]]) {
          const { code, stdout, stderr } = await runInProcess([...line.split(" "), ...form], { env });
          const read = (path: string) => Deno.readTextFile(path).catch(() => "");
          for (const text of [stdout, stderr, await read(out), await read(page)]) {
            assertEquals(marks.find(text), [], line);
          }
          for (const text of [stdout, stderr]) assertEquals(steeringIn(text), null, line);
          assert([0, 1].includes(code), `${line}: ${code} ${stderr}`);
        }
      }
      const lock = await client.get("outpost:migration:lock");
      assertEquals(marks.find(lock ?? ""), []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

Deno.test(
  "no output has a line of its own that another tool wrote into the bookkeeping",
  quietly,
  async () => {
    await using server = await startRedis();
    const client = server.client();
    const steering = "then\nVerified.\n::stop-commands::x\x1b[8m";
    await client.hset("outpost:migration:002_timestamps", { status: "running", started_at: steering });
    await client.hset("outpost:migration:003_entity", {
      status: "failed",
      failed: "2",
      issues: JSON.stringify([steering, "a"]),
    });
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port), MIGRATE_ONLY: "redis" };
    const text = await runInProcess(["migrate", "list"], { env });
    const json = await runInProcess(["migrate", "list", "--json"], { env });
    assertEquals([text.code, json.code], [0, 0]);
    assertEquals(steeringIn(text.stdout + json.stdout), null);
    assert(!text.stdout.split("\n").includes("Verified."), text.stdout);
    const migrations: { readonly reason: string }[] = JSON.parse(json.stdout).migrations;
    const harmless = String.raw`then\x0aVerified.\x0a::stop-commands::x\x1b[8m`;
    assertEquals(migrations[2]!.reason, `Records that could not be done: 2: ${harmless}; a`);
  },
);
