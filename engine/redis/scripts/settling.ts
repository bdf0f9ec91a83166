/**
 * Scripts that write the form of a record that a person has chosen over the other one.
 *
 * @module
 */

import { ENDS_AT, FENCE, FIELD_ENDS, type Script, script } from "./script.ts";

/** Sets fields of `key` to what the arguments from `at` on say, names and values by turns. The fields' own ends stay. */
const SET_FIELDS = `${FIELD_ENDS}
local function set_fields(key, at)
  for i = at, #ARGV, 2 do
    local ends = field_ends(key, { ARGV[i] })
    redis.call('HSET', key, ARGV[i], ARGV[i + 1])
    keep_ends(key, { ARGV[i] }, ends)
  end
end
`;

/**
 * Writes one form of a record over the other, or deletes it, only while both are what was shown.
 *
 * - KEYS: the fence key if any, then the record to write over, then the one that holds, unless that is on another node.
 * - ARGV: the fence; for each of the two the SHA-1 of its dump, with `-` for no record, and when it ends in Unix milliseconds with 0
 *   for never; the dump to write, or an empty string to delete; then fields to set in it and their values, by turns.
 * - Returns `1` when done, `0` when one of the two is another by now.
 */
export const SETTLE: Script = script(`${FENCE}${ENDS_AT}${SET_FIELDS}
local function as_shown(key, digest, ends)
  if not key then return true end
  local dump = redis.call('DUMP', key)
  if not dump then return digest == '-' end
  return redis.sha1hex(dump) == digest and ends_at(key) == ends
end
local over = KEYS[k + 1]
if not as_shown(over, ARGV[a + 1], ARGV[a + 2]) or not as_shown(KEYS[k + 2], ARGV[a + 3], ARGV[a + 4]) then return '0' end
if ARGV[a + 5] == '' then
  redis.call('UNLINK', over)
else
  redis.call('RESTORE', over, ARGV[a + 4], ARGV[a + 5], 'REPLACE', 'ABSTTL')
  set_fields(over, a + 6)
end
return '1'
`);

/**
 * The same for records that no script may look at as a whole: only in a transaction over a watch of both.
 *
 * - KEYS: the fence key if any, then the record to write over, then the one that holds.
 * - ARGV: the fence; then fields to set and their values, by turns.
 * - Returns `1`.
 */
export const SETTLE_LARGE: Script = script(`${FENCE}${SET_FIELDS}
local over, holds = KEYS[k + 1], KEYS[k + 2]
if redis.call('EXISTS', holds) == 0 then
  redis.call('UNLINK', over)
else
  redis.call('COPY', holds, over, 'REPLACE')
  set_fields(over, a + 1)
end
return '1'
`);
