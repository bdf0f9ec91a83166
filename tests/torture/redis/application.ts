/**
 * The application as it writes tenants and destinations, in the form of each of its releases. It always moves the times of
 * what it changes, and it sees only what its release reads.
 *
 * @module
 */

import type { Cluster, Redis } from "ioredis";
import { entityOf, fieldsOf, isTombstone, type Ledger, type LedgerRecord } from "./ledger.ts";
import type { History } from "../history.ts";
import {
  converted,
  type Fields,
  NO_TIMES,
  ODD_TIMES,
  readStored,
  replaceStored,
  sameStored,
  type Stored,
  toMilliseconds,
} from "./stored.ts";

/**
 * - `legacy`: names without hash tags, times in RFC 3339.
 * - `tagged`: names with hash tags, times in RFC 3339, no `entity`. What deployments with an ID had before 002.
 * - `current`: names with hash tags, times in milliseconds, `entity`.
 */
export type Form = "legacy" | "tagged" | "current";

/** What an application does. */
export type Action =
  | "create_tenant"
  | "update_tenant"
  | "delete_tenant"
  | "create_destination"
  | "rotate"
  | "retopic"
  | "disable"
  | "enable"
  | "delete_destination"
  | "purge"
  | "expire";

/** What an application takes away by itself, with the time that it then sets: by enabling, and by making anew what was deleted. */
const TAKEN_AWAY: Fields = { disabled_at: "updated_at", deleted_at: "created_at" };

/** How long a deleted record is kept. */
const KEPT_MS = 7 * 86_400_000;
/** A migration may write between reading and writing; the application then reads again. */
const ATTEMPTS = 20;

/** Which record is meant: by position, so that a history makes sense with whatever is there. */
export interface Where {
  readonly deployment: string;
  readonly tenant: string;
  readonly destination: string;
  /** Makes values differ. */
  readonly salt: number;
}

/** One release of the application. */
export class Application {
  readonly #client: () => Redis | Cluster;
  readonly #ledger: Ledger;
  readonly #form: Form;
  readonly #coarse: boolean;
  readonly #odd: boolean;

  /** @param habits How it writes its times, unless they are numbers: in whole seconds, or now and then so that nobody can read them. */
  constructor(
    client: () => Redis | Cluster,
    ledger: Ledger,
    form: Form,
    { coarse, odd }: Pick<History, "coarse" | "odd">,
  ) {
    this.#odd = odd;
    this.#client = client;
    this.#ledger = ledger;
    this.#form = form;
    this.#coarse = coarse;
  }

  /** Does one thing. @returns The keys written; none when there was nothing to do it to. */
  async act(action: Action, where: Where): Promise<string[]> {
    const tenant = this.#record(where, "tenant");
    const destination = this.#record(where, "destination");
    const list = this.#record(where, "list");
    switch (action) {
      case "create_tenant": {
        const made = await this.#change(
          tenant,
          (was, time) => isLive(was) ? undefined : this.#made(tenant, time, {}),
        );
        if (made.length > 0) forgetGone(list); // Nothing tells any more that it was deleted in between.
        return made;
      }
      case "update_tenant":
        return await this.#touch(tenant, { metadata: `{"n":"${where.salt}"}` });
      case "delete_tenant":
        return await this.#deleteTenant(where);
      case "create_destination": {
        if (!isLive(await this.#read(tenant))) return [];
        const made = await this.#change(
          destination,
          (was, time) => isLive(was) ? undefined : this.#made(destination, time, destinationFields(where)),
        );
        return made.length === 0 ? [] : [...made, ...await this.#list(list, where, summary(where, false))];
      }
      case "rotate":
        return await this.#touch(destination, { credentials: secret(where.salt) });
      case "retopic":
        return await this.#both(destination, list, where, { topics: topics(where.salt) }, false);
      case "disable":
        return await this.#both(destination, list, where, { disabled_at: "now" }, true);
      case "enable":
        return await this.#enable(destination, list, where);
      case "delete_destination": {
        const deleted = await this.#change(
          destination,
          (was, time) => isLive(was) ? this.#tombstone(was!.fields, time, where.salt % 2 === 0) : undefined,
        );
        return deleted.length === 0 ? [] : [...deleted, ...await this.#list(list, where, null)];
      }
      case "purge": {
        const gone = await this.#change(destination, (was) => was === null ? undefined : null);
        return gone.length === 0 ? [] : [...gone, ...await this.#list(list, where, null)];
      }
      case "expire":
        return [
          ...await this.#change(destination, (was) => isTombstone(was) ? null : undefined),
          ...await this.#change(tenant, (was) => isTombstone(was) ? null : undefined),
        ];
    }
  }

  async #deleteTenant(where: Where): Promise<string[]> {
    const tenant = this.#record(where, "tenant");
    const deleted = await this.#change(
      tenant,
      (was, time) => isLive(was) ? this.#tombstone({}, time, true) : undefined,
    );
    if (deleted.length === 0) return [];
    const list = this.#record(where, "list");
    for (const id of this.#ledger.destinations(where.deployment, where.tenant)) {
      // Also of a list that was not copied yet: nothing of it is to come.
      if (this.#form !== "legacy") list.listed.set(id, null);
      const destination = this.#record({ ...where, destination: id }, "destination");
      deleted.push(
        ...await this.#change(
          destination,
          (was, time) => isLive(was) ? this.#tombstone(was!.fields, time, where.salt % 2 === 0) : undefined,
        ),
      );
    }
    return [
      ...deleted,
      ...await this.#change(list, (was) => was === null ? undefined : null),
    ];
  }

