import { assert, assertEquals } from "@std/assert";
import { gateSeed } from "../support/gate_seed.ts";
import { describeSummary, faultRuns } from "./fault_runs.ts";

/** How long to go on, in seconds, and how many runs are enough. `deno task faults` takes as long as it is told. */
const SECONDS = 30;
const RUNS = 300;

// What a lost connection leaves behind ends with the process.
const quietly = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "under random faults, exit 0 means that all is done, and after every other exit a plain run does it",
  quietly,
  async () => {
    const seed = gateSeed() ?? Math.floor(Math.random() * 2 ** 31);
    const finds: string[] = [];
    const summary = await faultRuns({
      seed,
      seconds: SECONDS,
      runs: RUNS,
      say: (line, isFind) => void (isFind && finds.push(line)),
    });
    Deno.stderr.writeSync(new TextEncoder().encode(`seed ${seed}: ${describeSummary(summary)}\n`));
    assertEquals(finds.join("\n"), "", `deno task faults --seed ${seed} --runs ${RUNS}`);
    assert(summary.faults > 0);
  },
);
