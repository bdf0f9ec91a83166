/**
 * What was acknowledged: for every record all states that the old application left under the old name, and what the new one
 * left under the new name. The oracle compares the servers with this.
 *
 * @module
 */

import { pause } from "../stage.ts";
import { type Fields, type Stored, toMilliseconds } from "./stored.ts";

/** What a record is. A list is the summary of a tenant's destinations; `other` is whatever else hangs on a tenant. */
export type Kind = "tenant" | "destination" | "list" | "other";

/** A state that the old application left under the old name. */
export interface OldVersion {
  readonly stored: Stored;
  /** When it was acknowledged, in Unix milliseconds. */
  readonly at: number;
  /** What stood under the new name then. */
  readonly copy: Stored;
}

/** What the new application left under the new name. */
export interface NewVersion {
  readonly stored: Stored;
  readonly at: number;
  /** Which state of the old application it grew out of; -1 for none. */
  readonly grownFrom: number;
}

/** A record under its two names. */
export interface LedgerRecord {
  readonly deployment: string;
  readonly kind: Kind;
  readonly tenant: string;
  readonly destination: string | null;
  /** The old name; null in a deployment that never had one. */
  readonly source: string | null;
  readonly target: string;
  /** Oldest first; empty when the old application never had it. */
  readonly old: OldVersion[];
  now: NewVersion | undefined;
  /** Of a list: what the new application wrote last about each destination; null for taken off. */
  readonly listed: Map<string, string | null>;
  /** When it was last written under the new name in the form before 002 and 003; 0 for never. */
  oldFormAt: number;
  /** The two forms may differ in a way that only a person can settle. */
  mayDiffer: boolean;
  /** The digest of a record that no application changes. */
  readonly digest: string | null;
}

/** Everything that was acknowledged in one history. */
export class Ledger {
  readonly records = new Map<string, LedgerRecord>();
  /** Keys that nobody may touch, with their digests. */
  readonly foreign = new Map<string, string>();
  /** When a run that includes 001 was first started: nothing was copied before. */
  copyingFrom = Infinity;
  /** When 001 first began, by what is recorded: no later than that. */
  begunBy = Infinity;
  /** Originals of which a person has chosen one form; `--all` for each record whose forms differed. */
  readonly #settled = new Set<string>();
  #clock = 0;

  /** Notes what is acknowledged by now. @returns Goes back to that: all that came since is gone, and nobody could have kept it. */
  save(): () => void {
    const saved = structuredClone({ records: this.records, foreign: this.foreign });
    return () => {
      const { records, foreign } = structuredClone(saved);
      for (const [now, then] of [[this.records, records], [this.foreign, foreign]] as const) {
        now.clear();
        for (const [key, value] of then) (now as Map<string, unknown>).set(key, value);
      }
      this.begunBy = Infinity;
    };
  }

  /** The time as the applications write it: each write has its own millisecond. */
  tick(): number {
    this.#clock = Math.max(Date.now(), this.#clock + 1);
    return this.#clock;
  }

  /** Waits until the time that was written last is over: clocks of servers and applications agree. */
  async caughtUp(): Promise<void> {
    while (Date.now() <= this.#clock) await pause(1);
  }

  /** The record of a tenant, a destination or a list; made when it is first asked for. */
  record(deployment: string, kind: Kind, tenant: string, destination: string | null = null): LedgerRecord {
    const [source, target] = namesOf(deployment, kind, tenant, destination);
    return this.#get({ deployment, kind, tenant, destination, source, target, digest: null });
  }

  /** A record that was there from the start and that no application changes. */
  addOther(tenant: string, source: string, target: string, digest: string): void {
    this.#get({ deployment: "", kind: "other", tenant, destination: null, source, target, digest });
  }

  /** IDs of all tenants of a deployment, in the order of their creation. */
  tenants(deployment: string): string[] {
    return [...this.records.values()].filter((record) =>
      record.deployment === deployment && record.kind === "tenant"
    ).map(({ tenant }) => tenant);
  }

  /** IDs of all destinations of a tenant. */
  destinations(deployment: string, tenant: string): string[] {
    return [...this.records.values()].filter((record) =>
      record.deployment === deployment && record.tenant === tenant && record.kind === "destination"
    ).map(({ destination }) => destination!);
  }

  /** True when only a person can tell which form of a record is right: of a list, when that is so of what it lists. */
  mayDiffer({ deployment, kind, tenant, mayDiffer }: LedgerRecord): boolean {
    if (mayDiffer || kind !== "list") return mayDiffer;
    return [...this.records.values()].some((record) =>
      record.deployment === deployment && record.tenant === tenant && record.mayDiffer
    );
  }

  /** Notes that a person is about to choose. @param words Of the command. */
  settle(words: readonly string[]): void {
    for (const word of words) this.#settled.add(word);
  }

  /** True when a person may have chosen one form of a record. */
  isSettled(record: LedgerRecord): boolean {
    if (record.source !== null && this.#settled.has(record.source)) return true;
    return this.#settled.has("--all") && this.mayDiffer(record);
  }

  #get(names: Omit<LedgerRecord, "old" | "now" | "listed" | "oldFormAt" | "mayDiffer">): LedgerRecord {
    const known = this.records.get(names.target);
    if (known !== undefined) return known;
    const record = { ...names, old: [], now: undefined, listed: new Map(), oldFormAt: 0, mayDiffer: false };
    this.records.set(names.target, record);
    return record;
  }
}

/** The old and the new name of a record. */
function namesOf(
  deployment: string,
  kind: Kind,
  tenant: string,
  destination: string | null,
): [string | null, string] {
  const prefix = deployment === "" ? "" : `${deployment}:`;
  const [before, after] = kind === "tenant"
    ? ["", ":tenant"]
    : kind === "list"
    ? [":destinations", ":destinations"]
    : [`:destination:${destination}`, `:destination:${destination}`];
  return [deployment === "" ? `tenant:${tenant}${before}` : null, `${prefix}tenant:{${tenant}}${after}`];
}

/** True for what is left of a deleted record. */
export function isTombstone(stored: Stored): boolean {
  return toMilliseconds(stored?.fields.deleted_at ?? "") !== null;
}

/** What a tenant or a destination calls itself in the search index; null for other records. */
export function entityOf(kind: Kind): string | null {
  return kind === "tenant" || kind === "destination" ? kind : null;
}

/** The fields of a record, none where it is not there. */
export function fieldsOf(stored: Stored): Fields {
  return stored?.fields ?? {};
}
