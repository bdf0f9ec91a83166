import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runCli, runInProcess } from "../support/cli.ts";
import { startFakeServer } from "../support/fake_server.ts";
import { startRedis } from "../support/redis.ts";
import { steeringIn } from "./marks.ts";

// Clients' timers outlive connections that were refused.
const quietly = { sanitizeOps: false, sanitizeResources: false };

/** After how many bytes a server that loads answers in between. */
const INTERVAL = "loading-process-events-interval-bytes";

/** Where a command begins, with its name. */
const COMMAND = /(?:^|\r\n)\*\d+\r\n\$\d+\r\n(\w+)/g;

/** A server that answers every command in one way, but for some. @param said Its answers to those, by name. */
function startMonotone(reply: string, said: Readonly<Record<string, string>> = {}) {
  return startFakeServer(async (connection) => {
    for (let chunk = await connection.read(); chunk !== null; chunk = await connection.read()) {
      for (const [, name] of new TextDecoder("latin1").decode(chunk).matchAll(COMMAND)) {
        await connection.write(said[name!.toLowerCase()] ?? reply);
      }
    }
  });
}

/** Nobody has the lock, and nothing is recorded. */
const BOOKS = { get: "$-1\r\n", pttl: ":-2\r\n", hgetall: "*0\r\n" };

function envOf({ port }: { readonly port: number }) {
  return { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(port) };
}

Deno.test("unlock gives up on a Redis whose lock is there however often it is deleted", quietly, async () => {
  const again = "is there again each time it is deleted";
  const senseless = "what it answers to PTTL makes no sense";
  for (
    const [reply, told] of [["+x\r\n", senseless], ["$3\r\nabc\r\n", senseless], [":1\r\n", again]] as const
  ) {
    await using server = startMonotone(reply);
    const { code, stderr } = await runInProcess(["migrate", "unlock", "--yes", "--redis-only"], {
      env: envOf(server),
    });
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, told);
  }
});

Deno.test(
  "what answers as no Redis does is told as that, and not as a fault of the program",
  quietly,
  async () => {
    const ask = async (line: string, reply: string, said = {}) => {
      await using server = startMonotone(reply, said);
      return await runInProcess(`migrate ${line} --redis-only`.split(" "), { env: envOf(server) });
    };
    for (const reply of ["+OK\r\n", "$-1\r\n", ":1\r\n", "*1\r\n:2\r\n", "*2\r\n+0\r\n:1\r\n"]) {
      for (const [said, commands] of [[{}, "(PTTL|HGETALL)"], [BOOKS, "SCAN"]] as const) {
        const { code, stderr } = await ask("plan", reply, said);
        assertEquals(code, 4, stderr);
        assertMatch(stderr, new RegExp(`what it answers to ${commands} makes no sense`));
      }
    }
    const { code, stderr } = await ask("apply --yes --lock-wait 0", ":1\r\n", BOOKS);
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, "what it answers to EVAL makes no sense");
    // A page of keys that is true, and the same again as the answer to whatever is asked of one.
    const page = "*2\r\n$1\r\n0\r\n*1\r\n$8\r\ntenant:x\r\n";
    for (
      const line of [
        "plan",
        "resolve redis/1 --all --keep copy --yes",
        "resolve redis/1 tenant:x --keep copy --yes",
      ]
    ) {
      for (const reply of [page, `$${page.length}\r\n${page}\r\n`]) {
        const { code, stderr } = await ask(line, reply);
        assertEquals(code, 4, stderr);
        assertStringIncludes(stderr, "makes no sense");
      }
    }
  },
);

Deno.test("unlock tells what a Redis says that has moved the lock away", quietly, async () => {
  const said: Readonly<Record<string, string>> = {
    get: "$3\r\nabc\r\n",
    pttl: ":5\r\n",
    eval: "-MOVED 1 h:1\r\n",
  };
  await using server = startMonotone("+OK\r\n", said);
  const args = ["migrate", "unlock", "--yes", "--force", "--redis-only"];
  const { code, stderr } = await runInProcess(args, { env: envOf(server) });
  assertEquals(code, 4, stderr);
  assertStringIncludes(stderr, "Cannot clear the lock: Redis is a cluster");
});

