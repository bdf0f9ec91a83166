/**
 * The keys of the engine itself: each has one of its own, and no migration is shown any of them, whatever its pattern matches.
 *
 * @module
 */

import { RegistryError } from "../errors.ts";
import type { RedisLockNames } from "../lock/lock.ts";
import { plain } from "../plain.ts";
import { type Binary, encodeText } from "./binary.ts";
import type { RedisLayout } from "./layout.ts";
import type { RedisMigration } from "./migration.ts";

/**
 * Keeps migrations off what the engine keeps of them: a copy of its records would hold a state that is not true, and cleanup would
 * delete the true one.
 *
 * @throws {RegistryError} When two of the engine's keys have one name, or one has none.
 */
export function keepOffOwn(
  migrations: readonly RedisMigration[],
  layout: RedisLayout,
  lock: RedisLockNames,
): readonly RedisMigration[] {
  const states = migrations.map(({ name }) => layout.stateKey(name));
  const nameless = migrations.findIndex((_, i) => typeof states[i] !== "string" || states[i] === "");
  if (nameless >= 0) {
    throw new RegistryError(
      `Cannot create the engine: stateKey() answers "${states[nameless]}" for "${
        migrations[nameless]!.name
      }", which is no key`,
    );
  }
  const names = [...states, lock.lock, lock.fence];
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new RegistryError(`Cannot create the engine: two of its keys in Redis would be "${twice}"`, {
      hint: "stateKey() has to give each migration a key of its own, and the lock and its fence have others",
    });
  }
  const older = migrations.flatMap(({ name }) => layout.olderStates(name).map(({ key }) => key));
  const own = new Set([...names, ...older, ...lock.older, ...lock.shared ?? []].map(encodeText));
  // Of these there are several: one a node, a slot or a holder.
  const marks = migrations.map(({ name }) => marksOf(layout, name));
  const begins = [...marks, encodeText(lock.fence)].map((begin) => `${begin}:`);
  const isOwn = (key: Binary) => own.has(key) || begins.some((begin) => key.startsWith(begin));
  return migrations.map((migration): RedisMigration => {
    const { change } = migration;
    return {
      ...plain(migration),
      change: change.type === "copy"
        ? {
          ...change,
          decide: (key, values, lookalikes) => isOwn(key) ? null : change.decide(key, values, lookalikes),
        }
        : { ...change, kindOf: (key, values) => isOwn(key) ? null : change.kindOf(key, values) },
    };
  });
}

/** What the keys begin with that mark a migration's copies. They stand beside these: in a cluster a hash tag follows that makes them do so. */
export function marksOf(layout: RedisLayout, name: string): Binary {
  return encodeText(`${layout.stateKey(name)}:copying`);
}
