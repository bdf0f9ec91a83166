/**
 * What is recorded of each Redis migration: the hashes that released versions write and read, with what this tool adds
 * while a run is at work or failed; and the older layouts, which are understood and can be brought up to date.
 *
 * @module
 */

import { StoreUnreachableError } from "../errors.ts";
import { foreignText } from "../foreign_text.ts";
import type { Fence } from "../lock/lock.ts";
import type { MigrationStatus } from "../migration.ts";
import { encodeText, fromBytes, toArgument } from "./binary.ts";
import { parseTimestamp } from "../timestamp.ts";
import { RECORD } from "./scripts/writing.ts";
import type { RedisStore } from "./store.ts";
import type { Tally } from "./walk/tally.ts";

/** An older place where a migration's state may stand. */
export interface OlderState {
  /** A key of its own, or one that several migrations share. */
  readonly key: string;
  /**
   * - `hash`: as today, under another name.
   * - `phase`: a string of JSON or a hash, whose field `phase` is one of `donePhases` when the migration was applied.
   * - `version`: a number; the migrations up to it were applied.
   */
  readonly form: "hash" | "phase" | "version";
}

/** The names of keys that the bookkeeping uses, and which keys tell that an installation is in use. */
export interface RedisLayout {
  /** Tells this deployment from another in the same Redis; may be empty. */
  readonly deployment: string;
  /** Key of the hash that holds the state of a migration, such as `shop:migration:002_timestamps`. */
  stateKey(name: string): string;
  /** Older places where its state may stand, the one that holds first in front; empty for none. */
  olderStates(name: string): readonly OlderState[];
  /** Phases of the form `phase` after which a migration counts as applied; empty without that form. */
  readonly donePhases: readonly string[];
  /** What the keys begin with that a used installation has, such as `shop:`. */
  readonly usedPrefixes: readonly string[];
  /** True for a key with such a beginning that also stands on a fresh installation, such as a lock. */
  isIgnored(key: string): boolean;
}

/** What the store says of one migration. */
export interface StoredState {
  readonly status: Extract<MigrationStatus, "pending" | "applied" | "not_applicable" | "running" | "failed">;
  readonly reason: string | null;
  /** When it was applied, or found not applicable. */
  readonly at: Date | null;
  /** True when a key of this deployment under its current name said so. */
  readonly own: boolean;
  /** By the server's clock, when a run of this tool first began for this deployment; null where none was recorded. */
  readonly beganAt: Date | null;
  /** By the server's clock, when the last run of this tool began that could do everything; null where none was. */
  readonly doneSince: Date | null;
  /** The older key that said so, or null. */
  readonly inheritedFrom: string | null;
  /** Records that cannot be converted and were accepted so. */
  readonly accepted: number;
}

/** When runs began, by the server's clock. */
export interface RunBegin {
  /** The first one for this deployment. */
  readonly beganAt: Date;
  /** This one. */
  readonly thisBeganAt: Date;
}

/** What older bookkeeping is taken for, or what a fresh installation begins with. */
export type AdoptedState =
  /** `at` is null for now. */
  | { readonly status: "applied"; readonly at: Date | null }
  | { readonly status: "pending" | "not_applicable"; readonly reason: string };

const UNKNOWN: StoredState = {
  status: "pending",
  reason: null,
  at: null,
  own: false,
  beganAt: null,
  doneSince: null,
  inheritedFrom: null,
  accepted: 0,
};

/** What is no promise about records holds on whatever server takes it. */
const ANY: readonly string[] = [];

/** Reads and writes the state of migrations. */
export class Bookkeeping {
  readonly #store: RedisStore;
  readonly #layout: RedisLayout;
  readonly #now: () => Date;

  constructor(store: RedisStore, layout: RedisLayout, now: () => Date) {
    this.#store = store;
    this.#layout = layout;
    this.#now = now;
  }

  /** Reads the state of one migration, its own or an older one. */
  async read(name: string, version: number): Promise<StoredState> {
    const own = ownState(await this.#hash(this.#layout.stateKey(name)));
    if (own !== null) return own;
    for (const older of this.#layout.olderStates(name)) {
      const found = await this.#readOlder(older, version);
      if (found !== null) return { ...found, inheritedFrom: older.key };
    }
    return UNKNOWN;
  }

  /** The fields of a hash; empty for a key that is none. */
  async #hash(key: string): Promise<Map<string, string>> {
    const [reply] = await this.#store.callMany([["HGETALL", toArgument(encodeText(key))]]);
    const fields = new Map<string, string>();
    if (!Array.isArray(reply)) return fields;
    for (let i = 0; i + 1 < reply.length; i += 2) fields.set(String(reply[i]), String(reply[i + 1]));
    return fields;
  }

