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

/** What came of comparing the tables with what versions should have. */
type Compared = Findings & Pick<SqlVerification, "fits">;

/**
 * Compares what a store is with what its state says.
 *
 * @param shows True for versions of which the tables tell whether they are reached.
 */
export async function verifySteps(
  view: StoreView,
  state: SqlState,
  shows: (version: number) => boolean,
): Promise<SqlVerification> {
  const { version, latest, dirty, ahead } = state;
  const { faults, warnings, incomplete = false, fits }: Compared = dirty
    ? await compareDirty(view, state, shows)
    : ahead
    ? { faults: [], warnings: [] }
    : await compare(view, state, shows);
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

/** Where the tables are not what the recorded version says, the version that they have tells who wrote it down wrongly. */
async function compare(
  view: StoreView,
  { version: recorded, latest, entries }: SqlState,
  shows: (version: number) => boolean,
): Promise<Compared> {
  const found: Findings = recorded === 0 ? { faults: [], warnings: [] } : await view.findings(recorded);
  // In the middle of a step of ours the tables are neither: the next run does the rest.
  if (entries.some(({ status }) => status === "failed")) return { ...found, incomplete: false };
  if (recorded !== 0 && found.incomplete !== true) return found;
  for (let version = latest; version > 0; version--) {
    if (version === recorded) continue;
    const { faults, beyond } = await view.findings(version);
    if (faults.length > 0) continue;
    // What has a part of later versions has lost another part: it was not written down wrongly.
    return shows(version) && beyond !== true
      ? { ...found, faults: [...found.faults, allOf(version)], fits: version }
      : found;
  }
  return found;
}

/** What tells whoever repairs a dirty database which version it really has. */
async function compareDirty(
  view: StoreView,
  { version: dirty, latest }: SqlState,
  shows: (version: number) => boolean,
): Promise<Compared> {
  // Another tool writes down the version below before it takes a step back, which the server then may have refused.
  const above = dirty + 1;
  if (above <= latest && shows(above) && (await view.findings(above)).faults.length === 0) {
    return { faults: [allOf(above)], warnings: [], fits: above };
  }
  const told: string[] = [];
  const fitting: number[] = [];
  const [whole, before] = dirtyVersions(dirty);
  for (const version of [whole, before].filter((one) => one > 0 && one <= latest)) {
    const { faults } = await view.findings(version);
    if (faults.length > 0) told.push(...faults.map((fault) => `Of version ${version}: ${fault}`));
    else {
      fitting.push(version);
      told.push(allOf(version));
    }
  }
  // A step that only adds leaves all of the version before: where its own is whole too, it was done.
  const [fits] = whole <= latest && shows(whole) ? fitting : [];
  return { faults: told, warnings: [], ...(fits === undefined ? {} : { fits }) };
}

function allOf(version: number): string {
  return `The schema has all of version ${version}`;
}
