import { assertEquals } from "@std/assert";
import { gateSeed } from "../support/gate_seed.ts";
import { torture } from "./torture.ts";

/** What CI has time for; `deno task torture` plays for as long as one likes. */
const SECONDS = 40;
const HISTORIES = 150;

// Node's sockets leave timers behind when a connection is lost, and runs that were killed end when they notice it.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test("random histories break no promise", quietly, async () => {
  const lines: string[] = [];
  const result = await torture({
    seed: gateSeed(),
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
