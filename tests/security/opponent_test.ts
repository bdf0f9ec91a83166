/**
 * Plants marked secrets wherever a secret can stand, has servers repeat them, runs every command in every form, and looks for any
 * six characters of one in all that comes out. `OUTPOST_TESTS_OPPONENT_RUNS=10000` plays longer, `OUTPOST_TESTS_SEED=...`
 * another game.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { runInProcess } from "../support/cli.ts";
import { lyingClickHouse, lyingPostgres, lyingRedis } from "./lying_servers.ts";
import { Dice, Marks, steeringIn } from "./marks.ts";

const RUNS = Number(Deno.env.get("OUTPOST_TESTS_OPPONENT_RUNS") ?? 300);
const SEED = Number(Deno.env.get("OUTPOST_TESTS_SEED") ?? 1000);
const AT_ONCE = 12;

const COMMANDS: readonly (readonly string[])[] = [
  ["config"],
  ["migrate", "list"],
  ["migrate", "status"],
  ["migrate", "plan"],
  ["migrate", "plan", "--sql"],
  ["migrate", "apply", "--yes", "--lock-wait", "0"],
  ["migrate", "verify"],
  ["migrate", "cleanup", "--yes", "--lock-wait", "0"],
  ["migrate", "init", "--lock-wait", "0"],
  ["migrate", "init", "--current"],
  ["migrate", "down", "1", "--yes", "--store", "postgres", "--lock-wait", "0"],
  ["migrate", "force", "3", "--yes", "--store", "postgres", "--lock-wait", "0"],
  ["migrate", "unlock", "--yes"],
  ["serve", "--", "true"],
];

const FORMS: readonly (readonly string[])[] = [
  [],
  ["--json"],
  ["--verbose"],
  ["--quiet"],
  ["--log-format", "json", "--verbose"],
  ["--json", "--log-format", "json", "--log-level", "debug"],
  ["--log-level", "error", "--no-color"],
];

const SIDES: readonly (readonly string[])[] = [[], ["--sql-only"], ["--redis-only"]];

/** Plays one run. @returns What went wrong. */
async function play(seed: number, folder: string, statuses: Map<string, number>): Promise<readonly string[]> {
  const dice = new Dice(seed);
  const marks = new Marks(dice);
  const [redis, clickhouse, postgres, pgpassword, address] = [
    "redis",
    "clickhouse",
    "postgres",
    "PGPASSWORD",
    "address",
  ]
    .map((name) => marks.make(name)) as [string, string, string, string, string];
  // Servers can repeat what they were told; nobody can know a secret that was never given.
  const given = [redis, postgres];
  const also = (share: number, secret: string) => dice.chance(share) && given.push(secret) > 0;
  const [withPgPassword, withClickHouse, withAddress] = [
    also(0.3, pgpassword),
    also(0.5, clickhouse),
    also(0.3, address),
  ];
  const lying = {
    redis: lyingRedis(dice, given),
    postgres: lyingPostgres(dice, given),
    clickhouse: lyingClickHouse(dice, given),
  };
  try {
    const where = `127.0.0.1:${lying.postgres.port}`;
    const encoded = encodeURIComponent(postgres.toWellFormed());
    const env: Record<string, string> = {
      REDIS_HOST: dice.chance(0.9) ? "127.0.0.1" : `redis://:${redis}@127.0.0.1`,
      REDIS_PORT: String(lying.redis.port),
      REDIS_PASSWORD: redis,
      REDIS_CLUSTER_ENABLED: String(dice.chance(0.2)),
      POSTGRES_URL: dice.pick([
        `postgres://u:${encoded}@${where}/d`,
        `postgres://u:${encoded}@${where}/d`,
        `postgres://${where}/d?user=u&p%61ssword=${encoded}`,
        `postgres://u@${where}/d?options=-c%20a.b%3D${encoded}`,
        `postgres://u:${postgres}@${where}/d`,
        `postgres://u@${where}/d?x=${encoded}`,
      ]),
      ...(withPgPassword ? { PGPASSWORD: pgpassword } : {}),
      ...(withAddress || withClickHouse
        ? {
          CLICKHOUSE_ADDR: withAddress
            ? `http://me:${
              dice.chance(0.5) ? encodeURIComponent(address.toWellFormed()) : address
            }@127.0.0.1:${lying.clickhouse.port}`
            : `127.0.0.1:${lying.clickhouse.port}`,
          CLICKHOUSE_PASSWORD: withClickHouse ? clickhouse : "",
        }
        : {}),
    };
    const out = `${folder}/${seed}.json`;
    const page = `${folder}/${seed}.html`;
    const command = dice.pick(COMMANDS);
    const split = command.indexOf("--");
    const [words, rest] = split < 0 ? [command, []] : [command.slice(0, split), command.slice(split)];
    const files = words[1] === "plan"
      ? ["--out", out, "--html", page]
      : words[1] === "verify"
      ? ["--html", page]
      : [];
    const args = [
      ...words,
      ...(words[0] === "config" ? [] : dice.pick(SIDES)),
      ...files,
      ...dice.pick(FORMS),
      ...rest,
    ];
    const { result, deaf } = await runOrStop(args, env);
    if (result === null) {
      return [`seed ${seed}, ${args.join(" ")}: did not end ${deaf} after it was told to stop`];
    }
    const { code, stdout, stderr } = result;
    const problems: string[] = [];
    const read = (path: string) => Deno.readTextFile(path).catch(() => "");
    for (
      const [name, text] of [["stdout", stdout], ["stderr", stderr], ["plan", await read(out)], [
        "page",
        await read(page),
      ]] as const
    ) {
      for (const found of marks.find(text)) problems.push(`${name} holds a part of ${found}`);
      const steering = name === "plan" || name === "page" ? null : steeringIn(text);
      if (steering !== null) problems.push(`${name} holds ${steering}`);
    }
    if (args.includes("--json") && !isJsonLines(stdout)) {
      problems.push(`stdout is no JSON: ${stdout.slice(0, 300)}`);
    }
    if (args.includes("json") && code !== 2 && !isJsonLines(stderr)) {
      problems.push(`stderr is no JSON: ${stderr.slice(0, 300)}`);
    }
    // The greeting is all that the server hears before it asks for a password; the name of the program stands in it.
    const greeting = lying.postgres.heard().split("application_name\0").slice(1).map((text) =>
      text.split("\0")[0]!
    );
    for (const name of greeting) {
      for (const found of marks.find(name)) problems.push(`application_name: ${found}`);
    }
    const word = /"code":"(\w+)"|\[(\w+)\]\s*$/m.exec(`${stdout}${stderr}`);
    const status = `${code} ${word?.[1] ?? word?.[2] ?? ""}`;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (![0, 1, 2, 3, 4, 5, 130].includes(code)) problems.push(`exit status ${code}`);
    return problems.map((problem) => `seed ${seed}, ${args.join(" ")}: ${problem}`);
  } finally {
    for (const server of Object.values(lying)) await server[Symbol.asyncDispose]();
  }
}

