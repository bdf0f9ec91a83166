/**
 * `deno task faults`: runs the program under random faults of its stores and its network.
 *
 *   deno task faults [--seed N] [--seconds N] [--runs N] [--log]
 *
 * @module
 */

import { parseArgs } from "node:util";
import { describeSummary, faultRuns } from "./fault_runs.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    seed: { type: "string" },
    seconds: { type: "string", default: "60" },
    runs: { type: "string", default: "1000000" },
    log: { type: "boolean", default: false },
  },
});
const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
say(`seed ${seed}`);
const summary = await faultRuns({
  seed,
  seconds: Number(values.seconds),
  runs: Number(values.runs),
  say: (line, isFind) => (isFind || values.log) && say(line),
});
say(describeSummary(summary));
Deno.exit(summary.finds > 0 ? 1 : 0);
