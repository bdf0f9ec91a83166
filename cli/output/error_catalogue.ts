/**
 * The table of error codes: the exit status of each, and what it is called in `docs/errors.md`.
 *
 * @module
 */

/** Exit statuses, by what they mean. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  locked: 3,
  unreachable: 4,
  stale: 5,
  SIGINT: 130,
  SIGTERM: 143,
} as const;

/** Every code that an error of this program can have, with its exit status. `interrupted` depends on the signal. */
export const ERROR_CODES: Readonly<Record<string, number>> = {
  apply_failed: EXIT.failed,
  blocked: EXIT.failed,
  declined: EXIT.failed,
  dirty: EXIT.failed,
  drift: EXIT.failed,
  file_invalid: EXIT.usage,
  internal: EXIT.failed,
  interrupted: EXIT.SIGINT,
  lock_held: EXIT.locked,
  lock_lost: EXIT.locked,
  needs_confirmation: EXIT.usage,
  not_verified: EXIT.failed,
  pending: EXIT.failed,
  plan_invalid: EXIT.usage,
  plan_stale: EXIT.stale,
  records_invalid: EXIT.failed,
  refused: EXIT.usage,
  registry_invalid: EXIT.failed,
  server_missing: EXIT.usage,
  settings_invalid: EXIT.usage,
  step_failed: EXIT.failed,
  store_denied: EXIT.unreachable,
  store_unreachable: EXIT.unreachable,
  stores_failed: EXIT.unreachable,
  unknown_migration: EXIT.usage,
  usage: EXIT.usage,
};

/** Where a code is explained, from the root of the project: `docs/errors.md#lock_held`. */
export function docsOf(code: string): string {
  return `docs/errors.md#${code}`;
}
