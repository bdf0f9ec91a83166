/**
 * Turns that whole families of mistakes have in common, and that chance alone would seldom put together.
 *
 * @module
 */

import type { Event, Happening, Population } from "../history.ts";
import type { Random } from "../random.ts";
import { WHOLE_RUN } from "../stage.ts";
import type { Action } from "./application.ts";
import { actOf, type Setting, startOf } from "./happenings.ts";

export const APPLY = ["migrate", "apply", "--yes"];

/** One of them. */
export function motif(random: Random, setting: Setting): Event[] {
  const motifs = [interrupted, interrupted, goneWhileCopied, pausedAndChanged];
  if (setting.topology === "replica") motifs.push(failedOver, failedOver, failedOver);
  return random.pick(motifs)(random, setting);
}

/** A tool before v0.14 takes its lock, before a run and in the middle of others, and gives it back. */
export function olderTool(random: Random, populations: readonly Population[]): Event[] {
  const run = (): Event => ({ after: 0, ...startOf(random, populations, APPLY) });
  const tool = (action: "lock" | "unlock", after: number): Event => ({ after, type: "older_tool", action });
  const events = [tool("lock", 0), run(), tool("unlock", WHOLE_RUN)];
  for (let i = random.between(1, 3); i > 0; i--) {
    events.push(run(), tool("lock", random.between(0, 60)), run(), tool("unlock", random.between(0, 40)));
  }
  return events;
}

/** A fresh installation is initialized, by some that stand still in the middle while data appears. */
export function freshStart(random: Random, populations: readonly Population[]): Event[] {
  const run = startOf(random, populations, ["migrate", "init"]);
  const setting = settingOf(populations);
  const events: Event[] = [{ after: 0, ...run, process: false }];
  if (random.chance(0.6)) {
    const create = { ...actOf(random, setting, "old"), action: "create_tenant" as const };
    events.push({ after: random.between(4, 40), type: "runner_fault", runner: run.runner, fault: "freeze" });
    events.push({ after: 0, ...create });
  }
  return events;
}

/** What looks fresh is initialized, and nothing else is done. */
export function onlyInit(random: Random, populations: readonly Population[]): Event[] {
  return [{ after: 0, ...startOf(random, populations, ["migrate", "init"]) }];
}

/** A fresh installation is initialized by one that falls asleep when it has looked; data appears before it wakes. */
export function asleepInInit(random: Random, populations: readonly Population[]): Event[] {
  const run = startOf(random, populations, ["migrate", "init"]);
  const setting = settingOf(populations);
  const create = { ...actOf(random, setting, "old"), action: "create_tenant" as const, tenant: 0 };
  return [
    { after: 0, ...run, process: false },
    { after: 0, type: "runner_fault", runner: run.runner, fault: { what: "freeze", before: "record" } },
    { after: 200, ...create },
    { after: 0, ...create, action: "create_destination" },
  ];
}

/** While a run of 001 has read and not yet copied, the old application deletes; the run copies what it had read, and dies. */
export function diesOnCopy(random: Random, populations: readonly Population[]): Event[] {
  const purge = { ...actOf(random, settingOf(populations), "old"), action: "purge" as const };
  const records = [0, 1, 2].flatMap((tenant) => [0, 1, 2].map((destination) => ({ tenant, destination })));
  return dyingOnCopy(
    random,
    populations,
    records.filter(() => random.chance(0.9)).map((record) => ({ ...purge, ...record })),
  );
}

/**
 * The same, and it is the new application that deletes: tenants which it has made anew, and whose lists are copied then. Before the
 * next run comes, the old application may delete them too.
 */
export function diesOnList(random: Random, populations: readonly Population[]): Event[] {
  const act = (action: "create_tenant" | "delete_tenant", release: "old" | "new" = "new") =>
    [0, 1, 2].map((tenant) => ({ ...actOf(random, settingOf(populations), release), action, tenant }));
  const events = [
    ...act("create_tenant").map((happening) => ({ after: 0, ...happening })),
    ...dyingOnCopy(random, populations, act("delete_tenant"), { "--batch-size": "10" }), // So many that there is a list among them.
  ];
  const gone = random.chance(0.5) ? act("delete_tenant", "old") : [];
  events.splice(-1, 0, ...gone.map((happening, i) => ({ after: i === 0 ? 100 : 0, ...happening })));
  return events;
}

/**
 * A long list is copied as a whole, with what the new application has deleted of it, and the run dies before it takes that off again.
 * Before the next one comes, the old application deletes the list.
 */
