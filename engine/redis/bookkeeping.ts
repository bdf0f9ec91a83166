/**
 * What is recorded of each Redis migration: the hashes that released versions write and read, with what this tool adds
 * while a run is at work or failed; and the older layouts, which are understood and can be brought up to date.
 *
 * @module
 */

import { StoreUnreachableError } from "../errors.ts";
import type { Fence } from "../lock/lock.ts";
import { encodeText, fromBytes, toArgument } from "./binary.ts";
import { byTurns } from "./bulk_reads.ts";
import { senselessAnswer } from "./errors.ts";
import type { OlderState, RedisLayout } from "./layout.ts";
import { RECORD } from "./scripts/writing.ts";
import type { RedisStore } from "./store.ts";
import {
  afterRun,
  done,
  type EvictedKeys,
  firstBegin,
  fromHash,
  fromPhase,
  ownState,
  parseObject,
  type StoredState,
  toldInSeconds,
  UNKNOWN,
} from "./stored_state.ts";
import type { Tally } from "./walk/tally.ts";

/** When runs began, by the server's clock. */
export interface RunBegin {
  /** The first one for this deployment. */
  readonly beganAt: Date;
  /** This one. */
  readonly thisBeganAt: Date;
}

/** What older bookkeeping is taken for, or what a fresh installation begins with. */
export type AdoptedState =
  /** `at` is null for now; `beganAt` where a run was before that, or at a time that nobody knows. */
  | { readonly status: "applied"; readonly at: Date | null; readonly beganAt: Date | null }
  | { readonly status: "pending" | "not_applicable"; readonly reason: string };

/** What is no promise about records holds on whatever server takes it. */
const ANY: readonly string[] = [];

/** Reads and writes the state of migrations. */
export class Bookkeeping {
  readonly store: RedisStore;
  readonly layout: RedisLayout;

  constructor(store: RedisStore, layout: RedisLayout) {
    this.store = store;
    this.layout = layout;
  }

  /** Reads the state of one migration, its own or an older one. */
  async read(name: string, version: number): Promise<StoredState> {
    const key = this.layout.stateKey(name);
    const fields = await this.#hash(key);
    const own = ownState(fields);
    if (own !== null) return await this.#afterRuns(name, key, fields, own);
    for (const older of this.layout.olderStates(name)) {
      const found = await this.#readOlder(name, older, version);
      if (found !== null) return { ...found, inheritedFrom: older.key };
    }
    return UNKNOWN;
  }

