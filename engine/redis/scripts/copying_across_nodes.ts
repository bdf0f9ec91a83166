/**
 * Scripts that copy records to other nodes of a cluster, and mark the copies until they are proven.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import type { Orders } from "./copying.ts";
import { DEAD_OF } from "./listing.ts";
import { DIGEST_OF, FENCE, type Script, script } from "./script.ts";
import { CHANGE } from "./writing.ts";

/**
 * Takes away the markers of records, and changes fields of those in the same step.
 *
 * - KEYS: the fence key if any, then for each record its name and the markers of its slot.
 * - ARGV: the fence; {@linkcode FieldWrites}.
 * - Returns for each record what {@linkcode CHANGE} does.
 */
export const UNMARK: Script = script(`${FENCE}${CHANGE}
local results = {}
for i = k + 1, #KEYS, 2 do
  results[#results + 1] = change(KEYS[i])
  redis.call('HDEL', KEYS[i + 1], KEYS[i])
end
return table.concat(results)
`);

/** What {@linkcode RESTORE_NEW} is told of dumps, and what {@linkcode Orders} say of lists. */
export interface Restoring extends Pick<Orders, "lists" | "deletedAt"> {
  /** How many bytes each has. */
  readonly sizes: readonly number[];
  /** Its TTL as Unix milliseconds, 0 for none. */
  readonly ends: readonly string[];
  /** What its marker says behind the digest. */
  readonly markers: readonly Binary[];
}

/** Sets `mark`, which says in its marker what was written, and `is_own`, which tells whether it is still that. */
const OWN = `${DIGEST_OF}
local function mark(key, markers, rest)
  redis.call('HSET', markers, key, digest_of(key) .. rest)
end
local function is_own(key, markers)
  local marker, digest = redis.call('HGET', markers, key), digest_of(key)
  return marker and digest ~= '' and string.sub(marker, 1, #digest) == digest
end
`;

/**
 * Writes dumps under names that are free, each marked in the same step, until it is proven. Nor does a list name what was deleted.
 *
 * - KEYS: the fence key if any, then for each record its name and the markers of its slot.
 * - ARGV: the fence; `over` to write also where a marker is there, else `new`; {@linkcode Restoring} as JSON; the dumps.
 * - Returns a character for each: `c` written; `l` written, a list that was not looked through; `d` not written, a list of which
 *   nothing would be left; `~` a record is there; `m` nothing was done, for a marker is there.
 */
export const RESTORE_NEW: Script = script(`${FENCE}${OWN}
local over, told, results, bytes = ARGV[a + 1] == 'over', cjson.decode(ARGV[a + 2]), {}, 0
${DEAD_OF}local function look_through(key, list)
  local dead, why = dead_of(key, list, told.deletedAt)
  if why == 'd' then
    redis.call('UNLINK', key)
    return 'd'
  end
  if not dead then return 'l' end
  if #dead > 0 then redis.call('HDEL', key, unpack(dead)) end
  return 'c'
end
local dumps, at = ARGV[a + 3], 0
for i = k + 1, #KEYS, 2 do
  local number = #results + 1
  local key, markers, list, result = KEYS[i], KEYS[i + 1], told.lists[number], 'm'
  local dump = string.sub(dumps, at + 1, at + told.sizes[number])
  at = at + #dump
  if over or not redis.call('HGET', markers, key) then
    local reply = redis.pcall('RESTORE', key, told.ends[number], dump, 'ABSTTL')
    if not reply.err then
      result = list and look_through(key, list) or 'c'
      if result ~= 'd' then mark(key, markers, told.markers[number]) end
    elseif string.find(reply.err, 'BUSYKEY', 1, true) then
      result = '~'
    else
      return reply
    end
  end
  results[number] = result
end
return table.concat(results)
`);

/**
 * Replaces one record by a dump, only if it is what its marker says; with an empty dump, deletes it then.
 *
 * - KEYS: the fence key if any, then the record and the markers of its slot.
 * - ARGV: the fence; the new dump or an empty string; its TTL as Unix milliseconds, 0 for none; what its marker says behind the digest.
 * - Returns `1` when done, `0` when the record is another by now.
 */
export const REPLACE_OWN: Script = script(`${FENCE}${OWN}
local key, markers = KEYS[k + 1], KEYS[k + 2]
if not is_own(key, markers) then return '0' end
if ARGV[a + 1] == '' then
  redis.call('UNLINK', key)
else
  redis.call('RESTORE', key, ARGV[a + 2], ARGV[a + 1], 'REPLACE', 'ABSTTL')
  mark(key, markers, ARGV[a + 3])
end
return '1'
`);