export function diesBeforePruning(random: Random, populations: readonly Population[]): Event[] {
  type What = Pick<Happening & { type: "application" }, "release" | "action" | "destination">;
  const act = ({ release, ...what }: What) =>
    [0, 1, 2].map((tenant): Event => ({
      ...actOf(random, settingOf(populations), release),
      ...{ after: 0, ...what, tenant },
    }));
  const destination = random.between(0, 1);
  const run = startOf(random, populations, [...APPLY, "redis/1"]);
  const gone = act({ release: "old", action: "delete_tenant", destination });
  return [
    // What is left of it is there before the list is.
    ...act({ release: "new", action: "create_tenant", destination }),
    ...act({ release: "new", action: "create_destination", destination }),
    ...act({ release: "new", action: "delete_destination", destination }),
    { after: 0, ...run, process: false },
    { after: 0, type: "runner_fault", runner: run.runner, fault: { what: "kill", before: "prune" } },
    // The first of them waits until the run is dead.
    ...gone.map((event, i) => i === 0 ? { ...event, after: 400 } : event),
    { after: 0, ...startOf(random, populations, APPLY), runner: (run.runner + 1) % 3 },
  ];
}

/** Somebody settles all that differs, as they are told to, while a run that was killed has not copied everything yet. */
export function settledHalfDone(random: Random, populations: readonly Population[]): Event[] {
  const run = slowly(random, startOf(random, populations, APPLY));
  const keep = random.pick(["original", "copy"]);
  const setting = settingOf(populations);
  const events: Event[] = [
    // Made anew with less than the old form has: the two differ.
    { after: 0, ...actOf(random, setting, "old"), action: "update_tenant", tenant: 0 },
    { after: 0, ...actOf(random, setting, "new"), action: "create_tenant", tenant: 0 },
    { after: 0, ...run },
    { after: random.between(10, 120), type: "runner_fault", runner: run.runner, fault: "kill" },
  ];
  for (let i = random.between(0, 3); i > 0; i--) events.push({ after: 0, ...actOf(random, setting) });
  const words = ["migrate", "resolve", "redis/1", "--all", "--keep", keep, "--yes"];
  events.push({ after: 100, ...startOf(random, populations, words), runner: (run.runner + 1) % 3 });
  events.push({ after: 100, ...startOf(random, populations, APPLY), runner: (run.runner + 1) % 3 });
  return events;
}

/**
 * The new application deletes a tenant by whom others are known, and what is left of it is over; the old one has written to one of those
 * others. Then somebody settles the tenant, by its name.
 */
export function forgotten(random: Random, populations: readonly Population[]): Event[] {
  const setting = settingOf(populations);
  const act = (action: Action): Event => ({
    ...{ after: 0, ...actOf(random, setting, "new") },
    ...{ action, tenant: 0, destination: 0 },
  });
  const [{ id } = { id: "" }] = populations[0]!.tenants;
  const words = ["migrate", "resolve", "redis/1", `tenant:${id}`, "--keep", "copy", "--yes"];
  return [
    ...writtenSince(random, populations),
    act("delete_tenant"),
    act("expire"),
    { after: 0, ...startOf(random, populations, words), process: false },
    { after: WHOLE_RUN, ...actOf(random, setting) },
  ];
}

/** After all is applied, the old application writes to one destination. */
export function writtenSince(
  random: Random,
  populations: readonly Population[],
  action: "rotate" | "retopic" = "rotate",
): Event[] {
  const write = actOf(random, settingOf(populations), "old");
  return [
    { after: 0, ...startOf(random, populations, APPLY), process: false },
    { after: WHOLE_RUN, ...write, action, tenant: 0, destination: 0 },
  ];
}

/** A run of 001 stands still before its first copy, things happen, and it makes that copy as its last deed. */
function dyingOnCopy(
  random: Random,
  populations: readonly Population[],
  meanwhile: readonly Happening[],
  options: Readonly<Record<string, string>> = {},
): Event[] {
  const run = patient(slowly(random, startOf(random, populations, [...APPLY, "redis/1"])), options);
  return [
    { after: 0, ...run },
    { after: 0, type: "runner_fault", runner: run.runner, fault: { what: "freeze", before: "copy" } },
    // The first of them waits until the run stands still.
    ...meanwhile.map((happening, i) => ({ after: i === 0 ? 400 : 0, ...happening })),
    { after: 0, type: "runner_fault", runner: run.runner, fault: "wake_and_die" },
    { after: 100, ...startOf(random, populations, APPLY), runner: (run.runner + 1) % 3 },
  ];
}

