import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Redis } from "ioredis";
import postgres from "postgres";
import { REDIS_ERRORS, type RedisErrorCode } from "../support/faults/fault.ts";
import { replyEnd } from "../support/faults/redis_conversation.ts";
import { startFaultProxy } from "../support/faults/fault_proxy.ts";
import { startPostgres } from "../support/postgres.ts";
import { startRedis } from "../support/redis.ts";

// Node's sockets leave timers behind in the oldest Deno, when a connection is lost.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "startFaultProxy() does to a Redis command what was decided, and to no other",
  quietly,
  async (t) => {
    await using server = await startRedis();
    const direct = server.client();
    await using proxy = startFaultProxy({ protocol: "redis", target: server.port, decide: () => null });
    const open = () => {
      const client = new Redis({ port: proxy.port, retryStrategy: () => null, maxRetriesPerRequest: 0 });
      client.on("error", () => {});
      return client;
    };
    const faulty = open();

    await t.step("commands pass, also many at once and of any size", async () => {
      const value = "x".repeat(300_000);
      const replies = await Promise.all([
        faulty.set("a", value),
        ...Array.from({ length: 50 }, (_, i) => faulty.rpush("list", i)),
        faulty.get("a"),
        faulty.lrange("list", 0, -1),
      ]);
      assertEquals([replies[0], replies[51], (replies[52] as string[]).length], ["OK", value, 50]);
    });

    for (const code of Object.keys(REDIS_ERRORS) as RedisErrorCode[]) {
      await t.step(`${code} is answered in its turn, and the command not done`, async () => {
        proxy.decide = ({ name }) => name === "SET" ? { type: "error", code } : null;
        await direct.del("b");
        const [before, refused, after] = await Promise.allSettled([
          faulty.ping("1"),
          faulty.set("b", 1),
          faulty.ping("2"),
        ]);
        assertEquals([before, after], [
          { status: "fulfilled", value: "1" },
          { status: "fulfilled", value: "2" },
        ]);
        assertMatch(String((refused as PromiseRejectedResult).reason), new RegExp(code));
        assertEquals(await direct.get("b"), null);
      });
    }

    await t.step("a delay keeps the order", async () => {
      proxy.decide = ({ name }) => name === "SET" ? { type: "delay", ms: 20 } : null;
      assertEquals(await Promise.all([faulty.set("b", 2), faulty.get("b")]), ["OK", "2"]);
    });

    const ends = [["cut", null], ["lost_reply", "3"], ["half_reply", "3"]] as const;
    for (const [type, value] of ends) {
      await t.step(`${type}: its connection ends, and the command was ${value ?? "not"} done`, async () => {
        await direct.del("c");
        const client = open();
        proxy.decide = ({ name }) => name === "SET" ? { type } : null;
        await assertRejects(() => client.set("c", 3));
        assertEquals(await direct.get("c"), value);
        client.disconnect();
      });
    }
    faulty.disconnect();
  },
);

Deno.test(
  "startFaultProxy() does to a Postgres statement what was decided, and to no other",
  quietly,
  async (t) => {
    await using server = await startPostgres();
    const url = await server.createDatabase();
    const direct = server.client(url);
    await direct`create table t (n int)`;
    await using proxy = startFaultProxy({ protocol: "postgres", target: server.port, decide: () => null });
    const open = () =>
      postgres(url.replace(`:${server.port}/`, `:${proxy.port}/`), { max: 1, onnotice: () => {} });
    const rows = async () => (await direct`select n from t order by n`).map(({ n }) => n);
    const codeOf = (error: unknown) => (error as { code?: string }).code;
    const insert = (client: postgres.Sql, n: number) =>
      client.begin((sql) => sql`insert into t values (${n})`);

    await t.step("statements pass, with and without parameters", async () => {
      const client = open();
      await insert(client, 1);
      assertEquals((await client.unsafe("select 1 as a; select repeat('x', 200000) as b")).length, 2);
      assertEquals((await client`select ${2}::int as a`)[0]!.a, 2);
      await client.end();
      assertEquals(await rows(), [1]);
    });

    for (const code of ["53300", "40001", "55P03", "40P01", "53100"] as const) {
      await t.step(`${code} is what the server says, which rolls back and goes on`, async () => {
        const client = open();
        for (const name of ["INSERT", "COMMIT"]) {
          proxy.decide = (command) => command.name === name ? { type: "error", code } : null;
          assertEquals(codeOf(await assertRejects(() => insert(client, 2))), code, name);
        }
        proxy.decide = () => null;
        assertEquals((await client`select ${2}::int as a`)[0]!.a, 2);
        await client.end();
        assertEquals(await rows(), [1]);
      });
    }

    await t.step("an error in place of ROLLBACK ends the transaction all the same", async () => {
      const client = open();
      proxy.decide = ({ name }) => name === "ROLLBACK" ? { type: "error", code: "40001" } : null;
      await assertRejects(() =>
        client.begin(async (sql) => {
          await sql`insert into t values (9)`;
          throw new Error("never mind");
        })
      );
      assertEquals((await client`select ${2}::int as a`)[0]!.a, 2);
      await client.end();
      assertEquals(await rows(), [1]);
    });

    await t.step("57P01 ends the connection before the statement", async () => {
      const client = open();
      proxy.decide = ({ name }) => name === "COMMIT" ? { type: "error", code: "57P01" } : null;
      // The client tells of the end of its connection alone, also where a real server ends it.
      assertEquals(codeOf(await assertRejects(() => insert(client, 2))), "CONNECTION_CLOSED");
      await client.end({ timeout: 0 });
      assertEquals(await rows(), [1]);
    });

    await t.step("53300 refuses a connection", async () => {
      const client = open();
      proxy.decide = ({ name }) => name === "STARTUP" ? { type: "error", code: "53300" } : null;
      assertEquals(codeOf(await assertRejects(() => client`select 1`)), "53300");
      await client.end({ timeout: 0 });
    });

    for (
      const [type, expected] of [["cut", [1]], ["lost_reply", [1, 3]], ["half_reply", [1, 3, 3]]] as const
    ) {
      await t.step(`${type} of a COMMIT: the client cannot know`, async () => {
        const client = open();
        proxy.decide = ({ name }) => name === "COMMIT" ? { type } : null;
        await assertRejects(() => insert(client, 3));
        await client.end({ timeout: 0 });
        assertEquals(await rows(), [...expected]);
      });
    }
  },
);

Deno.test("replyEnd() finds the end of each kind of value, and none in a part of it", () => {
  const values = [
    "+OK\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "$0\r\n\r\n",
    "$3\r\na\r\n\r\n",
    "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
    "%1\r\n+a\r\n:1\r\n",
    ">2\r\n+a\r\n_\r\n",
    "|1\r\n+a\r\n:1\r\n$1\r\nx\r\n",
  ];
  const bytes = (text: string) => new TextEncoder().encode(text);
  for (const value of values) {
    assertEquals(replyEnd(bytes(`${value}+next\r\n`), 0), value.length, value);
    for (let part = 0; part < value.length; part++) {
      assertEquals(replyEnd(bytes(value.slice(0, part)), 0), null, value.slice(0, part));
    }
  }
});
