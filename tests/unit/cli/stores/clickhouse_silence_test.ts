import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ClickHouseClient } from "@clickhouse/client";
import { endSilence } from "../../../../cli/stores/clickhouse_silence.ts";
import { pause } from "../../../../engine/pause.ts";

type Asked = Parameters<ClickHouseClient["command"]>[0];

/** A client whose server answers as told. The time to wait is over in no time, and what waits is told to stop. */
function clientOf(command: (asked: Asked) => Promise<unknown>, ping: () => Promise<unknown>) {
  const client = { query: command, command, insert: command, ping } as unknown as ClickHouseClient;
  return endSilence(client, (signal) => pause(1, signal));
}

Deno.test("endSilence() gives up on a server that says nothing at all, and cuts the request off", async () => {
  let cut: AbortSignal | undefined;
  const client = clientOf(({ abort_signal }) => {
    cut = abort_signal;
    return new Promise(() => {});
  }, () => new Promise(() => {}));
  const error = await assertRejects(() => client.command({ query: "ALTER" }));
  assertEquals((error as { code?: unknown }).code, "ETIMEDOUT");
  assert(cut!.aborted);
});

Deno.test("endSilence() waits as long as it takes for a server that says that it is there", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let asked = 0;
  const client = clientOf(() => promise, () => {
    if (++asked === 20) resolve("done");
    return asked % 2 === 0 ? Promise.resolve() : Promise.reject(new Error("refused, which is an answer"));
  });
  assertEquals(await client.command({ query: "ALTER" }), "done" as never);
  assertEquals(asked, 20);
});

Deno.test("endSilence() also ends an answer that stops in its middle", async () => {
  const result = { json: () => new Promise(() => {}) };
  const client = clientOf(() => Promise.resolve(result), () => new Promise(() => {}));
  const answer = await client.query({ query: "SELECT 1" });
  assertEquals((await assertRejects(() => answer.json()) as { code?: unknown }).code, "ETIMEDOUT");
});
