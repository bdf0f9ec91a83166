/**
 * Plants marked secrets wherever a secret can stand, has servers repeat them, runs every command in every form, and looks for any
 * six characters of one in all that comes out. `OUTPOST_TESTS_OPPONENT_RUNS=10000` plays longer, `OUTPOST_TESTS_SEED=...`
 * another game.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { runInProcess } from "../support/cli.ts";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { type RedisServer, startRedis } from "../support/redis.ts";
import { lyingClickHouse, lyingPostgres, lyingRedis } from "./lying_servers.ts";
import { Dice, Marks, steeringIn } from "./marks.ts";
import { Collector, listeningRedis, withoutLogin } from "./witnesses.ts";

const RUNS = Number(Deno.env.get("OUTPOST_TESTS_OPPONENT_RUNS") ?? 300);
const SEED = Number(Deno.env.get("OUTPOST_TESTS_SEED") ?? 1000);
const AT_ONCE = 12;
/** What is looked at: both streams, files, spans, the server's arguments, what Redis was told. */
const WITNESSES = 7;

const SERVE: readonly string[] = ["serve", "--", "sh", "-c"];
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
  ["migrate", "resolve", "redis/1", "--all", "--keep", "copy", "--yes", "--lock-wait", "0"],
  ["migrate", "grants"],
  SERVE,
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

/** What the runs share. */
interface Stage {
  readonly folder: string;
  /** A true one, with a database for each player. */
  readonly redis: RedisServer;
  readonly collector: Collector;
  /** How often which exit status and code came out. */
  readonly statuses: Map<string, number>;
  /** How often which witness had something to tell. */
  readonly seen: Map<string, number>;
  /** What the program does with what clients print, of each run at work. */
  readonly printers: Set<(text: string) => void>;
}