  async #readOlder({ key, form }: OlderState, version: number): Promise<StoredState | null> {
    if (form === "hash") return done(fromHash(await this.#hash(key)));
    const [reply] = await this.#store.callMany([["GET", toArgument(encodeText(key))]]);
    const text = reply instanceof Uint8Array ? fromBytes(reply) : null;
    if (form === "version") {
      return text !== null && /^\d+$/.test(text.trim()) && Number(text) >= version
        ? { ...UNKNOWN, status: "applied" }
        : null;
    }
    const fields = text === null ? await this.#hash(key) : parseObject(text);
    if (!this.#layout.donePhases.includes(fields.get("phase") ?? "")) return null;
    const time = ["applied_at", "completed_at", "started_at"].map((name) => fields.get(name)).find(Boolean);
    return { ...UNKNOWN, status: "applied", at: parseTimestamp(time ?? "") };
  }

  /**
   * Says that a run began.
   *
   * @param first When the first one is taken to have begun where none was recorded: null for now.
   * @param doneSince When the last one began that could do everything; null for none.
   * @returns By the server's clock when the first run began, which is kept from then on, and this one.
   */
  async begin(
    name: string,
    first: Date | null,
    doneSince: Date | null,
    fence: Fence | undefined,
  ): Promise<RunBegin> {
    const time = first === null ? "" : String(first.getTime());
    const done = doneSince === null ? [] : ["done_since", String(doneSince.getTime())];
    const fields = ["status", "running", "started_at", this.#time(), ...done];
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
    const fields = ["status", "applied", "applied_at", this.#time(), ...done, ...noted];
    return await this.#write(name, "replace", processes, fields, fence) !== "P";
  }

  /** Says that a migration ran and that not everything could be done. */
  async failed(
    name: string,
    tally: Tally,
    issues: readonly string[],
    fence: Fence | undefined,
  ): Promise<void> {
    await this.#write(name, "replace", ANY, [
      ...["status", "failed", "failed_at", this.#time(), ...counts(tally)],
      ...["issues", JSON.stringify(issues)],
    ], fence);
  }

  /** Says that there is nothing to do, in the words of released versions. */
  async notApplicable(name: string, reason: string, fence: Fence | undefined): Promise<void> {
    const fields = ["status", "not_applicable", "checked_at", this.#time(), "reason", reason];
    await this.#write(name, "replace", ANY, fields, fence);
  }

  /**
   * Writes a state only where none is.
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
      ? ["applied_at", state.at === null ? this.#time() : rfc3339(state.at)]
      : ["checked_at", this.#time(), "reason", state.reason];
    const answer = await this.#write(name, "new", processes, ["status", status, ...fields], fence);
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
    const key = toArgument(encodeText(this.#layout.stateKey(name)));
    return this.#store.write(RECORD, [key], [mode, processes.join(","), ...fields], fence);
  }

  #time(): string {
    return rfc3339(this.#now());
  }
}

/** As released versions write times: without fractions. */
function rfc3339(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}

function counts(tally: Tally): string[] {
  const { processed, failed, skipped, conflicts, invalid } = tally;
  return Object.entries({ processed, failed, skipped, conflicts, invalid }).flatMap((
    [name, count],
  ) => [name, String(count)]);
}

/** What another installation's word is good for: that a migration is done. Its failures and its runs are its own. */
function done(state: StoredState | null): StoredState | null {
  return state?.status === "applied" || state?.status === "not_applicable" ? state : null;
}

/** What the key of this deployment says, with what this tool adds. */
function ownState(fields: ReadonlyMap<string, string>): StoredState | null {
  const state = fromHash(fields);
  const timeOf = (name: string) => parseTimestamp(fields.get(name) ?? "");
  return state && { ...state, own: true, beganAt: timeOf("first_began_at"), doneSince: timeOf("done_since") };
}

/** @returns Null for a hash that tells no status that is known. */
function fromHash(fields: ReadonlyMap<string, string>): StoredState | null {
  const status = fields.get("status");
  switch (status) {
    case "applied":
      return {
        ...UNKNOWN,
        status,
        at: parseTimestamp(fields.get("applied_at") ?? ""),
        accepted: Number(fields.get("skipped_invalid") ?? 0) || 0,
      };
    case "not_applicable":
      return {
        ...UNKNOWN,
        status,
        at: parseTimestamp(fields.get("checked_at") ?? ""),
        reason: told(fields, "reason"),
      };
    case "pending":
      return { ...UNKNOWN, status, reason: told(fields, "reason") };
    case "failed":
      return { ...UNKNOWN, status, reason: failure(fields) };
    case "running":
      return {
        ...UNKNOWN,
        status,
        reason: `A run that began at ${told(fields, "started_at")} has not ended`,
      };
    default:
      return null;
  }
}

/** What another tool, or another version, wrote for people. */
function told(fields: ReadonlyMap<string, string>, name: string): string | null {
  const text = fields.get(name);
  return text === undefined ? null : foreignText(text);
}

/** Far more than a run names. */
const MOST_ISSUES = 20;

function failure(fields: ReadonlyMap<string, string>): string {
  const issues = parseJson(fields.get("issues"));
  const named = Array.isArray(issues)
    ? issues.slice(0, MOST_ISSUES).map((issue) => foreignText(String(issue))).join("; ")
    : "";
  const failed = told(fields, "failed") ?? "some";
  if (failed === "0" && named !== "") return named;
  return `Records that could not be done: ${failed}${named === "" ? "" : `: ${named}`}`;
}

function parseObject(text: string): Map<string, string> {
  const value = parseJson(text);
  if (typeof value !== "object" || value === null) return new Map();
  return new Map(Object.entries(value).map(([name, field]) => [name, String(field)]));
}

/** What somebody else wrote may be anything: what is no JSON tells nothing. */
function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
