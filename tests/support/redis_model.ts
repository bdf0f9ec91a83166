/**
 * A model of a Redis that an application writes to while it is migrated: what every record may be in the end.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { parseTimestamp } from "../../engine/timestamp.ts";
import { bytes, destinationFieldsOf, expiryOf, getHash, tenantFields } from "./redis_records.ts";

/** A hash and when it expires (Unix milliseconds, -1 for never); null for no record. */
export type ModelRecord = { readonly fields: Record<string, string>; readonly expiresAt: number } | null;

/** A record that is to be copied. */
export interface ModelPair {
  readonly source: string;
  readonly target: string;
  readonly kind: "tenant" | "destination" | "other";
  /** True when others are told apart by this record: then it is never deleted without a trace. */
  readonly isEvidence: boolean;
}

const WEEK_MS = 7 * 86_400_000;

/**
 * IDs of every odd kind. The number makes them unique, so that no tenant's keys are another's. Not here are
 * `{x}:tenant` and `x:destination:y`: when such a tenant is deleted, nothing tells what is left of it from what is left
 * of the current tenant `x`, or of its destination `y`.
 */
export const ID_FORMS: readonly ((n: number) => string)[] = [
  (n) => `t${n}`,
  (n) => `t${n}:b`,
  (n) => `{t${n}}`,
  (n) => `t${n}::b:`,
  (n) => `\xff\xfet${n}\x80`,
  (n) => `*t${n}?[a]\\`,
  (n) => `t${n}}{`,
  (n) => `{t${n}:x`,
  (n) => `t${n}:destinations`,
];

/** What an application does between two commands of the migration. */
export type Action =
  | { readonly type: "update" | "soft_delete" | "delete" | "expire_later"; readonly at: number }
  | { readonly type: "write_current" | "soft_delete_current"; readonly at: number };

/** The model, and the application that keeps it. */
export class Model {
  readonly #client: Redis;
  readonly pairs: ModelPair[] = [];
  /** What is in every old key now. */
  readonly sources = new Map<string, ModelRecord>();
  /** What each old record was at some time since the copying began. */
  readonly #versions = new Map<string, ModelRecord[]>();
  /** What the application wrote to current keys: that holds. */
  readonly #written = new Map<string, ModelRecord>();
  /** All that it ever wrote to them. */
  readonly #history = new Map<string, ModelRecord[]>();
  #clock = BEGIN;
  #copying = true;
  operations = 0;

  constructor(client: Redis) {
    this.#client = client;
  }