/** What an event depends on that is aimed. */
export function settingOf(populations: readonly Population[]): Setting {
  return { populations, topology: "single", mix: 0, share: 0 };
}

/** Cut off again and again, with life in the pauses. */
function interrupted(random: Random, setting: Setting): Event[] {
  const events: Event[] = [];
  const rounds = random.between(1, 3);
  const migration = random.pick([[], ["redis/1"], ["redis/2"]]);
  for (let round = 0; round < rounds; round++) {
    const run = slowly(random, startOf(random, setting.populations, [...APPLY, ...migration]));
    const fault = random.pick(["kill", "interrupt"] as const);
    events.push({ after: 0, ...run });
    events.push({ after: random.between(10, 120), type: "runner_fault", runner: run.runner, fault });
    for (let i = random.between(0, 3); i > 0; i--) events.push({ after: 0, ...actOf(random, setting) });
  }
  events.push({ after: 0, ...startOf(random, setting.populations, APPLY) });
  return events;
}

/** The old application removes what is just being copied, and the run ends there. */
function goneWhileCopied(random: Random, setting: Setting): Event[] {
  const run = slowly(random, startOf(random, setting.populations, [...APPLY, "redis/1"]));
  const events: Event[] = [{ after: 0, ...run }];
  for (let i = random.between(1, 4); i > 0; i--) {
    const action = random.pick(["purge", "delete_tenant", "delete_destination"] as const);
    events.push({ after: random.between(5, 60), ...actOf(random, setting, "old"), action });
  }
  events.push({ after: random.between(0, 3), type: "runner_fault", runner: run.runner, fault: "kill" });
  return events;
}

/** In the pause of a run, the same record is changed under both of its names. */
export function pausedAndChanged(random: Random, setting: Setting): Event[] {
  const run = slowly(random, startOf(random, setting.populations, APPLY));
  const [one, other] = random.chance(0.5) ? ["old", "new"] as const : ["new", "old"] as const;
  const first = actOf(random, setting, one);
  const second = actOf(random, setting, other);
  const { deployment, tenant, destination } = first;
  return [
    { after: 0, ...run },
    { after: random.between(10, 80), type: "runner_fault", runner: run.runner, fault: "interrupt" },
    { after: 5, ...first },
    { after: 0, ...second, deployment, tenant, destination },
  ];
}

/** The replica that takes over has not heard of what the run wrote last. */
function failedOver(random: Random, setting: Setting): Event[] {
  const run = slowly(random, startOf(random, setting.populations, APPLY));
  const fault = (name: "lag" | "failover"): Happening => ({ type: "server_fault", fault: name, seed: 0 });
  return [
    { after: 0, ...run },
    { after: random.between(5, 80), ...fault("lag") },
    { after: random.between(1, 100), ...fault("failover") },
  ];
}

/** The server dies, and what starts in its place has what was saved before, or nothing at all: of all that came since it knows nothing. */
export function startedAnew(random: Random, populations: readonly Population[]): Event[] {
  const run = patient(slowly(random, startOf(random, populations, APPLY)));
  const fault = (name: "snapshot" | "restart", after: number): Event => {
    return { after, type: "server_fault", fault: name, seed: 0 };
  };
  const [asleep, awake] = ([{ what: "freeze", before: "copy" }, "wake"] as const).map((fault): Event => {
    return { after: 0, type: "runner_fault", runner: run.runner, fault };
  });
  const acts = () =>
    Array.from({ length: random.between(0, 3) }, (): Event => ({
      after: 0,
      ...actOf(random, settingOf(populations)),
    }));
  // With its lock, and without anything that it has copied.
  const saved = random.chance(0.8) ? [asleep!, fault("snapshot", 400), awake!] : [];
  return [{ after: 0, ...run }, ...saved, ...acts(), fault("restart", random.between(1, 100)), ...acts()];
}

/** Its lease outlasts a standstill: what it sends when it wakes is written. */
export function patient(
  run: Happening & { type: "run" },
  options: Readonly<Record<string, string>> = {},
): Happening & { type: "run" } {
  const set: Readonly<Record<string, string>> = { "--lock-ttl": "6s", "--lock-wait": "3s", ...options };
  return { ...run, words: run.words.map((word, i) => set[run.words[i - 1] ?? ""] ?? word) };
}

/** In small batches, so that there are many points at which something can happen. */
export function slowly(random: Random, run: Happening & { type: "run" }): Happening & { type: "run" } {
  const words = run.words.includes("--batch-size")
    ? run.words
    : [...run.words, "--batch-size", String(random.pick([1, 2, 5]))];
  return { ...run, words, process: false };
}