/** Plays one run. @returns What went wrong. */
async function play(seed: number, player: number, stage: Stage): Promise<readonly string[]> {
  const { folder, statuses } = stage;
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
  // Whoever is always lied to never comes to taking the lock.
  const isTrue = dice.chance(0.25);
  const lying = {
    redis: isTrue ? listeningRedis(stage.redis.port) : lyingRedis(dice, given),
    postgres: lyingPostgres(dice, given),
    clickhouse: lyingClickHouse(dice, given),
  };
  try {
    const where = `127.0.0.1:${lying.postgres.port}`;
    const encoded = encodeURIComponent(postgres.toWellFormed());
    const env: Record<string, string> = {
      REDIS_HOST: isTrue || dice.chance(0.9) ? "127.0.0.1" : `redis://:${redis}@127.0.0.1`,
      REDIS_PORT: String(lying.redis.port),
      REDIS_PASSWORD: redis,
      REDIS_CLUSTER_ENABLED: String(!isTrue && dice.chance(0.2)),
      // The default user of a server without a password takes any, where the user is named.
      ...(isTrue ? { REDIS_USERNAME: "default", REDIS_DATABASE: String(player) } : {}),
      OTEL_DENO: String(dice.chance(0.5)),
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
    const argv = `${folder}/${seed}.argv`;
    const command = isTrue && dice.chance(0.2) ? SERVE : dice.pick(COMMANDS);
    const split = command.indexOf("--");
    const [words, rest] = split < 0
      ? [command, []]
      : [command.slice(0, split), [...command.slice(split), `cat /proc/$$/cmdline >"$0"`, argv]];
    const files = words[1] === "plan"
      ? ["--out", out, "--html", page]
      : words[1] === "verify"
      ? ["--html", page]
      : [];
    const args = [
      ...words,
      ...(["config", "grants"].includes(words.at(-1)!)
        ? []
        : isTrue && dice.chance(0.7)
        ? ["--redis-only"]
        : dice.pick(SIDES)),
      ...files,
      ...dice.pick(FORMS),
      ...rest,
    ];
    if (isTrue) await plantRecords(stage.redis, player, dice);
    // The server is only started where nothing is pending.
    if (isTrue && words[0] === "serve") {
      await runOrStop(["migrate", "apply", "--yes", "--redis-only"], env, stage);
    }
    const { result: { result, deaf }, received } = await stage.collector.during(() =>
      runOrStop(args, env, stage)
    );
    if (result === null) {
      return [`seed ${seed}, ${args.join(" ")}: did not end ${deaf} after it was told to stop`];
    }
    const { code, stdout, stderr } = result;
    const problems: string[] = [];
    const read = (path: string) => Deno.readTextFile(path).catch(() => "");
    for (
      const [name, text] of [
        ["stdout", stdout],
        ["stderr", stderr],
        ["plan", await read(out)],
        ["page", await read(page)],
        ["what a collector received", received],
        ["the server's argv", await read(argv)],
        ["what Redis was told", isTrue ? withoutLogin(lying.redis.heard()) : ""],
      ] as const
    ) {
      if (text !== "") stage.seen.set(name, (stage.seen.get(name) ?? 0) + 1);
      for (const found of marks.find(text)) problems.push(`${name} holds a part of ${found}`);
      const steering = name.startsWith("std") ? steeringIn(text) : null;
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
    if (status.endsWith(" internal")) {
      problems.push(`a fault of the program: ${stdout}${stderr}`.slice(0, 500));
    }
    if (![0, 1, 2, 3, 4, 5, 130].includes(code)) problems.push(`exit status ${code}`);
    return problems.map((problem) => `seed ${seed}, ${args.join(" ")}: ${problem}`);
  } finally {
    for (const server of Object.values(lying)) await server[Symbol.asyncDispose]();
  }
}

/** What stalls is told to stop, as by SIGINT, and then has to: a client's own patience is some 20 seconds. */
const PATIENCE_MS = 4000;
const STOPPED_WITHIN_MS = 60_000;

async function runOrStop(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { printers }: Pick<Stage, "printers">,
) {
  const stop = new AbortController();
  let print = (_text: string) => {};
  const onPrinted = (printed: typeof print) => void printers.add(print = printed);
  const patience = setTimeout(() => stop.abort(), PATIENCE_MS);
  const { promise, resolve } = Promise.withResolvers<null>();
  const deaf = setTimeout(() => resolve(null), PATIENCE_MS + STOPPED_WITHIN_MS);
  try {
    const result = await Promise.race([runInProcess(args, { env, stop: stop.signal, onPrinted }), promise]);
    return { result, deaf: `within ${STOPPED_WITHIN_MS / 1000} s` };
  } finally {
    clearTimeout(patience);
    clearTimeout(deaf);
    printers.delete(print);
  }
}

/** Fresh, or with some records of an old Outpost. */
async function plantRecords(redis: RedisServer, player: number, dice: Dice): Promise<void> {
  const client = redis.client({ db: player });
  await client.flushdb();
  for (let n = dice.pick([0, 0, 1, 5]); n > 0; n--) await seedLegacyTenant(client, `t${n}`, 2);
  client.disconnect();
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
    await using redis = await startRedis();
    using collector = new Collector();
    const statuses = new Map<string, number>();
    const printers = new Set<(text: string) => void>();
    const seen = new Map<string, number>();
    const stage: Stage = { folder, redis, collector, statuses, seen, printers };
    const problems: string[] = [];
    // A client that chokes on an answer throws where nobody can catch it: the program tells of it in a line, and ends.
    let chokes = 0;
    const onChoke = (event: Event) => {
      event.preventDefault();
      chokes++;
    };
    for (const name of ["unhandledrejection", "error"]) globalThis.addEventListener(name, onChoke);
    // As `main.ts` does it; no run can tell which of those at work a client printed for.
    const { warn } = globalThis.console;
    globalThis.console.warn = (...said) => printers.forEach((print) => print(said.join(" ")));
    try {
      let next = 0;
      const player = async (_: unknown, place: number) => {
        while (next < RUNS && problems.length < 20) problems.push(...await play(SEED + next++, place, stage));
      };
      await Promise.all(Array.from({ length: AT_ONCE }, player));
    } finally {
      globalThis.console.warn = warn;
      for (const name of ["unhandledrejection", "error"]) globalThis.removeEventListener(name, onChoke);
      await Deno.remove(folder, { recursive: true });
    }
    const counted = (counts: Map<string, number>) =>
      [...counts].sort().map(([what, count]) => `${count} x ${what}`).join(", ");
    await Deno.stderr.write(
      new TextEncoder().encode(
        `opponent: seed ${SEED}, ${RUNS} runs, ${chokes} chokes: ${counted(statuses)}\nlooked at: ${
          counted(seen)
        }\n`,
      ),
    );
    assertEquals(problems, []);
    assert(statuses.size > 2, "the runs did not get far");
    if (RUNS >= 100) assertEquals(seen.size, WITNESSES, "some witnesses saw nothing");
  },
);
