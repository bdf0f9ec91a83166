/**
 * Turns in which a run has read records and is about to write what it has made of them, or to delete what it has proven. It stands still
 * with its lock, applications write the same records, and it goes on: only what a server compares in the step that writes keeps that.
 *
 * @module
 */

import type { Deed } from "../faults/aims.ts";
import type { Event, Happening, Population } from "../history.ts";
import type { Random } from "../random.ts";
import { WHOLE_RUN } from "../stage.ts";
import type { Action } from "./application.ts";
import { actOf, type Setting, startOf } from "./happenings.ts";
import { APPLY, patient, settingOf, slowly } from "./motifs.ts";

type Release = "old" | "new";
type Act = Happening & { type: "application" };

/** What there is something to do for. */
const CHANGES: readonly Action[] = [
  ...["update_tenant", "update_tenant", "delete_tenant"] as const,
  ...["rotate", "retopic", "disable", "delete_destination"] as const,
];

/** One of them. */
export function inBetween(random: Random, { populations, topology }: Setting): Event[] {
  const turns = [copying, changing, deleting, settling];
  if (topology === "cluster") turns.push(following, changing);
  return random.pick(turns)(random, populations);
}

/** What is about to be copied. */
function copying(random: Random, populations: readonly Population[]): Event[] {
  const run = atOnce(random, populations, random.pick([APPLY, [...APPLY, "redis/1"]]));
  return [{ after: 0, ...run }, ...held(run, "copy", acts(random, populations))];
}

/** What 001 has copied, and the migrations after it are about to change. */
function changing(random: Random, populations: readonly Population[]): Event[] {
  const run = atOnce(random, populations, APPLY);
  return [
    ...whole(random, populations, [...APPLY, "redis/1"]),
    { after: WHOLE_RUN, ...run },
    ...held(run, "change", acts(random, populations, "new")),
  ];
}

/** What is proven, and about to be deleted. */
function deleting(random: Random, populations: readonly Population[]): Event[] {
  const run = atOnce(random, populations, ["migrate", "cleanup", "--yes", "--force"]);
  const [apply] = whole(random, populations, APPLY);
  if (random.chance(0.4)) {
    return [apply!, { after: WHOLE_RUN, ...run }, ...held(run, "delete", acts(random, populations))];
  }
  // Of what the new application has changed since, on one server only the program can tell that it is proven.
  const since = acts(random, populations, "new");
  const meanwhile = since.map((act): Act => ({ ...act, release: random.pick(["old", "old", "new"]) }));
  return [
    apply!,
    ...since.map((act, i) => ({ after: i === 0 ? WHOLE_RUN : 0, ...act })),
    { after: 0, ...run },
    // Lists come first, and then what proves them.
    ...held(run, "delete judged", meanwhile, random.pick([0, 1, 2, 2, 2, 3])),
  ];
}

/** The same of a list that is too long for a script, which a watch is to tell of. Its tenant is kept, and so can be given something. */
export function deletingLong(random: Random, populations: readonly Population[]): Event[] {
  const run = atOnce(random, populations, ["migrate", "cleanup", "--yes", "--force"]);
  const act = (action: Action, destination = 0): Act => ({
    ...actOf(random, settingOf(populations), "old"),
    ...{ action, tenant: 0, destination },
  });
  return [
    ...whole(random, populations, APPLY),
    { after: WHOLE_RUN, ...act("update_tenant") },
    { after: 0, ...run },
    ...held(run, "unlink", [0, 1, 2].map((destination) => act("create_destination", destination))),
  ];
}

/** Two forms that differ, which a person settles. */
function settling(random: Random, populations: readonly Population[]): Event[] {
  const act = (release: Release, action: Action) =>
    [0, 1, 2].map((tenant): Event => ({
      ...actOf(random, settingOf(populations), release),
      ...{ after: 0, action, tenant },
    }));
  return [
    // With less than the old form has.
    ...act("old", "update_tenant"),
    ...act("new", "create_tenant"),
    ...whole(random, populations, APPLY),
    {
      after: WHOLE_RUN,
      type: "settle_meanwhile",
      keep: random.pick(["original", "copy"]),
      acts: acts(random, populations),
    },
  ];
}

/** A copy on another node, which is about to follow its original, since that has changed while it was copied. */
function following(random: Random, populations: readonly Population[]): Event[] {
  const run = atOnce(random, populations, APPLY);
  return [
    { after: 0, ...run },
    ...held(run, "copy", acts(random, populations, "old")),
    ...held(run, "follow", acts(random, populations, "new")),
  ];
}

/** A run that is at its end before anything else happens. */
function whole(random: Random, populations: readonly Population[], words: readonly string[]): Event[] {
  return [{ after: 0, ...startOf(random, populations, words), process: false }];
}

/** A run that reads all there is before it writes anything, and whose lease outlasts a standstill. */
function atOnce(random: Random, populations: readonly Population[], words: readonly string[]) {
  return patient(slowly(random, startOf(random, populations, words)), { "--batch-size": "100" });
}

/** Each of the few tenants that there are is changed, or what it has. */
function acts(random: Random, populations: readonly Population[], release?: Release): Act[] {
  const act = (tenant: number): Act => {
    const one = actOf(random, settingOf(populations), release ?? random.pick(["old", "new"]));
    const action = random.pick([...CHANGES, one.release === "old" ? "purge" : "expire"] as const);
    return { ...one, tenant, action, destination: random.pick([0, 0, 1]) };
  };
  return [0, 1, 2].flatMap((tenant) => random.chance(0.5) ? [act(tenant)] : [act(tenant), act(tenant)]);
}

/** While a run stands still, just before it does something, all are changed. @param after How often it does that before. */
function held(
  { runner }: Happening & { type: "run" },
  before: Deed,
  meanwhile: readonly Act[],
  after = 0,
): Event[] {
  return [
    { after: 0, type: "runner_fault", runner, fault: { what: "freeze", before, after } },
    // The first of them waits until the run stands still.
    ...meanwhile.map((act, i) => ({ after: i === 0 ? 400 : 0, ...act })),
    { after: 0, type: "runner_fault", runner, fault: "wake" },
  ];
}
