/** A transaction that the server refuses to begin: what was to be in it is not done without. */

import { assertEquals, assertRejects } from "@std/assert";
import { StepFailedError } from "../../../engine/sql/step_failed_error.ts";
import { startFaultProxy } from "../../support/faults/fault_proxy.ts";
import { startPostgres } from "../../support/postgres.ts";
import { backendOver, everything, locked, running } from "./deployment.ts";
import { stepOf } from "./test_step.ts";

Deno.test("up() sends nothing of a step whose transaction does not begin, and does it next time", async () => {
  await using server = await startPostgres();
  const url = new URL(await server.createDatabase());
  const direct = server.client(url.href, { max: 2 });
  let refusing = false;
  let refused = 0;
  const sent: string[] = [];
  await using proxy = startFaultProxy({
    protocol: "postgres",
    target: server.port,
    decide: ({ name, text }) => {
      if (name !== "BEGIN") sent.push(text);
      return name === "BEGIN" && refusing && ++refused > 0 ? { type: "error", code: "53100" } : null;
    },
  });
  url.port = String(proxy.port);
  const backend = backendOver(
    server.client(url.href, { max: 2 }),
    stepOf([{ text: "CREATE TABLE fine (n int)" }]),
  );
  {
    await using session = await locked(backend);
    const before = await everything(direct);
    refusing = true;
    const error = await assertRejects(() => session.up(1, running()), StepFailedError);
    refusing = false;
    assertEquals([refused > 0, error.failure.serverCode], [true, "53100"]);
    assertEquals(sent.filter((text) => text.includes("fine")), []);
    assertEquals(await everything(direct), before);
  }
  await using session = await locked(backend);
  await session.up(1, running());
  assertEquals((await direct`SELECT FROM fine`).length, 0);
});
