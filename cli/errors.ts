/**
 * What can go wrong before the engine is asked: the command line and the settings.
 *
 * @module
 */

import { MigrationError, type MigrationErrorOptions } from "../engine/errors.ts";
import { hint } from "../engine/hint.ts";

/** The command line makes no sense: an unknown or contradictory option, a missing argument. */
export class UsageError extends MigrationError {
  readonly code = "usage";
}

/** A question would have to be asked, and there is nobody to answer. */
export class NeedsConfirmationError extends MigrationError {
  readonly code = "needs_confirmation";
}

/** Settings that cannot be used. `problems` has every one, not only the first. */
export class SettingsError extends MigrationError {
  readonly code = "settings_invalid";
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options: MigrationErrorOptions = {}) {
    super(
      problems.length === 1
        ? problems[0]!
        : `${problems.length} settings cannot be used: ${problems.join("; ")}`,
      options,
    );
    this.problems = problems;
  }
}

/** A file that was named cannot be read, written or understood. */
export class FileError extends MigrationError {
  readonly code = "file_invalid";
}

/** A saved plan is no plan, or of another format. */
export class PlanFileError extends MigrationError {
  readonly code = "plan_invalid";
}

/** Records that a plan is for cannot be converted, and nobody has accepted that. Nothing was changed. */
export class InvalidRecordsError extends MigrationError {
  readonly code = "records_invalid";
  /** Those that are named, a sentence each. */
  readonly records: readonly string[];

  /** @param command What was to be done. */
  constructor(count: number, records: readonly string[], command: string) {
    const them = count === 1 ? "one record cannot be converted" : `${count} records cannot be converted`;
    super(`Nothing was changed, since ${them}: ${records.join("; ")}`, {
      hint:
        hint`Repair what is named, then run ${command}: the plan stays good. ${`${command} --skip-invalid`} leaves it as it is`,
    });
    this.records = records;
  }
}

/** The server program is missing or cannot be started. */
export class ServerProgramError extends MigrationError {
  readonly code = "server_missing";
}

/** The answer to a question was no. */
export class DeclinedError extends MigrationError {
  readonly code = "declined";
}
