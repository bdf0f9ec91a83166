/**
 * Keeps queries from a connection that is gone: the client would break the whole process over one, and never answer it.
 *
 * @module
 */

import type postgres from "postgres";

/**
 * The same reserved connection, whose queries are refused once it is lost.
 *
 * @param lost Asked before each query.
 */
export function guardReserved(reserved: postgres.ReservedSql, lost: () => boolean): postgres.ReservedSql {
  const refuse = () =>
    Promise.reject(Object.assign(new Error("connection closed"), { code: "CONNECTION_CLOSED" }));
  const guarded = (target: object, self: unknown, args: unknown[]) =>
    lost() ? refuse() : Reflect.apply(target as (...args: unknown[]) => unknown, self, args);
  return new Proxy<postgres.ReservedSql>(reserved, {
    apply: guarded,
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      return name === "unsafe" && typeof value === "function"
        ? (...args: unknown[]) => guarded(value, target, args)
        : value;
    },
  });
}