  async #enable(destination: LedgerRecord, list: LedgerRecord, where: Where): Promise<string[]> {
    const changed = await this.#change(destination, (was, time) => {
      if (!isLive(was) || was!.fields.disabled_at === undefined) return undefined;
      const { disabled_at: _, ...rest } = was!.fields;
      return { fields: { ...rest, updated_at: this.#time(time) }, expiresAt: -1 };
    });
    if (changed.length === 0) return [];
    return [...changed, ...await this.#list(list, where, summary(where, false))];
  }

  async #both(
    destination: LedgerRecord,
    list: LedgerRecord,
    where: Where,
    changes: Fields,
    disabled: boolean,
  ): Promise<string[]> {
    const changed = await this.#touch(destination, changes);
    return changed.length === 0
      ? []
      : [...changed, ...await this.#list(list, where, summary(where, disabled))];
  }

  #touch(record: LedgerRecord, changes: Fields): Promise<string[]> {
    return this.#change(record, (was, time) => {
      if (!isLive(was)) return undefined;
      const set = Object.entries(changes).map((
        [name, value],
      ) => [name, value === "now" ? iso(time, 0) : value]);
      const fields = { ...was!.fields, ...Object.fromEntries(set), updated_at: this.#time(time) };
      // A current application writes records whole, in its own form.
      const whole = this.#form === "current" ? converted(fields, entityOf(record.kind)) : fields;
      return { fields: whole, expiresAt: was!.expiresAt };
    });
  }

  async #list(list: LedgerRecord, { destination }: Where, entry: string | null): Promise<string[]> {
    return await this.#change(list, (was) => {
      const { [destination]: before, ...rest } = was?.fields ?? {};
      if (entry === null && before === undefined) {
        if (this.#form !== "legacy") list.listed.set(destination, null);
        return undefined;
      }
      const fields = entry === null ? rest : { ...rest, [destination]: entry };
      return Object.keys(fields).length === 0 ? null : { fields, expiresAt: was?.expiresAt ?? -1 };
    }, destination);
  }

  #made(record: LedgerRecord, time: number, more: Fields): Stored {
    const fields = {
      id: record.kind === "tenant" ? record.tenant : record.destination!,
      ...more,
      created_at: this.#madeAt(time),
      updated_at: this.#time(time),
      ...this.#deletedNever(time),
    };
    return {
      fields: this.#form === "current" ? converted(fields, entityOf(record.kind)) : fields,
      expiresAt: -1,
    };
  }

  #tombstone(fields: Fields, time: number, reduced: boolean): Stored {
    const deleted = { deleted_at: this.#time(time) };
    return { fields: reduced ? deleted : { ...fields, ...deleted }, expiresAt: time + KEPT_MS };
  }

  /** Reads, decides and writes, until nobody was in between. @param decide Undefined for nothing to do. */
  async #change(
    record: LedgerRecord,
    decide: (was: Stored, time: number) => Stored | undefined,
    listed?: string,
  ): Promise<string[]> {
    const key = this.#keyOf(record);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const was = await this.#read(record);
      const time = this.#ledger.tick();
      const next = decide(was, time);
      if (next === undefined) return [];
      const copy = this.#form === "legacy" ? await readStored(this.#client(), record.target) : null;
      if (!await replaceStored(this.#client(), key, was, next)) continue;
      this.#note(record, { was, next, copy, time, listed });
      return [key];
    }
    return [];
  }

  #note(
    record: LedgerRecord,
    { was, next, copy, time, listed }: {
      readonly was: Stored;
      readonly next: Stored;
      readonly copy: Stored;
      readonly time: number;
      readonly listed: string | undefined;
    },
  ): void {
    if (this.#form === "legacy") {
      record.old.push({ stored: next, at: time, copy });
      // Also where the new one had made the record before: theirs are two, and this one is later.
      if (this.#atLatest(time) >= this.#ledger.copyingFrom || record.now?.stored != null) {
        record.mayDiffer = true;
      }
      return;
    }
    if (this.#form === "tagged") record.oldFormAt = time;
    if (record.kind === "list") {
      // Made anew beside an old one that was not copied yet: it lacks what that lists, and nothing tells why.
      const known = [...record.listed.values()].some((entry) => entry !== null);
      if (was === null && !known && record.old.at(-1)?.stored != null) {
        record.mayDiffer = true;
      }
      // It goes on with a list that a run had copied before it died: of its tenant, which it has deleted.
      const owner = this.#ledger.record(record.deployment, "tenant", record.tenant);
      if (next !== null && isTombstone(owner.now?.stored ?? null)) forgetGone(record);
      const names = listed === undefined ? Object.keys(was?.fields ?? {}) : [listed];
      for (const name of names) record.listed.set(name, next?.fields[name] ?? null);
      return;
    }
    const grownFrom = record.now?.stored != null ? record.now.grownFrom : this.#originOf(record, was);
    if (was === null && record.now === undefined && record.old.at(-1)?.stored != null) {
      record.mayDiffer = true;
    }
    // Deleted and made anew with less than the old form has: nothing tells that it once grew out of that.
    const last = record.old.at(-1);
    // Of that write nothing tells whether it was before 001 began.
    if (last !== undefined && this.#coarse && this.#atLatest(last.at) >= this.#ledger.copyingFrom) {
      record.mayDiffer = true;
    }
    const left = last?.stored ?? null;
    if (!isLive(was) && isLive(next) && lacksSome(next, left)) record.mayDiffer = true;
    record.now = { stored: next, at: time, grownFrom };
  }

  /** Which state of the old application a copy was made of. */
  #originOf({ kind, old, now }: LedgerRecord, was: Stored): number {
    if (was === null) return now?.grownFrom ?? -1;
    return old.findLastIndex(({ stored }) => sameStored(stored, was, entityOf(kind)));
  }

  #read(record: LedgerRecord): Promise<Stored> {
    return readStored(this.#client(), this.#keyOf(record));
  }

  #keyOf({ source, target }: LedgerRecord): string {
    return this.#form === "legacy" ? source! : target;
  }

  #record({ deployment, tenant, destination }: Where, kind: "tenant" | "destination" | "list"): LedgerRecord {
    return this.#ledger.record(deployment, kind, tenant, kind === "destination" ? destination : null);
  }

  #time(time: number): string {
    if (this.#form === "current") return String(time);
    return this.#coarse ? `${iso(time, 0).slice(0, -5)}Z` : iso(time, time % 3);
  }

  #madeAt(time: number): string {
    const odd = this.#odd && this.#form !== "current" && time % 3 === 0;
    return odd ? ODD_TIMES[time % ODD_TIMES.length]![0] : this.#time(time);
  }

  /** What says that it was deleted, and not when: it was not. */
  #deletedNever(time: number): Fields {
    const isOdd = this.#odd && this.#form !== "current" && time % 3 === 1;
    return isOdd ? { deleted_at: NO_TIMES[time % NO_TIMES.length]! } : {};
  }

  /** What a time that the old application wrote may stand for at most. */
  #atLatest(time: number): number {
    return this.#coarse ? Math.floor(time / 1000) * 1000 + 999 : time;
  }
}

