/**
 * What a new migration begins with: its files, and the change to the list that names it. Pure.
 *
 * @module
 */

/** A file to be written. */
export interface NewFile {
  /** From the root of the checkout. */
  readonly path: string;
  readonly text: string;
}

/** A new migration, ready to be written. */
export interface Scaffold {
  /** For people: `redis/004_lower_topics`. */
  readonly id: string;
  /** Files that must not be there yet. */
  readonly created: readonly NewFile[];
  /** The list, with the new entry in it. */
  readonly changed: NewFile;
  /** What is left to do by hand, in order. */
  readonly next: readonly string[];
}

/** `lower_topics` as `lowerTopics`. */
export function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** True for a name that can be part of a file's name and of an ID: `lower_topics`. */
export function isMigrationName(name: string): boolean {
  return /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name) && name.length <= 60;
}
