/**
 * What a Postgres step is called in messages.
 *
 * @module
 */

import { migrationId } from "../migration.ts";
import type { SqlStep } from "../sql/step.ts";

/** For example `sql/000005`. */
export function stepId({ version, name }: Pick<SqlStep, "version" | "name">): string {
  return migrationId("postgres", version, name);
}
