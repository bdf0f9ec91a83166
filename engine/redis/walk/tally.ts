/**
 * What a run counts, and the few records that it names.
 *
 * @module
 */

import { type Binary, display } from "../binary.ts";

/** Records named in results and bookkeeping. */
export const NAMED_RECORDS = 10;
/** Failed records that are told apart; beyond them a record seen twice may count twice. */
const TOLD_APART = 100_000;

/** Counts of a run over records. A record may be seen more than once: only what became of it last counts as failed. */
export class Tally {
  /** Records changed or copied. */
  processed = 0;
  /** Records that were as they should be already. */
  skipped = 0;
  /** Records whose current form is newer, or otherwise another, and was kept. */
  conflicts = 0;
  readonly #failures = new Map<Binary, string>();
  readonly #undecided = new Set<Binary>();
  #furtherFailures = 0;
  readonly #accepted = new Set<Binary>();
  #furtherAccepted = 0;
  readonly #notes: string[] = [];

  /** Records that could not be done. */
  get failed(): number {
    return this.#failures.size + this.#furtherFailures;
  }

  /** Those of them, as far as they are told apart, of which only a person can tell which of two forms is right. */
  get undecided(): number {
    return this.#undecided.size;
  }

  /** Records that cannot be converted and were left as they are, which was accepted. */
  get invalid(): number {
    return this.#accepted.size + this.#furtherAccepted;
  }

  /** Up to 10 failed records with the reason, for people. */
  get named(): string[] {
    return [...this.#failures].slice(0, NAMED_RECORDS).map(([key, why]) => `${display(key)}: ${why}`);
  }

  /** The same, then notes. */
  get issues(): string[] {
    return [...this.named, ...this.#notes].slice(0, NAMED_RECORDS);
  }

  /** The records that could not be done, as far as they are told apart, and why. */
  get failures(): ReadonlyMap<Binary, string> {
    return this.#failures;
  }

  /** Everything that was looked at so far. */
  get seen(): number {
    return this.processed + this.skipped + this.conflicts + this.failed;
  }

  /** Counts a record that is as it should be. */
  pass(key: Binary): void {
    this.skipped++;
    this.recover(key);
  }

  fail(key: Binary, why: string): void {
    if (this.#failures.has(key) || this.#failures.size < TOLD_APART) this.#failures.set(key, why);
    else this.#furtherFailures++;
  }

  /** Counts a failure that a person has to settle. */
  differ(key: Binary, why: string): void {
    this.fail(key, why);
    if (this.#failures.has(key)) this.#undecided.add(key);
  }

  /** True for a record that was accepted, as far as they are told apart. */
  hasAccepted(key: Binary): boolean {
    return this.#accepted.has(key);
  }

  /** Leaves a record as it is. */
  accept(key: Binary, why: string): void {
    this.skipped++;
    if (this.#accepted.has(key)) return;
    if (this.#accepted.size < TOLD_APART) this.#accepted.add(key);
    else this.#furtherAccepted++;
    this.note(`${display(key)}: left as it is, ${why}`);
  }

  /** Takes back a failure: the record was seen again and is well. */
  recover(key: Binary): void {
    if (this.#accepted.size > 0) this.#accepted.delete(key);
    if (this.#failures.size === 0) return;
    this.#failures.delete(key);
    this.#undecided.delete(key);
  }

  /** Says something about a record that is no failure. */
  note(text: string): void {
    if (this.#notes.length < NAMED_RECORDS) this.#notes.push(text);
  }
}