  /** Adds a tenant with destinations and a summary. */
  async addTenant(id: string, destinations: readonly string[], deleted: boolean): Promise<void> {
    const name = `tenant:{${id}}`;
    const isEvidence = !/^t\d+$/.test(id);
    await this.#add({ source: `tenant:${id}`, target: `${name}:tenant`, kind: "tenant", isEvidence }, {
      fields: deleted ? { deleted_at: "2024-01-15T10:30:00Z" } : tenantFields(id),
      expiresAt: deleted ? this.#clock + WEEK_MS : -1,
    });
    for (const destination of destinations) {
      const suffix = `:destination:${destination}`;
      await this.#add(
        { source: `tenant:${id}${suffix}`, target: name + suffix, kind: "destination", isEvidence: false },
        { fields: destinationFieldsOf(destination), expiresAt: -1 },
      );
    }
    if (deleted || destinations.length === 0) return;
    const fields = Object.fromEntries(destinations.map((destination) => [destination, "{}"]));
    await this.#add({
      source: `tenant:${id}:destinations`,
      target: `${name}:destinations`,
      kind: "other",
      isEvidence: false,
    }, { fields, expiresAt: -1 });
  }

  async #add(pair: ModelPair, record: ModelRecord): Promise<void> {
    this.pairs.push(pair);
    await this.#put(pair.source, record);
    this.#versions.set(pair.source, [record]);
    this.sources.set(pair.source, record);
  }

  /** What the old records are from here on is not copied any more. */
  copied(): void {
    this.#copying = false;
  }

  /** Does one thing as the application, and notes it. */
  async act({ type, at }: Action): Promise<void> {
    this.operations++;
    const pair = this.pairs[at % this.pairs.length]!;
    const time = String(this.#clock += 1000);
    if (type === "write_current") {
      const record = { fields: this.#current(pair, time), expiresAt: -1 };
      this.#written.set(pair.target, record);
      this.#history.set(pair.target, [...this.#history.get(pair.target) ?? [], record]);
      return await this.#put(pair.target, record);
    }
    if (type === "soft_delete_current") {
      const record = { fields: { deleted_at: time }, expiresAt: this.#clock + WEEK_MS };
      this.#written.set(pair.target, record);
      this.#history.set(pair.target, [...this.#history.get(pair.target) ?? [], record]);
      return await this.#put(pair.target, record);
    }
    const now = this.sources.get(pair.source) ?? null;
    if (now === null) return;
    const record = change(type, pair, now, this.#clock);
    this.sources.set(pair.source, record);
    if (this.#copying) this.#versions.get(pair.source)!.push(record);
    await this.#put(pair.source, record);
  }

  /** A whole record as a current application writes it. */
  #current({ kind, target }: ModelPair, time: string): Record<string, string> {
    if (kind === "other") return { written: time };
    const id = kind === "tenant"
      ? target.slice("tenant:{".length, -"}:tenant".length)
      : target.slice(target.lastIndexOf(":destination:") + ":destination:".length);
    return { id, created_at: time, updated_at: time, entity: kind, note: "\xff" };
  }

  /** Replaces a record in one step. */
  async #put(key: string, record: ModelRecord): Promise<void> {
    const pipeline = this.#client.multi() as unknown as {
      callBuffer(name: string, args: unknown[]): void;
      exec(): Promise<unknown>;
    };
    pipeline.callBuffer("DEL", [bytes(key)]);
    if (record !== null) {
      pipeline.callBuffer("HSET", [bytes(key), ...Object.entries(record.fields).flat().map(bytes)]);
      if (record.expiresAt >= 0) pipeline.callBuffer("PEXPIREAT", [bytes(key), String(record.expiresAt)]);
    }
    await pipeline.exec();
  }

  /** What the old records are now may be copied, where nothing was. */
  copiedAgain(): void {
    for (const { source } of this.pairs) this.#versions.get(source)!.push(this.sources.get(source) ?? null);
  }

  /** One form of a record was written over the other. */
  async settled(source: string, keep: "original" | "copy"): Promise<void> {
    const pair = this.pairs.find((one) => one.source === source)!;
    if (keep === "original") {
      this.#written.delete(pair.target);
      this.#versions.set(source, [this.sources.get(source)!]);
      return;
    }
    const fields = await getHash(this.#client, source);
    this.sources.set(source, fields && { fields, expiresAt: await expiryOf(this.#client, source) });
  }

  /** True when a target may be so in the end. */
  allows(pair: ModelPair, found: ModelRecord): boolean {
    return this.#allowed(pair).some((record) =>
      same(found, this.#isList(pair) ? this.#pruned(pair, record, found) : record)
    );
  }

  /** For people: what a target may be in the end. */
  allowed(pair: ModelPair): string {
    return this.#allowed(pair).map((record) => JSON.stringify(record)).join(" | ");
  }

  /** True when a copy makes an original superfluous: it is the same, or newer than one that nobody changed since. */
  proves(pair: ModelPair, copy: ModelRecord): boolean {
    const original = this.sources.get(pair.source) ?? null;
    // What was written over it for the copy is as that was, also without the field that the application left out.
    if (original === null || same(original, copy) || same(migrated(pair, original), copy)) return true;
    if (this.#isList(pair)) return true; // What it lists decides; that is told by other tests.
    return copy !== null && timeOf(original.fields) < BEGIN && timeOf(copy.fields) >= BEGIN;
  }

  #allowed(pair: ModelPair): ModelRecord[] {
    const written = this.#written.get(pair.target);
    // What was written after 003 had passed stays without the field.
    if (written !== undefined) return [written, migrated(pair, written)];
    return this.#versions.get(pair.source)!.map((record) => migrated(pair, record));
  }

  #isList({ kind, target }: ModelPair): boolean {
    return kind === "other" && target.endsWith("}:destinations");
  }

  /** A list as it may be found: without what was deleted at some time, and not at all with a tenant that was. */
  #pruned(pair: ModelPair, record: ModelRecord, found: ModelRecord): ModelRecord {
    if (record === null) return null;
    const stem = pair.target.slice(0, -":destinations".length);
    const wasDeleted = (target: string) => {
      const other = this.pairs.find((one) => one.target === target);
      if (other === undefined) return false;
      return this.#everWritten(other).some((one) => one !== null && "deleted_at" in one.fields);
    };
    if (found === null) {
      const all = Object.keys(record.fields).every((id) => wasDeleted(`${stem}:destination:${id}`));
      return all || wasDeleted(`${stem}:tenant`) ? null : record;
    }
    const fields = Object.entries(record.fields).filter(([id]) =>
      id in found.fields || !wasDeleted(`${stem}:destination:${id}`)
    );
    return { ...record, fields: Object.fromEntries(fields) };
  }

  #everWritten(pair: ModelPair): ModelRecord[] {
    return [...this.#versions.get(pair.source)!, ...this.#history.get(pair.target) ?? []];
  }
}

/** The application's clock begins here: what was there before is older. */
const BEGIN = 1_900_000_000_000;

function timeOf(fields: Record<string, string>): number {
  const times = ["created_at", "updated_at", "disabled_at", "deleted_at"].map((name) => fields[name] ?? "");
  return Math.max(...times.map((time) => parseTimestamp(time)?.getTime() ?? -Infinity));
}

function same(one: ModelRecord, other: ModelRecord): boolean {
  if (one === null || other === null) return one === other;
  const text = ({ fields }: NonNullable<ModelRecord>) => JSON.stringify(Object.entries(fields).sort());
  return one.expiresAt === other.expiresAt && text(one) === text(other);
}

function change(
  type: Action["type"],
  pair: ModelPair,
  now: NonNullable<ModelRecord>,
  clock: number,
): ModelRecord {
  switch (type) {
    case "update":
      return {
        ...now,
        fields: {
          ...now.fields,
          note: String(clock),
          ...("id" in now.fields ? { updated_at: iso(clock) } : {}),
        },
      };
    case "soft_delete":
      return pair.kind === "other" ? now : { fields: { deleted_at: iso(clock) }, expiresAt: clock + WEEK_MS };
    case "expire_later":
      return { ...now, expiresAt: clock + WEEK_MS };
    default:
      return pair.isEvidence ? now : null;
  }
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

/** What 002 and 003 make of a record. */
function migrated({ kind }: ModelPair, record: ModelRecord): ModelRecord {
  if (record === null || kind === "other") return record;
  const fields = { ...record.fields };
  for (const name of ["created_at", "updated_at"]) {
    if (name in fields) fields[name] = String(parseTimestamp(fields[name]!)!.getTime());
  }
  return { ...record, fields: { ...fields, entity: kind } };
}
