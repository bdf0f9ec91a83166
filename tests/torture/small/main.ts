/**
 * `deno task small`: plays all small histories of the Redis half, thousands at once.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { play } from "./play.ts";
import { SCHEDULES } from "./schedules.ts";

/** Histories that one server holds with ease. */
const PARTS: Readonly<Record<string, number>> = { "cut off": 30 };
/** Finds shown of one part. */
const SHOWN = 10;

const { values } = parseArgs({
  options: { schedule: { type: "string" }, parts: { type: "string" } },
});
// deno-lint-ignore no-console
const say = (text: string) => console.log(text);
let found = 0;
for (const schedule of values.schedule === undefined ? Object.keys(SCHEDULES) : [values.schedule]) {
  const every = PARTS[schedule.split(",")[0]!] ?? 1;
  for (let from = 0; from < Math.min(every, Number(values.parts ?? every)); from++) {
    const started = performance.now();
    const { histories, finds } = await play({ schedule, every, from });
    const seconds = (performance.now() - started) / 1000;
    found += finds.length;
    say(
      `${schedule}, part ${from + 1}/${every}: ${histories} histories, ${
        seconds.toFixed(1)
      } s, ${finds.length} finds`,
    );
    for (const find of finds.slice(0, SHOWN)) say(`  ${find}`);
  }
}
Deno.exit(found > 0 ? 1 : 0);
