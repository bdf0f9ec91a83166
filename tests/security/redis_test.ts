import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../support/cli.ts";
import { startFakeServer } from "../support/fake_server.ts";

// Clients' timers outlive connections that were refused.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test("unlock gives up on a Redis whose lock is there however often it is deleted", quietly, async () => {
  for (const reply of ["+x\r\n", "$3\r\nabc\r\n", ":1\r\n"]) {
    await using server = startFakeServer(async (connection) => {
      for (let chunk = await connection.read(); chunk !== null; chunk = await connection.read()) {
        const commands = new TextDecoder("latin1").decode(chunk).match(/(?:^|\r\n)\*\d+\r\n\$/g)?.length ?? 1;
        await connection.write(reply.repeat(commands));
      }
    });
    const { code, stderr } = await runInProcess(["migrate", "unlock", "--yes", "--redis-only"], {
      env: { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) },
    });
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, "is there again each time it is deleted");
  }
});
