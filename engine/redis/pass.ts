/**
 * One pass over the records for all migrations that run: each record is read once, taken through all of them, and written once.
 *
 * Records that are there are changed in place first; then copies are made, and each is made as the changes in place leave it: no
 * record is touched twice. Where other records have to be asked what one is, and where a run between the nodes of a cluster did not
 * come to its end, walks come in the order of the migrations, and copies are changed when they are there and proven.
 *
 * @module
 */

import type { RedisApplyOptions } from "../redis_backend.ts";
import { MigrationError } from "../errors.ts";
import type { Binary } from "./binary.ts";
import type { RunBegin } from "./bookkeeping.ts";
import type { Conversion, CopyContext } from "./context.ts";
import { copier, copyRecords, fieldsFor } from "./copy/copy_records.ts";
import { OpenSlotsError, replyCode, toStoreError } from "./errors.ts";
import { lookAhead } from "./lookalikes.ts";
import type { Standing } from "./standing.ts";
import type { RedisStore } from "./store.ts";
import type { CopyChange } from "./copy/change.ts";
import type { TransformChange } from "./transform/change.ts";
import { convertRecords } from "./transform/convert_records.ts";
import type { ProgressReporter } from "./walk/progress.ts";
import { literalStart, matcherOf } from "./walk/pattern.ts";
import type { Tally } from "./walk/tally.ts";

/** A migration at work, as it stood before this run. */
export interface Task extends Standing {
  readonly tally: Tally;
  readonly progress: ProgressReporter;
  readonly begin: RunBegin;
}

/**
 * Looks at everything once.
 *
 * @param tasks In the order of their versions.
 * @param look Counts the passes of a run, from 1.
 * @returns What the server finds fault with, such as a full memory; null for nothing.
 * @throws {MigrationError} When it was cut off.
 */
export async function pass(
  store: RedisStore,
  tasks: readonly Task[],
  look: number,
  options: RedisApplyOptions,
): Promise<string | null> {
  try {
    await walkAll(store, tasks, look, options);
    return null;
  } catch (error) {
    const failure = toStoreError(error, `Cannot apply ${tasks.map(({ id }) => id).join(", ")}`);
    if (failure instanceof OpenSlotsError) return failure.message; // What could be done is done, and this is why not all of it.
    if (failure instanceof MigrationError || replyCode(failure) === null) throw failure;
    return `The server answered ${codeWithin(failure) ?? replyCode(failure)}`;
  }
}

async function walkAll(...[store, tasks, look, options]: Parameters<typeof pass>): Promise<void> {
  const { fence, skipInvalid = false, signal, maxRate, batchSize } = options;
  const changes = tasks.map(({ migration }) => migration.change);
  const { found: lookalikes, isEmpty } = await lookAhead(
    changes,
    { store, signal },
    placesOf(changes),
  );
  const unfinished = ({ state }: Task) => look > 1 || state.status === "running" || state.status === "failed";
  // What a run left between nodes is followed up before it is changed: it is known by what was written.
  const inOrder = lookalikes || (store.clustered && tasks.some(unfinished)) || changesWhatDecides(tasks);
  const walks = walksOf(tasks, inOrder);
  const early = inOrder ? null : earlyCopy(walks);
  let open: OpenSlotsError | null = null;
  const attempt = (work: Promise<void>) =>
    work.catch((error: unknown) => {
      if (!(error instanceof OpenSlotsError)) throw error;
      open = error; // The other walks can do most of theirs all the same.
    });
  for (const [i, made] of walks.entries()) {
    // A search has been there before, and there is nothing of what it would look at.
    if (isEmpty && !inOrder && made[0]!.migration.change.type === "transform") continue;
    const onStep = (share: number) => {
      for (const { progress } of tasks) progress.step((i + share) / walks.length);
    };
    const shared = { store, fence, skipInvalid, signal, maxRate, batchSize, onStep };
    const contextOf = (task: Task): CopyContext => ({
      ...shared,
      ...{ tally: task.tally, later: task.later, markers: task.markers },
      beganAt: task.begin.beganAt,
      doneSince: task.state.doneSince,
      unfinished: unfinished(task),
      converted: conversionsAfter(task, inOrder ? [] : tasks),
      isHeld: (key) => tasks.slice(0, tasks.indexOf(task)).some(({ tally }) => tally.failures.has(key)),
    });
    const [first] = made as [Task];
    const { change } = first.migration;
    if (change.type === "transform") {
      const along = early !== null && !store.clustered && {
        pattern: early.among,
        fields: fieldsFor(early.change, contextOf(early.task).converted),
        visit: copier(early.change, contextOf(early.task), lookalikes),
      };
      await attempt(convertRecords(made.flatMap(inPlace), shared, lookalikes, along || null));
      continue;
    }
    if (early !== null && store.clustered && !isEmpty) {
      // By itself: what a visit that fails leaves between nodes is followed up before anything else looks at it.
      const context = { ...contextOf(first), onStep: () => {} };
      await attempt(copyRecords(change, context, lookalikes, undefined, early.among));
    }
    await attempt(copyRecords(change, contextOf(first), lookalikes, early?.isAmong));
  }
  if (open !== null) throw open as OpenSlotsError;
}

