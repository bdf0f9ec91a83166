/**
 * `deno task torture`: plays random histories on real servers, and says which of them broke a promise.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { torture } from "./torture.ts";
import type { Topology } from "./redis/servers.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    seed: { type: "string" },
    seconds: { type: "string" },
    histories: { type: "string" },
    side: { type: "string", default: "both" },
    topology: { type: "string" },
    log: { type: "boolean", default: false },
    "no-shrink": { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
    ignore: { type: "string", multiple: true, default: [] },
  },
});

// A client whose user may not ask INFO prints so with each connection: the program keeps that for its own log.
// deno-lint-ignore no-console
console.warn = () => {};

const result = await torture({
  seed: values.seed === undefined ? null : Number(values.seed),
  seconds: values.seconds === undefined ? null : Number(values.seconds),
  histories: values.histories === undefined ? null : Number(values.histories),
  side: values.side as "redis" | "sql" | "both",
  topology: (values.topology ?? null) as Topology | null,
  log: values.log,
  shorten: !values["no-shrink"],
  keepGoing: values["keep-going"],
  ignore: values.ignore,
  // deno-lint-ignore no-console
  say: (text) => console.log(text),
});
Deno.exit(result.finds > 0 ? 1 : 0);
