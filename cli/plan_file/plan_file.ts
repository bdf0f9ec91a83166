/**
 * A saved plan: what `plan --out` writes and `apply --plan` reads. Specified in `docs/reference/plan_file.md`.
 *
 * @module
 */

import type { Plan } from "../../engine/plan.ts";
import type { PlanBasis, SavedPlan } from "../../engine/saved_plan.ts";
import { PlanFileError } from "../errors.ts";
import { planJson } from "../output/json.ts";
import { check, Reader } from "./plan_reader.ts";
import { systemReason } from "../system_reason.ts";
import { VERSION } from "../version.ts";
import { writeFile } from "../output/write_file.ts";

const FORMAT = "outpost-plan";
const FORMAT_VERSION = 1;

/** What a file holds that counts: all else in it is for readers, and computed afresh where it is shown. */
export interface PlanFile extends SavedPlan {
  readonly createdAt: Date;
  /** Version of the program that made it. */
  readonly programVersion: string;
}

/** Writes a plan. @throws {FileError} When the file cannot be written. */
export async function writePlanFile(path: string, plan: Plan, created: Date): Promise<void> {
  const file = {
    format: FORMAT,
    format_version: FORMAT_VERSION,
    created_at: created.toISOString(),
    program_version: VERSION,
    basis: plan.basis,
    plan: planJson(plan),
  };
  await writeFile(path, `${JSON.stringify(file, null, 2)}\n`);
}

/** Reads a plan. @throws {PlanFileError} When it cannot be read, or is not a plan that this release understands. */
export async function readPlanFile(path: string): Promise<PlanFile> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new PlanFileError(`Cannot use the saved plan "${path}": ${systemReason(error)}`, {
      cause: error,
      hint: HINT,
    });
  }
  return parsePlanFile(path, text);
}

const HINT = "Save a plan with outpost migrate plan --out FILE, and name that file";

/** Parses a saved plan. @throws {PlanFileError} */
export function parsePlanFile(path: string, text: string): PlanFile {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (error) {
    throw new PlanFileError(`Cannot use the saved plan "${path}": it is not JSON`, {
      cause: error,
      hint: HINT,
    });
  }
  try {
    return readRoot(new Reader(root, "the file"));
  } catch (error) {
    if (!(error instanceof PlanFileError)) throw error;
    throw new PlanFileError(`Cannot use the saved plan "${path}": ${error.message}`, {
      hint: error.hint ?? HINT,
    });
  }
}

function readRoot(root: Reader): PlanFile {
  if (root.text("format") !== FORMAT) throw new PlanFileError(`it is no plan: format is not "${FORMAT}"`);
  const version = root.number("format_version");
  if (version !== FORMAT_VERSION) {
    throw new PlanFileError(`it has format version ${version}, and this release reads ${FORMAT_VERSION}`, {
      hint: "Use the release that saved it, or plan again",
    });
  }
  const createdAt = new Date(root.text("created_at"));
  check(!Number.isNaN(createdAt.getTime()), "created_at is no time");
  return {
    createdAt,
    programVersion: root.text("program_version"),
    digest: root.object("plan").text("digest"),
    basis: readBasis(root.object("basis")),
  };
}

function readBasis(basis: Reader): PlanBasis {
  return {
    deployment: basis.text("deployment"),
    stores: basis.record("stores", (value) => typeof value === "string"),
    versions: basis.record("versions", (value) => typeof value === "number"),
    migrations: basis.objects("migrations").map((migration) => ({
      id: migration.text("id"),
      checksum: migration.text("checksum"),
      status: migration.text("status"),
    })),
    selected: basis.texts("selected"),
    variants: basis.record("variants", (value) => typeof value === "string"),
    ...(basis.has("together") ? { together: basis.texts("together") } : {}),
  };
}
