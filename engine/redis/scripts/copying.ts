/**
 * Scripts that copy records to other names.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { FENCE, FIELDS, type Script, script, SET_SHAPE } from "./script.ts";
import { CHANGE, type FieldWrites } from "./writing.ts";

/**
 * Sets `enough`, which is told of each record and tells when a script has handled so many bytes that it should end. It asks about one
 * in four.
 */
const ENOUGH = `
local bytes, seen = 0, 0
local function enough(key)
  seen = seen + 1
  if seen % 4 == 1 then
    local size = redis.pcall('MEMORY', 'USAGE', key)
    bytes = bytes + 4 * (type(size) == 'number' and size or 1024)
  end
  return bytes > ${512 * 1024}
end
`;
/** `is_deleted` tells of a record whether its field for that says when it was deleted: what else stands there tells no deletion. */
const IS_DELETED = `
local function is_deleted(key, field)
  local told = redis.pcall('HGET', key, field)
  if type(told) ~= 'string' then return false end
  return (string.find(told, '^[+-]?%d+$') or string.find(told, '^%d%d%d%d%-%d%d%-%d%d[Tt]')) ~= nil
end
`;

/** What looking at a record that a list names counts for. */
const BYTES_OF_LISTED = 256;

/**
 * Sets `dead_of`, which tells the fields of a list whose records were deleted, or nothing and `0` for a list that has other fields than
 * is told, `d` for one of which nothing would be left.
 */
const DEAD_OF = `${IS_DELETED}
local function dead_of(key, list, deleted_at)
  local dead, names = {}, redis.call('HKEYS', key)
  bytes = bytes + ${BYTES_OF_LISTED} * #names
  for j = 1, #names do
    local record = list[2][names[j]]
    if not record then return nil, '0' end
    if is_deleted(record, deleted_at) then dead[#dead + 1] = names[j] end
  end
  if #dead == #names or is_deleted(list[1], deleted_at) then return nil, 'd' end
  return dead
end
`;

/** What scripts are told of pairs, as JSON: what was read of the originals, and what is to be set in the copies of hashes. */
export interface Orders extends FieldWrites {
  /** For each original its type. Of one that is no hash nothing is looked at but that. */
  readonly types: readonly string[];
  /** For each original that lists others whom it belongs to and, by the names of its fields, what they stand for; else `false`. */
  readonly lists: readonly (Listed | false)[];
  /** The field that tells a deletion; empty for none. */
  readonly deletedAt: Binary;
}

/** The records that have to do with a list: its owner, and by the names of its fields what it lists. */
export type Listed = readonly [owner: Binary, records: Readonly<Record<Binary, Binary>>];

/**
 * Copies records of any type to new names with their TTL, never over an existing one. Fields of the copy are set in the same step:
 * nobody sees it otherwise. Their ends are kept. Nor does a list name what was deleted.
 *
 * - KEYS: the fence key if any, then source and target by turns.
 * - ARGV: the fence; {@linkcode Orders}.
 * - Returns a character for each pair: `c` copied, `~` a record is there, `0` the source is not as expected, `-` it is gone, `d` it is
 *   a list of which nothing would be left. What would be too much at once is left out at the end.
 */
export const COPY: Script = script(`${FENCE}${ENOUGH}
local orders = cjson.decode(ARGV[a + 1])
local names, shapes, types, told, at = orders.fields, orders.shapes, orders.types, orders.values, 0
${FIELDS.begin}
${SET_SHAPE}local function expected(key, kind)
  if kind ~= 'hash' then
    local found = redis.call('TYPE', key).ok
    if found == 'none' then return nil end
    return found == kind
  end
  ${FIELDS.read}${FIELDS.compare}
  if not any and redis.call('EXISTS', key) == 0 then return nil end
  return same
end
${DEAD_OF}local function copy(source, target, list, shape)
  local dead, why
  if list then dead, why = dead_of(source, list, orders.deletedAt) end
  if why then return why end
  if redis.call('COPY', source, target) == 0 then return '~' end
  set_shape(target, shape, told, at)
  if dead and #dead > 0 then redis.call('HDEL', target, unpack(dead)) end
  return 'c'
end
local results = {}
for i = k + 1, #KEYS, 2 do
  local source, number = KEYS[i], (i - k + 1) / 2
  local known = expected(source, types[number])
  at = at + width + 1
  local shape = shapes[told[at]]
  local result = '-'
  if known then
    result = copy(source, KEYS[i + 1], orders.lists[number], shape)
  elseif known == false then
    result = '0'
  end
  at = at + #shape
  results[number] = result
  if enough(source) then break end
end
return table.concat(results)
`);