/** What stalls is told to stop, as by SIGINT, and then has to: a client's own patience is some 20 seconds. */
const PATIENCE_MS = 4000;
const STOPPED_WITHIN_MS = 60_000;

async function runOrStop(args: readonly string[], env: Readonly<Record<string, string>>) {
  const stop = new AbortController();
  const patience = setTimeout(() => stop.abort(), PATIENCE_MS);
  const { promise, resolve } = Promise.withResolvers<null>();
  const deaf = setTimeout(() => resolve(null), PATIENCE_MS + STOPPED_WITHIN_MS);
  try {
    const result = await Promise.race([runInProcess(args, { env, stop: stop.signal }), promise]);
    return { result, deaf: `within ${STOPPED_WITHIN_MS / 1000} s` };
  } finally {
    clearTimeout(patience);
    clearTimeout(deaf);
  }
}

function isJsonLines(text: string): boolean {
  return text.split("\n").filter((line) => line !== "").every((line) => {
    try {
      return typeof JSON.parse(line) === "object";
    } catch {
      return false;
    }
  });
}

// Clients' timers outlive connections that were refused.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "no output holds a piece of a secret, nor what steers a terminal or a CI, whatever servers say",
  quietly,
  async () => {
    const folder = await Deno.makeTempDir();
    const statuses = new Map<string, number>();
    const problems: string[] = [];
    // A client that chokes on an answer throws where nobody can catch it: the program tells of it in a line, and ends.
    let chokes = 0;
    const onChoke = (event: Event) => {
      event.preventDefault();
      chokes++;
    };
    for (const name of ["unhandledrejection", "error"]) globalThis.addEventListener(name, onChoke);
    try {
      let next = 0;
      const player = async () => {
        while (next < RUNS && problems.length < 20) {
          problems.push(
            ...await play(SEED + next++, folder, statuses),
          );
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, player));
    } finally {
      for (const name of ["unhandledrejection", "error"]) globalThis.removeEventListener(name, onChoke);
      await Deno.remove(folder, { recursive: true });
    }
    const summary = [...statuses].sort().map(([status, count]) => `${count} x ${status}`).join(", ");
    await Deno.stderr.write(
      new TextEncoder().encode(`opponent: seed ${SEED}, ${RUNS} runs, ${chokes} chokes: ${summary}\n`),
    );
    assertEquals(problems, []);
    assert(statuses.size > 2, "the runs did not get far");
  },
);
