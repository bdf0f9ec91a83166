import { assertEquals } from "@std/assert";
import { torture } from "./torture.ts";

/** What CI has time for; `deno task torture` plays for as long as one likes. */
const SECONDS = 60;
const HISTORIES = 150;

// Node's sockets leave timers behind when a connection is lost, and runs that were killed end when they notice it.
const quietly = { sanitizeOps: false, sanitizeResources: false };

// The same for every change, so that a find is of the change: OUTPOST_TESTS_TORTURE_SEED plays others, `random` others each time.
Deno.test("random histories break no promise", quietly, async () => {
  const seed = Deno.env.get("OUTPOST_TESTS_TORTURE_SEED") ?? "1";
  const lines: string[] = [];
  const result = await torture({
    seed: seed === "random" ? null : Number(seed),
    seconds: SECONDS,
    histories: HISTORIES,
    side: "both",
    topology: null,
    log: false,
    ignore: [],
    shorten: true,
    keepGoing: false,
    say: (text) => lines.push(text),
  });
  // deno-lint-ignore no-console
  console.log(result.finds === 0 ? `${lines[0]}: ${lines.at(-1)}` : lines.join("\n"));
  assertEquals(result.finds, 0);
});