/**
 * Takes records off a list that were deleted, while what is left of them is there; then deletes the list, if it has nothing but what
 * is told and what is left of its owner is there.
 *
 * - KEYS: the fence key if any, then the list, then whom it belongs to, then the records.
 * - ARGV: the fence; the field that tells a deletion; how many fields the list has that is to be deleted, 0 for none; how many of
 *   them follow; these, names and values by turns; then for each record the field that lists it.
 * - Returns `1`.
 */
export const PRUNE: Script = script(`${FENCE}${IS_DELETED}
local list, deleted = KEYS[k + 1], ARGV[a + 1]
local size, named = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
a = a + 3
local function is_the_same()
  if redis.pcall('HLEN', list) ~= size then return false end
  for i = a + 1, a + 2 * named, 2 do
    if redis.call('HGET', list, ARGV[i]) ~= ARGV[i + 1] then return false end
  end
  return true
end
for i = k + 3, #KEYS do
  if is_deleted(KEYS[i], deleted) then redis.call('HDEL', list, ARGV[a + 2 * named + i - k - 2]) end
end
if size > 0 and is_deleted(KEYS[k + 2], deleted) and is_the_same() then redis.call('UNLINK', list) end
return '1'
`);

/**
 * Marks a record that is about to be written, or about to be replaced, until it is proven.
 *
 * - KEYS: the fence key if any, then the markers of its slot.
 * - ARGV: the fence; the record; its marker.
 * - Returns `1`.
 */
export const MARK: Script = script(`${FENCE}
redis.call('HSET', KEYS[k + 1], ARGV[a + 1], ARGV[a + 2])
return '1'
`);

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
  /** Begins with the SHA-1 of the dump. */
  readonly markers: readonly Binary[];
}

/**
 * Writes dumps under names that are free, each marked in the same step, until it is proven. Nor does a list name what was deleted.
 *
 * - KEYS: the fence key if any, then for each record its name and the markers of its slot.
 * - ARGV: the fence; `over` to replace markers that are there, else `new`; {@linkcode Restoring} as JSON; the dumps.
 * - Returns a character for each: `c` written; `l` written, a list that was not looked through; `d` not written, a list of which
 *   nothing would be left; `~` a record is there; `m` nothing was done, for a marker is there.
 */
export const RESTORE_NEW: Script = script(`${FENCE}
local over, told, results, bytes = ARGV[a + 1] == 'over', cjson.decode(ARGV[a + 2]), {}, 0
${DEAD_OF}local function look_through(key, markers, marker, list)
  local dead, why = dead_of(key, list, told.deletedAt)
  if why == 'd' then
    redis.call('UNLINK', key)
    redis.call('HDEL', markers, key)
    return 'd'
  end
  if not dead then return 'l' end
  if #dead > 0 then
    redis.call('HDEL', key, unpack(dead))
    redis.call('HSET', markers, key, redis.sha1hex(redis.call('DUMP', key)) .. string.sub(marker, 41))
  end
  return 'c'
end
local dumps, at = ARGV[a + 3], 0
for i = k + 1, #KEYS, 2 do
  local number = #results + 1
  local key, markers, marker, result = KEYS[i], KEYS[i + 1], told.markers[number], 'm'
  local dump = string.sub(dumps, at + 1, at + told.sizes[number])
  at = at + #dump
  if redis.call(over and 'HSET' or 'HSETNX', markers, key, marker) == 1 or over then
    local reply, list = redis.pcall('RESTORE', key, told.ends[number], dump, 'ABSTTL'), told.lists[number]
    result = 'c'
    if reply.err then
      if not string.find(reply.err, 'BUSYKEY', 1, true) then return reply end
      if not over then redis.call('HDEL', markers, key) end
      result = '~'
    elseif list then
      result = look_through(key, markers, marker, list)
    end
  end
  results[number] = result
end
return table.concat(results)
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
