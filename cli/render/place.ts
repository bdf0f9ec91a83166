/**
 * Where stores are, in one line for people.
 *
 * @module
 */

import { storeTitle, typeOf } from "../../engine/migration.ts";
import type { PlannedStore } from "../../engine/plan.ts";

/** `Postgres db:5432/outpost`, with its schema where that is not `public`, or `Redis redis:6379/0`. */
export function placeText({ store, host, port, database, schema }: PlannedStore): string {
  const at = port === null ? host : `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return `${storeTitle(store)} ${at}/${database}${
    schema === null || schema === "public" ? "" : ` schema ${schema}`
  }`;
}

/** `Postgres db:5432/outpost and Redis redis:6379/0, deployment dp_1`. */
export function placesText(stores: readonly PlannedStore[], deployment: string): string {
  const places = stores.map(placeText);
  const text = [...places.slice(0, -2), places.slice(-2).join(" and ")].join(", ");
  return deployment === "" ? text : `${text}, deployment ${deployment}`;
}

/** The stores that the migrations named change. */
export function concerned(stores: readonly PlannedStore[], ids: readonly string[]): readonly PlannedStore[] {
  return stores.filter(({ store }) => ids.some((id) => id.startsWith(`${typeOf(store)}/`)));
}
