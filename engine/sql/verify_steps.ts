/**
 * Verifies a SQL store: its bookkeeping, and its tables against those that its version should have.
 *
 * @module
 */

import { harmless } from "../foreign_text.ts";
import { dirtyVersions } from "../hint.ts";
import type { SqlState, SqlVerification } from "../sql_backend.ts";
import { findGaps } from "./standing.ts";
import type { Findings, StoreView } from "./step_store.ts";

/** Compares what a store is with what its state says. */
export async function verifySteps(view: StoreView, state: SqlState): Promise<SqlVerification> {
  const { version, latest, dirty, ahead } = state;
  const comparable = !ahead && !dirty && version > 0;
  const found: Findings & { readonly fits?: number } = comparable
    ? await view.findings(version)
    : dirty
    ? await compareDirty(view, version, latest)
    : { faults: [], warnings: [] };
  const { faults, warnings, incomplete = false, fits } = found;
  // Names of objects are whatever somebody called them.
  const issues = [...await view.untrusted(), ...findGaps(state), ...faults].map(harmless);
  return {
    ok: issues.length === 0,
    current: version,
    latest,
    dirty,
    issues,
    warnings: warnings.map(harmless),
    ...(state.misrecorded ? { misrecorded: true } : {}),
    ...(incomplete ? { incomplete } : {}),
    ...(fits === undefined ? {} : { fits }),
  };
}

/** What tells whoever repairs a dirty database which version it really has. */
async function compareDirty(
  view: StoreView,
  dirty: number,
  latest: number,
): Promise<Findings & { readonly fits?: number }> {
  const told: string[] = [];
  const fitting: number[] = [];
  for (const version of dirtyVersions(dirty).filter((one) => one > 0 && one <= latest)) {
    const { faults } = await view.findings(version);
    if (faults.length > 0) told.push(...faults.map((fault) => `Of version ${version}: ${fault}`));
    else {
      fitting.push(version);
      told.push(`The schema has all of version ${version}`);
    }
  }
  // A step that only adds leaves all of the version before: where its own is whole too, it was done.
  const [fits] = fitting;
  return { faults: told, warnings: [], ...(fits === undefined ? {} : { fits }) };
}
