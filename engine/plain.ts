/**
 * What callers made as classes, for where it is taken apart.
 *
 * @module
 */

/**
 * Makes a plain object of one that may be of a class: taking it apart would leave out what it has from there.
 *
 * @returns What it has itself, as it is; what its class has, getters by their values and methods bound to it.
 */
export function plain<T extends object>(given: T): T {
  const all = { ...given } as Record<string, unknown>;
  let from: unknown = Object.getPrototypeOf(given);
  for (; from !== null && from !== Object.prototype; from = Object.getPrototypeOf(from)) {
    for (const name of Object.getOwnPropertyNames(from)) {
      if (name === "constructor" || Object.hasOwn(all, name)) continue;
      const value: unknown = given[name as keyof T];
      all[name] = typeof value === "function" ? value.bind(given) : value;
    }
  }
  return all as T;
}
