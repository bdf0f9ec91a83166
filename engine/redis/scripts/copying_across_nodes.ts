/**
 * Scripts that copy records to other nodes of a cluster, and mark the copies until they are proven.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { DEAD_OF, type Listed } from "./listing.ts";
import { DIGEST_OF, ENDS_AT, FENCE, type Script, script } from "./script.ts";

/**
 * Takes markers away.
 *
 * - KEYS: the fence key if any, then for each record its name and the markers of its slot.
 * - ARGV: the fence.
 * - Returns `1`.
 */
export const UNMARK: Script = script(`${FENCE}
for i = k + 1, #KEYS, 2 do redis.call('HDEL', KEYS[i + 1], KEYS[i]) end
return '1'
`);

/** What {@linkcode RESTORE_NEW} is told beside markers and dumps. */
export interface Restoring {
  /** For each record what it lists, where that is to be looked at; else `false`. */
  readonly lists: readonly (Listed | false)[];
  /** The field that tells a deletion; empty for none. */
  readonly deletedAt: Binary;
  /** For each record how many bytes the line of its marker and its dump have, by turns. */
  readonly sizes: readonly number[];
}

/**
 * A marker says what was written: a line of JSON, see `markerOf()`, and a dump. `write` does that; `is_own` tells whether a copy is
 * still that. A dump alone would not tell: in which order a server puts the fields of a hash depends on the server, and on who has read
 * it since. So it is written once more, and the two are compared. Older versions wrote a digest, when the copy ends, and its original.
 */
const OWN = `${ENDS_AT}${DIGEST_OF}
local function write(key, ends, line, dump, mode)
  local reply = redis.pcall('RESTORE', key, ends, dump, 'ABSTTL', mode)
  -- What has ended meanwhile was not written, and is not brought back.
  if #line > 2 and not reply.err and (ends == '0' or redis.call('EXISTS', key) == 1) then
    local fields = {}
    for j = 3, #line, 2 do fields[#fields + 1] = line[j] end
    local kept = field_ends(key, fields)
    redis.call('HSET', key, unpack(line, 3))
    keep_ends(key, fields, kept)
  end
  return reply
end
local function is_own(key, markers)
  local marker, digest, beside = redis.call('HGET', markers, key), digest_of(key), markers .. ':'
  if not marker or digest == '' then return false end
  if string.sub(marker, 1, 1) ~= '[' then
    local begin = digest .. ' ' .. ends_at(key) .. ' '
    return string.sub(marker, 1, #begin) == begin
  end
  local at = string.find(marker, '\\n', 1, true)
  local line = cjson.decode(string.sub(marker, 1, at))
  if line[1] ~= ends_at(key) then return false end
  redis.call('HDEL', markers, '') -- A server at its memory limit lets a script finish that has begun to write.
  local reply = write(beside, '0', line, string.sub(marker, at + 1), 'REPLACE')
  if reply.err then error(reply.err) end
  local same = digest_of(beside) == digest
  redis.call('UNLINK', beside)
  return same
end
`;

/**
 * Writes records under names that are free, as later migrations make them, each marked in the same step until it is proven. Nor does a
 * list name what was deleted.
 *
 * - KEYS: the fence key if any, then for each record its name and the markers of its slot.
 * - ARGV: the fence; `over` to write also where a marker is there, else `new`; {@linkcode Restoring} as JSON; the lines of the markers
 *   as a list in JSON; the dumps.
 * - Returns a character for each: `c` written; `l` written, a list that was not looked through; `d` not written, a list of which
 *   nothing would be left; `~` a record is there; `m` nothing was done, for a marker is there.
 */
export const RESTORE_NEW: Script = script(`${FENCE}${OWN}
local over, told, results, bytes = ARGV[a + 1] == 'over', cjson.decode(ARGV[a + 2]), {}, 0
${DEAD_OF}local function look_through(key, markers, list, line)
  local dead, why = dead_of(key, list, told.deletedAt)
  if why == 'd' then
    redis.call('UNLINK', key)
    redis.call('HDEL', markers, key)
    return 'd'
  end
  if not dead then return 'l' end
  if #dead > 0 then
    redis.call('HDEL', key, unpack(dead))
    redis.call('HSET', markers, key, line .. '\\n' .. redis.call('DUMP', key))
  end
  return 'c'
end
local lines, dumps, line_at, dump_at = ARGV[a + 3], ARGV[a + 4], 1, 0
local parsed = cjson.decode(lines)
for i = k + 1, #KEYS, 2 do
  local number = #results + 1
  local key, markers, list, result = KEYS[i], KEYS[i + 1], told.lists[number], 'm'
  local line = string.sub(lines, line_at + 1, line_at + told.sizes[2 * number - 1])
  local dump = string.sub(dumps, dump_at + 1, dump_at + told.sizes[2 * number])
  line_at, dump_at = line_at + #line + 1, dump_at + #dump
  if over and redis.call('EXISTS', key) == 1 then
    result = '~'
  elseif redis.call(over and 'HSET' or 'HSETNX', markers, key, line .. '\\n' .. dump) == 1 or over then
    local reply = write(key, parsed[number][1], parsed[number], dump, 'ABSTTL')
    if not reply.err then
      result = list and look_through(key, markers, list, line) or 'c'
    else
      redis.call('HDEL', markers, key)
      if not string.find(reply.err, 'BUSYKEY', 1, true) then return reply end
      result = '~'
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
 * - ARGV: the fence; the new dump or an empty string; its TTL as Unix milliseconds, 0 for none; the line of its marker.
 * - Returns `1` when done, `0` when the record is another by now.
 */
export const REPLACE_OWN: Script = script(`${FENCE}${OWN}
local key, markers = KEYS[k + 1], KEYS[k + 2]
if not is_own(key, markers) then return '0' end
if ARGV[a + 1] == '' then
  redis.call('UNLINK', key)
else
  redis.call('RESTORE', key, ARGV[a + 2], ARGV[a + 1], 'REPLACE', 'ABSTTL')
  redis.call('HSET', markers, key, ARGV[a + 3] .. '\\n' .. ARGV[a + 1])
end
return '1'
`);
