/**
 * Advice for those who mean several deployments.
 *
 * @module
 */

import { followAll } from "./follow.ts";
import { mended, type Proof, proof } from "./proof.ts";

const BOTH = "--deployment-id a --deployment-id b";

/** All of it. */
export const DEPLOYMENTS_ADVICE: readonly Proof[] = [
  mended(
    "Name one of them in full",
    "means a migration that is there twice",
    `migrate plan 1 ${BOTH}`,
    `migrate plan sql/1 ${BOTH}`,
  ),
  mended(
    "Leave --plan away, or name the deployment that it was made for: --deployment-id ID --no-all-deployments",
    "has a plan for several",
    `migrate apply --plan plan.json --yes ${BOTH}`,
    `migrate apply --yes ${BOTH}`,
  ),
  mended(
    "Leave one of them away (--no-all-deployments, where MIGRATE_ALL_DEPLOYMENTS says it)",
    "means one and all",
    "migrate list --deployment-id a --all-deployments",
    "migrate list --deployment-id a --no-all-deployments",
  ),
  mended(
    "Name one: --deployment-id ID --no-all-deployments",
    "means several where one is taken",
    "migrate grants --all-deployments",
    "migrate grants --deployment-id a --no-all-deployments",
  ),
  mended(
    "Name one: --deployment-id ID --no-all-deployments; or leave {} away: --verbose and --json tell of all",
    "wants a page of several",
    `migrate plan --markdown ${BOTH}`,
    `migrate plan --verbose ${BOTH}`,
  ),
  mended(
    "Name them: --deployment-id ID, once for each",
    "leaves out who could tell",
    "migrate list --all-deployments --sql-only",
    `migrate list ${BOTH} --sql-only`,
  ),
  proof("Next: outpost {}", "looks at all deployments", async (world, see) => {
    await world.old();
    see(await world.outpost("migrate list --all-deployments"));
    return await followAll(world, "outpost migrate list --all-deployments");
  }),
];
