/**
 * Scripts that copy records to other names, and delete originals whose copies are proven.
 *
 * @module
 */

import { ENDS_AT, FENCE, type Script, script } from "./script.ts";

/**
 * Reads the count and the names of the fields looked at. Then `expected` tells whether a record is of the type and has the
 * fields that the next arguments say: nil when it is gone.
 */
const EXPECTED = `
local width = tonumber(ARGV[a + 1])
local names = {}
for j = 1, width do names[j] = ARGV[a + 1 + j] end
a = a + 2 + width
local function expected(key)
  local at = a
  a = a + 1 + width
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return nil end
  if kind ~= ARGV[at] then return false end
  if kind ~= 'hash' then return true end
  local values = redis.call('HMGET', key, unpack(names))
  for j = 1, width do
    local want = ARGV[at + j]
    if want ~= '*' and want ~= (values[j] and '+' .. values[j] or '-') then return false end
  end
  return true
end
`;

/** Sets `enough`, which is told of each record and tells when a script has handled so many bytes that it should end. */
const ENOUGH = `
local bytes = 0
local function enough(key)
  local size = redis.pcall('MEMORY', 'USAGE', key)
  bytes = bytes + (type(size) == 'number' and size or 1024)
  return bytes > ${512 * 1024}
end
`;

/**
 * Copies records of any type to new names with their TTL, never over an existing one.
 *
 * - KEYS: the fence key if any, then source and target by turns.
 * - ARGV: the fence; the count of fields looked at and their names; then for each pair the type of the source, and for
 *   each field `+value`, `-` for none or `*` for any (which a source that is no hash ignores).
 * - Returns a character for each pair: `c` copied, `~` a record is there, `0` the source is not as expected, `-` it is gone.
 *   What would be too much at once is left out at the end.
 */
export const COPY: Script = script(`${FENCE}${EXPECTED}${ENOUGH}local results = {}
for i = k + 1, #KEYS, 2 do
  local source, target = KEYS[i], KEYS[i + 1]
  local known = expected(source)
  local result
  if known == nil then
    result = '-'
  elseif not known then
    result = '0'
  elseif redis.call('COPY', source, target) == 1 then
    result = 'c'
  else
    result = '~'
  end
  results[#results + 1] = result
  if result == 'c' and enough(source) then break end
end
return table.concat(results)
`);

/**
 * Deletes originals, each only if it and its copy are byte for byte what was judged, and end when they did then.
 *
 * - KEYS: the fence key if any, then source and target by turns.
 * - ARGV: the fence; then for each pair the SHA-1 of the source's dump, when it ends in Unix milliseconds with 0 for never, and
 *   the same two of the target, or twice `*` for a target that is on another node. Fields that end are part of a dump.
 * - Returns a character for each pair: `1` deleted, `0` changed meanwhile, `-` gone. What would be too much at once is left
 *   out at the end.
 */
export const DELETE_PROVEN: Script = script(`${FENCE}${ENDS_AT}
local results, bytes = {}, 0
local function as_judged(key, digest, ends)
  if digest == '*' then return true end
  local dump = redis.call('DUMP', key)
  bytes = bytes + (dump and #dump or 0)
  return dump and redis.sha1hex(dump) == digest and ends_at(key) == ends
end
for i = k + 1, #KEYS, 2 do
  local source = KEYS[i]
  local result = '0'
  if redis.call('EXISTS', source) == 0 then
    result = '-'
  elseif as_judged(source, ARGV[a + 1], ARGV[a + 2]) and as_judged(KEYS[i + 1], ARGV[a + 3], ARGV[a + 4]) then
    redis.call('UNLINK', source)
    result = '1'
  end
  a = a + 4
  results[#results + 1] = result
  if bytes > ${512 * 1024} then break end
end
return table.concat(results)
`);

/**
 * Deletes one record, whatever it is: only in a transaction over a watch.
 *
 * - KEYS: the fence key if any, then the record.
 * - ARGV: the fence.
 * - Returns `1`.
 */
export const UNLINK: Script = script(`${FENCE}
redis.call('UNLINK', KEYS[k + 1])
return '1'
`);

/**
 * Takes records off a list that were deleted, while what is left of them is there.
 *
 * - KEYS: the fence key if any, then the list, then whom it belongs to, then the records.
 * - ARGV: the fence; the field that tells a deletion; how many fields the list has that is to be deleted with its owner, 0 for none;
 *   how many of their names follow; these; then for each record the field that lists it.
 * - Returns `1`.
 */
export const PRUNE: Script = script(`${FENCE}
local list, deleted = KEYS[k + 1], ARGV[a + 1]
local function is_deleted(key)
  local reply = redis.pcall('HEXISTS', key, deleted)
  return reply == 1
end
local size, named = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
a = a + 3
local function is_the_same()
  if redis.pcall('HLEN', list) ~= size then return false end
  for i = a + 1, a + named do
    if redis.call('HEXISTS', list, ARGV[i]) == 0 then return false end
  end
  return true
end
if size > 0 and is_deleted(KEYS[k + 2]) and is_the_same() then redis.call('UNLINK', list) return '1' end
a = a + named
for i = k + 3, #KEYS do
  if is_deleted(KEYS[i]) then redis.call('HDEL', list, ARGV[a + i - k - 2]) end
end
return '1'
`);

/**
 * Marks a record that is about to be written, until it is proven.
 *
 * - KEYS: the fence key if any, then the markers of its slot.
 * - ARGV: the fence; the record; its marker; `new` to keep a marker that is there, `over` to replace it.
 * - Returns `m` when one is kept, else `1`.
 */
export const MARK: Script = script(`${FENCE}
if ARGV[a + 3] == 'new' and redis.call('HEXISTS', KEYS[k + 1], ARGV[a + 1]) == 1 then return 'm' end
redis.call('HSET', KEYS[k + 1], ARGV[a + 1], ARGV[a + 2])
return '1'
`);

/**
 * Takes away the marker of a record.
 *
 * - KEYS: the fence key if any, then the markers of its slot.
 * - ARGV: the fence; the record.
 * - Returns `1`.
 */
export const UNMARK: Script = script(`${FENCE}
redis.call('HDEL', KEYS[k + 1], ARGV[a + 1])
return '1'
`);

/**
 * Writes a dump under a name that is free.
 *
 * - KEYS: the fence key if any, then the record.
 * - ARGV: the fence; the dump; its TTL as Unix milliseconds, 0 for none.
 * - Returns `c` when written, `~` when a record is there.
 */
export const RESTORE_NEW: Script = script(`${FENCE}
local key = KEYS[k + 1]
if redis.call('EXISTS', key) == 1 then return '~' end
redis.call('RESTORE', key, ARGV[a + 2], ARGV[a + 1], 'ABSTTL')
return 'c'
`);

/**
 * Replaces one record by a dump, only if it is what a run wrote before; with an empty dump, deletes it then.
 *
 * - KEYS: the fence key if any, then the record.
 * - ARGV: the fence; the SHA-1s of the dumps that may have been written; the new dump or an empty string; its TTL as Unix
 *   milliseconds, 0 for none.
 * - Returns `1` when done, `0` when the record is another by now.
 */
export const REPLACE_OWN: Script = script(`${FENCE}
local key = KEYS[k + 1]
local dump = redis.call('DUMP', key)
if not dump or not string.find(ARGV[a + 1], redis.sha1hex(dump), 1, true) then return '0' end
if ARGV[a + 2] == '' then
  redis.call('UNLINK', key)
else
  redis.call('RESTORE', key, ARGV[a + 3], ARGV[a + 2], 'REPLACE', 'ABSTTL')
end
return '1'
`);
