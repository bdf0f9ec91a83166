/**
 * What the server said of a step's statement, as the error of that step.
 *
 * @module
 */

import { StepFailedError } from "../sql/step_failed_error.ts";
import { adviceFor } from "./advice.ts";
import { errorPosition } from "./error_position.ts";
import type { ServerError } from "./errors.ts";
import { toldByServer } from "./server_message.ts";

/** Wraps what the server said of a statement. @param otherwise The hint where the server's code tells no other. */
export function stepFailed(
  id: string,
  statement: string,
  error: ServerError,
  otherwise?: string,
): StepFailedError {
  const position = error.position === undefined ? null : errorPosition(statement, Number(error.position));
  const where = position === null ? "" : ` at line ${position.line}, column ${position.column}`;
  const told = toldByServer(error);
  const advice = adviceFor(error) ?? otherwise;
  return new StepFailedError(`Cannot run ${id}: ${told.message}${where}`, {
    id,
    statement,
    position,
    serverCode: error.code,
    detail: told.detail,
    serverHint: told.hint,
  }, { cause: error, ...(advice === undefined ? {} : { hint: advice }) });
}

/** For a transaction that the server undid without an error, since something in it had failed unseen. */
export function failedUnseen(id: string): StepFailedError {
  return new StepFailedError(`Cannot run ${id}: the server undid it, for a question within it had failed`, {
    id,
    statement: "COMMIT",
    position: null,
    serverCode: null,
    detail: null,
    serverHint: null,
  }, { hint: "Run the same command again" });
}
