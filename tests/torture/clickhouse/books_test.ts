import { assertEquals } from "@std/assert";
import { startClickHouse } from "../../support/clickhouse.ts";
import { gateSeed } from "../../support/gate_seed.ts";
import { letClocksDiffer } from "../faults/host_clock.ts";
import { playBooks } from "./books.ts";

const HISTORIES = 4;

Deno.test("random histories of ClickHouse's bookkeeping break no promise", async () => {
  const first = gateSeed() ?? Math.floor(Math.random() * 1_000_000_000);
  await using server = await startClickHouse();
  using _clocks = letClocksDiffer();
  for (let seed = first; seed < first + HISTORIES; seed++) {
    const { client } = await server.createDatabase();
    assertEquals(await playBooks(seed, client), null);
  }
});