/**
 * Puts migrations together into walks: a copy by itself, and changes in place that one walk makes. Pure.
 *
 * @param inOrder False where copies are born as all changes in place make them: these come first then. Originals are nobody's to
 * change who comes after their copy.
 */
export function walksOf<One extends Pick<Standing, "migration">>(
  steps: readonly One[],
  inOrder: boolean,
): One[][] {
  const isCopy = ({ migration }: One) => migration.change.type === "copy";
  const ordered = inOrder ? steps : [...steps.filter((one) => !isCopy(one)), ...steps.filter(isCopy)];
  const walks: One[][] = [];
  for (const one of ordered) {
    const last = walks.at(-1);
    if (last === undefined || isCopy(one) || isCopy(last[0]!)) walks.push([one]);
    else last.push(one);
  }
  return walks;
}

/**
 * True where a change in place might change fields of originals by which a copy before it decides: that has to look at them first. Pure.
 */
function changesWhatDecides(steps: readonly Pick<Standing, "migration">[]): boolean {
  return steps.some(({ migration: { change: copy } }, i) =>
    copy.type === "copy" &&
    steps.slice(i + 1).some(({ migration: { change } }) =>
      change.type === "transform" && change.pattern !== copy.amongCopies &&
      change.fields.some((field) => copy.fields.includes(field)) && mayShareKeys(change.pattern, copy.pattern)
    )
  );
}

/** False for patterns whose keys begin otherwise. */
function mayShareKeys(one: Binary, other: Binary): boolean {
  const [start, begin] = [literalStart(one), literalStart(other)];
  return start.startsWith(begin) || begin.startsWith(start);
}

/** What keys match that are changed in place, and those where copies may be already. */
function placesOf(changes: readonly (CopyChange | TransformChange)[]): Binary[] {
  return changes.flatMap((change) =>
    change.type === "transform" ? [change.pattern] : change.amongCopies ?? []
  );
}

/** The copy whose originals among keys that look like copies come first: no copy is looked at that this run makes. */
function earlyCopy(walks: readonly (readonly Task[])[]) {
  const [before, [task] = []] = walks;
  const change = task?.migration.change;
  if (walks.length !== 2 || change?.type !== "copy" || change.amongCopies === undefined) return null;
  if (before![0]!.migration.change.type === "copy") return null;
  const among = change.amongCopies;
  return { task: task!, change, among, isAmong: matcherOf(among) };
}

function inPlace({ migration: { change }, tally }: Task) {
  return change.type === "transform" ? [{ change, tally }] : [];
}

/** What a copy is taken through as it is made: the changes after it that are applied, or made by some tasks. */
function conversionsAfter({ later, applied }: Task, tasks: readonly Task[]): Conversion[] {
  return later.flatMap((change): Conversion[] => {
    const task = tasks.find(({ migration }) => migration.change === change);
    if (task !== undefined) return [{ change, tally: task.tally }];
    return applied.includes(change) ? [{ change, tally: null }] : [];
  });
}

/** Before 7.0, a server that finds fault with a command of a script tells so with an error of the script. */
function codeWithin(error: unknown): string | null {
  return /@user_script: ?\d+: -([A-Z]+) /.exec(String(error))?.[1] ?? null;
}
