/**
 * Whether a command line means several deployments, and the refusal of commands that work on one.
 *
 * @module
 */

import type { ContextParts } from "../context.ts";
import { UsageError } from "../errors.ts";

/**
 * True where several deployments are meant, if only one should be found.
 *
 * @throws {UsageError} When they are named and all of them are meant.
 */
export function meansMany({ settings, resolved }: Pick<ContextParts, "settings" | "resolved">): boolean {
  const kindOf = (key: string) => resolved.find((setting) => setting.key === key)?.origin.kind;
  if (settings.allDeployments && settings.deploymentId !== "" && kindOf("deploymentId") === "flag") {
    throw new UsageError("--deployment-id and --all-deployments contradict each other", {
      hint: "Leave one of them away (--no-all-deployments, where MIGRATE_ALL_DEPLOYMENTS says it)",
    });
  }
  return settings.allDeployments || settings.deploymentId.includes(",");
}

/** What a command does that works on one deployment. @throws {UsageError} Always. */
export function refuseMany(path: string) {
  return (): Promise<number> => {
    throw new UsageError(`outpost ${path} works on one deployment, and several are meant`, {
      hint: "Name one: --deployment-id ID --no-all-deployments",
    });
  };
}

/** Refuses a flag that is of use for one deployment alone. @throws {UsageError} When it was given. */
export function refuseForMany(flag: string, given: string | undefined): void {
  if (given === undefined) return;
  throw new UsageError(`${flag} takes one deployment, and several are meant`, {
    hint:
      `Name one: --deployment-id ID --no-all-deployments; or leave ${flag} away: --verbose and --json tell of all`,
  });
}