  /** The fields of a hash; empty for a key that is none. */
  async #hash(key: string): Promise<Map<string, string>> {
    const [reply] = await this.store.callMany([["HGETALL", toArgument(encodeText(key))]]);
    if (reply instanceof Error) return new Map();
    if (!Array.isArray(reply)) throw senselessAnswer("HGETALL"); // As in a transaction, which only says that it is queued.
    return byTurns(reply.map(String));
  }

  /** What the records of runs make of a state: an older tool called applied what had failed. */
  async #afterRuns(
    name: string,
    key: string,
    fields: ReadonlyMap<string, string>,
    state: StoredState,
  ): Promise<StoredState> {
    const seconds = toldInSeconds(fields);
    if (seconds === null) return state;
    let found = state;
    for (const run of this.layout.runKeys?.(name, key, seconds) ?? []) {
      found = afterRun(found, await this.#hash(run), run);
    }
    return found;
  }

  async #readOlder(name: string, { key, form }: OlderState, version: number): Promise<StoredState | null> {
    if (form === "hash") {
      const fields = await this.#hash(key);
      const state = fromHash(fields);
      // What this tool recorded of another installation is true of the records of that one alone.
      if (state === null || fields.has("done_since") || fields.has("recorded_at")) return null;
      return done(await this.#afterRuns(name, key, fields, state));
    }
    const [reply] = await this.store.callMany([["GET", toArgument(encodeText(key))]]);
    const text = reply instanceof Uint8Array ? fromBytes(reply) : null;
    if (form === "version") {
      return text !== null && /^\d+$/.test(text.trim()) && Number(text) >= version
        ? { ...UNKNOWN, status: "applied" }
        : null;
    }
    const fields = text === null ? await this.#hash(key) : parseObject(text);
    return fromPhase(fields, this.layout.donePhases, key);
  }

  /**
   * Says that a run began.
   *
   * @param state What was recorded before it: what that tells of earlier runs is kept.
   * @param evicted What this one, or one before it that did not come to its end, found evicted when it began.
   * @returns By the server's clock when the first run began, which is kept from then on, and this one.
   */
  async begin(
    name: string,
    state: StoredState,
    evicted: EvictedKeys,
    fence: Fence | undefined,
  ): Promise<RunBegin> {
    const { doneSince } = state;
    const first = firstBegin(state);
    const time = first === null ? "" : String(first.getTime());
    const done = doneSince === null ? [] : ["done_since", String(doneSince.getTime())];
    const fields = ["status", "running", "started_at", now(), ...done, ...told(evicted)];
    const answer = await this.#write(name, "begin", ANY, [time, ...fields], fence);
    const [beganAt, thisBeganAt] = answer.split(" ").map((ms) => new Date(Number(ms)));
    return { beganAt: beganAt!, thisBeganAt: thisBeganAt! };
  }

  /**
   * Says that a migration was applied, in the words of released versions.
   *
   * @param processes The servers that hold what was done; empty where they do not tell who they are.
   * @returns False when another server took over, which may lack it: then nothing was written.
   */
  async applied(
    name: string,
    { thisBeganAt }: RunBegin,
    tally: Tally,
    processes: readonly string[],
    fence: Fence | undefined,
  ): Promise<boolean> {
    const noted = tally.invalid === 0
      ? []
      : ["skipped_invalid", String(tally.invalid), "issues", JSON.stringify(tally.issues)];
    const done = ["done_since", String(thisBeganAt.getTime())];
    const fields = ["status", "applied", "applied_at", now(), ...done, ...noted];
    return await this.#write(name, "replace", processes, fields, fence) !== "P";
  }

  /** Says that a migration ran and that not everything could be done. @param evicted As for `begin`; empty when that was told. */
  async failed(
    name: string,
    tally: Tally,
    issues: readonly string[],
    evicted: EvictedKeys,
    fence: Fence | undefined,
  ): Promise<void> {
    await this.#write(name, "replace", ANY, [
      ...["status", "failed", "failed_at", now(), ...counts(tally), ...told(evicted)],
      ...["issues", JSON.stringify(issues)],
    ], fence);
  }

  /** Says that there is nothing to do, in the words of released versions. */
  async notApplicable(name: string, reason: string, fence: Fence | undefined): Promise<void> {
    const fields = ["status", "not_applicable", "checked_at", now(), "reason", reason];
    await this.#write(name, "replace", ANY, fields, fence);
  }

  /**
   * Writes a state only where none is. `recorded_at` tells it from what older tools wrote for all deployments.
   *
   * @param processes The servers that were looked at; empty where they do not tell who they are.
   * @throws {StoreUnreachableError} When another server took over.
   */
  async adopt(
    name: string,
    state: AdoptedState,
    processes: readonly string[],
    fence: Fence | undefined,
  ): Promise<void> {
    const { status } = state;
    const fields = status === "applied"
      ? ["applied_at", state.at === null ? now() : rfc3339(state.at), ...firstBeganAt(state.beganAt)]
      : ["checked_at", now(), "reason", state.reason];
    const all = ["status", status, ...fields, "recorded_at", now()];
    const answer = await this.#write(name, "new", processes, all, fence);
    if (answer !== "P") return;
    throw new StoreUnreachableError("redis", `Cannot record ${name}: another Redis took over meanwhile`, {
      hint: "Run the same command again",
    });
  }

  #write(
    name: string,
    mode: "begin" | "replace" | "new",
    processes: readonly string[],
    fields: readonly string[],
    fence: Fence | undefined,
  ): Promise<string> {
    const key = encodeText(this.layout.stateKey(name));
    return this.store.write(RECORD, [key], [mode, processes.join(","), ...fields], fence);
  }
}

function now(): string {
  return rfc3339(new Date());
}

/** As released versions write times: without fractions. */
function rfc3339(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}

function firstBeganAt(time: Date | null): string[] {
  return time === null ? [] : ["first_began_at", String(time.getTime())];
}

function counts(tally: Tally): string[] {
  const { processed, failed, skipped, conflicts, invalid } = tally;
  return Object.entries({ processed, failed, skipped, conflicts, invalid }).flatMap((
    [name, count],
  ) => [name, String(count)]);
}

function told(evicted: EvictedKeys): string[] {
  return evicted.size === 0 ? [] : ["evicted", JSON.stringify(Object.fromEntries(evicted))];
}