function isLive(stored: Stored): boolean {
  return stored !== null && !isTombstone(stored);
}

/** What was taken off a list may be on it again. */
function forgetGone({ listed }: LedgerRecord): void {
  for (const [id, entry] of listed) if (entry === null) listed.delete(id);
}

/** True when a record lacks a field of another that no application takes away by itself. */
export function lacksSome(record: Stored, other: Stored): boolean {
  const left = fieldsOf(record);
  const timeIn = (fields: Fields, name = "") => toMilliseconds(fields[name] ?? "") ?? NaN;
  return Object.keys(fieldsOf(other)).some((name) =>
    !(name in left) && !(timeIn(left, TAKEN_AWAY[name]) > timeIn(fieldsOf(other), name))
  );
}

/** RFC 3339, in the zones and fractions that releases have written. */
function iso(time: number, style: number): string {
  const shifted = (minutes: number) => new Date(time + minutes * 60_000).toISOString().slice(0, -1);
  if (style === 1) return `${shifted(420)}456789+07:00`;
  return style === 2 ? `${shifted(-90)}-01:30` : `${shifted(0)}Z`;
}

function destinationFields({ salt }: Where): Fields {
  return {
    type: "webhook",
    topics: topics(salt),
    // Longer than 64 bytes, by which a server keeps the fields of a hash in an order of its own.
    config: `{"url":"https://example.com/${"x".repeat(salt % 2 * 80)}"}`,
    credentials: secret(salt),
  };
}

function topics(salt: number): string {
  return salt % 3 === 0 ? '["*"]' : `["topic.${salt}"]`;
}

/** Bytes that are no UTF-8. */
function secret(salt: number): string {
  return `\x00\xff\xfe${salt}\x80\r\n$5\xc3\x28`;
}

function summary({ destination, salt }: Where, disabled: boolean): string {
  return `{"id":"${/^\w+$/.test(destination) ? destination : ""}","topics":${
    topics(salt)
  },"disabled":${disabled}}`;
}
