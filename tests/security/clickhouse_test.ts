import { assert, assertEquals } from "@std/assert";
import { runInProcess } from "../support/cli.ts";
import { startFakeServer } from "../support/fake_server.ts";

// Clients' timers outlive connections that were refused.
const quietly = { sanitizeOps: false, sanitizeResources: false };

/** What a server of bad faith says first, and then for ever. */
const FLOODS: Readonly<Record<string, readonly [string, string]>> = {
  "headers that have no end": ["HTTP/1.1 200 OK\r\n", "X-A: b\r\n".repeat(8000)],
  "an answer that has no end": ["HTTP/1.1 200 OK\r\n\r\n", "x".repeat(65_536)],
  "an answer as long as it says": [
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    "x".repeat(65_536),
  ],
  "an error that has no end": ["HTTP/1.1 500 Internal\r\n\r\n", "x".repeat(65_536)],
};

Deno.test("connectClickHouse() collects nothing that has no end", quietly, async (t) => {
  for (const [name, [first, then]] of Object.entries(FLOODS)) {
    await t.step(name, async () => {
      const flood = new TextEncoder().encode(then);
      await using server = startFakeServer(async (connection) => {
        await connection.read();
        await connection.write(first);
        while (await connection.write(flood));
      });
      const before = Deno.memoryUsage().rss;
      const { code, stderr } = await runInProcess(["migrate", "list", "--sql-only"], {
        env: { CLICKHOUSE_ADDR: `127.0.0.1:${server.port}` },
      });
      assertEquals(code, 4, stderr);
      assert(Deno.memoryUsage().rss - before < 500_000_000, "what was refused was kept");
    });
  }
});
