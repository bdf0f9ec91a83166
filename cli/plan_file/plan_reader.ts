/**
 * Reads JSON that somebody may have edited, and says precisely what is wrong with it.
 *
 * @module
 */

import { PlanFileError } from "../errors.ts";

/** @throws {PlanFileError} When the condition does not hold. */
export function check(condition: boolean, problem: string): asserts condition {
  if (!condition) throw new PlanFileError(problem);
}

/** One JSON object. Every method throws a {@linkcode PlanFileError} naming the place when the type is another. */
export class Reader {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #place: string;

  constructor(value: unknown, place: string) {
    check(
      typeof value === "object" && value !== null && !Array.isArray(value),
      `${place} is not a JSON object`,
    );
    this.#object = value as Record<string, unknown>;
    this.#place = place;
  }

  text(name: string): string {
    return this.#typed<string>(name, "a text", (value) => typeof value === "string");
  }

  number(name: string): number {
    return this.#typed<number>(name, "a number", (value) => typeof value === "number");
  }

  texts(name: string): readonly string[] {
    return this.#typed(
      name,
      "a list of texts",
      (value) => isList(value) && value.every((item) => typeof item === "string"),
    );
  }

  has(name: string): boolean {
    return this.#object[name] !== undefined;
  }

  object(name: string): Reader {
    return new Reader(this.#object[name], `${this.#place}: ${name}`);
  }

  objects(name: string): readonly Reader[] {
    return this.#typed<readonly unknown[]>(name, "a list", isList)
      .map((item, i) => new Reader(item, `${this.#place}: ${name}[${i}]`));
  }

  record<T>(name: string, accepts: (value: unknown) => boolean): Readonly<Record<string, T>> {
    return this.#typed(
      name,
      "an object of plain values",
      (value) =>
        typeof value === "object" && value !== null && !isList(value) && Object.values(value).every(accepts),
    );
  }

  #typed<T>(name: string, what: string, accepts: (value: unknown) => boolean): T {
    const value = this.#object[name];
    check(accepts(value), `${this.#place}: ${name} is not ${what}`);
    return value as T;
  }
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}
