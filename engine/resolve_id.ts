/**
 * From what a person writes to the one migration that is meant.
 *
 * @module
 */

import { UnknownMigrationError } from "./errors.ts";
import { formatVersion, type MigrationName, typeOf } from "./migration.ts";

/**
 * Finds the migration that a person means: `sql/000005`, `sql/5`, `5`, `000005_denormalize_attempts`,
 * `denormalize_attempts`, `redis/2`, `002_timestamps`.
 *
 * @throws {UnknownMigrationError} When none matches, or more than one.
 */
export function resolveId<M extends MigrationName>(text: string, migrations: readonly M[]): M {
  const wanted = text.trim();
  const slash = wanted.indexOf("/");
  const side = slash < 0 ? null : wanted.slice(0, slash).toLowerCase();
  const rest = slash < 0 ? wanted : wanted.slice(slash + 1);
  const found = migrations.filter((migration) =>
    (side === null || side === typeOf(migration.store)) && rest !== "" &&
    namesOf(migration).has(rest.toLowerCase())
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const candidates = (found.length > 0 ? found : migrations).map((migration) => migration.id);
  throw new UnknownMigrationError(
    found.length > 0
      ? `Cannot tell which migration "${wanted}" means: ${candidates.join(" or ")}`
      : `No migration is called "${wanted}"`,
    candidates,
    {
      hint: found.length > 0 ? "Write the ID with its store in front" : `Known are: ${candidates.join(", ")}`,
    },
  );
}

function namesOf({ store, version, name }: MigrationName): Set<string> {
  const names = new Set([String(version), name.toLowerCase()]);
  if (store === "redis") {
    names.add(String(version).padStart(3, "0"));
    names.add(name.replace(/^\d+_/, "").toLowerCase());
  } else {
    names.add(formatVersion(version));
    names.add(`${formatVersion(version)}_${name}`.toLowerCase());
  }
  return names;
}