/** A server that lets anybody in. */
const SAID: Readonly<Record<string, string>> = { hello: "-ERR unknown command 'HELLO'\r\n", auth: "+OK\r\n" };

Deno.test("nothing that a client prints by itself reaches a stream as it is", async () => {
  const password = "Zq7#secret";
  await using server = startMonotone(`-NOPERM \x1b[8m${password} ::add-mask::x\r\n`, SAID);
  const env = {
    REDIS_HOST: "127.0.0.1",
    REDIS_PORT: String(server.port),
    REDIS_PASSWORD: password,
    MIGRATE_ONLY: "redis",
  };
  for (const flags of [[], ["--verbose"], ["--json", "--log-format", "json", "--log-level", "debug"]]) {
    const { code, stdout, stderr } = await runCli(["migrate", "list", ...flags], { env });
    assertEquals([code, steeringIn(stdout + stderr)], [4, null], stdout + stderr);
    assert(!`${stdout}${stderr}`.includes("secret"), stderr);
    assertEquals(stderr.includes("ready check"), flags.length > 0, stderr);
  }
});

Deno.test(
  "a user who may not ask for INFO hears nothing of it, and of a server that loads that it does",
  quietly,
  async (t) => {
    const directory = await Deno.makeTempDir({ prefix: "outpost-loading-" });
    try {
      let known = false;
      const acl = `${directory}/users.acl`;
      await Deno.writeTextFile(
        acl,
        "user default on nopass ~* &* +@all\nuser limited on >pw ~* &* +@all -info\n",
      );
      const args = ["--dir", directory, "--aclfile", acl];
      const envOfLimited = (port: number) => ({
        ...{ REDIS_HOST: "127.0.0.1", REDIS_PORT: String(port), MIGRATE_ONLY: "redis" },
        ...{ REDIS_USERNAME: "limited", REDIS_PASSWORD: "pw" },
      });
      {
        await using server = await startRedis(args);
        const client = server.client();
        await client.mset(Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`k${i}`, "1"])));
        for (const command of ["list", "plan", "apply --yes"]) {
          const { code, stdout, stderr } = await runCli(["migrate", ...command.split(" ")], {
            env: envOfLimited(server.port),
          });
          assertEquals(code, 0, stderr);
          assert(!/INFO|ready check/.test(stdout + stderr), stdout + stderr);
        }
        known = (await client.config("GET", INTERVAL) as unknown[]).length > 0;
        await client.save();
      }
      const name = "of a server that loads";
      await t.step({
        name: known ? name : `${name} (left out: this one cannot be made to load slowly)`,
        ignore: !known,
        async fn() {
          // For minutes: nobody waits for its end.
          const slowly = ["--key-load-delay", "5000", `--${INTERVAL}`, "1024"];
          await using loading = await startRedis([...args, ...slowly]);
          const { code, stderr } = await runCli(["migrate", "list"], { env: envOfLimited(loading.port) });
          assertEquals(code, 4, stderr);
          assertStringIncludes(stderr, "LOADING");
        },
      });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

/** What a server of bad faith says first, and then for ever. */
const FLOODS: Readonly<Record<string, readonly [string, string]>> = {
  "a text that has no end": ["$2147483647\r\n", "x".repeat(65_536)],
  "a line that has no end": ["+", "x".repeat(65_536)],
  "a list that has no end": ["*2147483647\r\n", "$6\r\nabcdef\r\n".repeat(5000)],
  "answers that nobody asked for": ["", "+OK\r\n".repeat(10_000)],
  "news that nobody asked for": ["", ">2\r\n+a\r\n+b\r\n".repeat(5000)],
};

Deno.test("connectRedis() collects nothing that has no end, and tries no second time", quietly, async (t) => {
  for (const [name, [first, then]] of Object.entries(FLOODS)) {
    await t.step(name, async () => {
      const flood = new TextEncoder().encode(then);
      await using server = startFakeServer(async (connection) => {
        await connection.read();
        await connection.write(first);
        while (await connection.write(flood));
      });
      const before = Deno.memoryUsage().rss;
      const { code, stderr } = await runInProcess(["migrate", "list", "--redis-only"], {
        env: { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) },
      });
      assertEquals([code, server.connections()], [4, 1], stderr);
      assert(Deno.memoryUsage().rss - before < 1_000_000_000, "what was refused was kept");
    });
  }
});
