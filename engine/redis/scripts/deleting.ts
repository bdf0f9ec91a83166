/**
 * Scripts that delete originals whose copies are proven.
 *
 * @module
 */

import { ENDS_AT, FENCE, FIELD_ENDS, type Script, script, UNPACK } from "./script.ts";

/** What a script looks at together, and of one pair: what is larger is for others to judge. */
const MOST = { bytes: 512 * 1024, bytesOfPair: 128 * 1024 };

/**
 * Compares originals that are hashes, and as they were read, with their copies: these are the same when every field is as later
 * migrations make it, and they end when the originals do. Returns a character for each pair: `1` the same, `0` changed meanwhile, `-`
 * gone, `?` not to be told by this alone. What would be too much at once is left out at the end.
 *
 * @param begin Sets `k` and `a`, as {@linkcode FENCE} does.
 * @param deed What is done with a `source` that is the same.
 */
const comparing = (begin: string, deed: string): Script =>
  script(`${begin}${ENDS_AT}${FIELD_ENDS}
local orders, pcall = cjson.decode(ARGV[a + 1]), redis.pcall
local names, shapes, told, at, bytes = orders.fields, orders.shapes, orders.values, 0, 0
local width, column, places = #names, {}, {}
for j = 1, width do column[names[j]] = j end
for i = 1, #shapes do
  places[i] = {}
  for j = 1, #shapes[i] do places[i][shapes[i][j]] = j end
end
local function ends_together(source, target, hash)
  if ends_at(source) ~= ends_at(target) then return false end
  if not knows_field_ends then return true end
  local fields = {}
  for j = 1, #hash, 2 do fields[#fields + 1] = hash[j] end
  local ends, others = field_ends(source, fields), field_ends(target, fields)
  for j = 1, #ends do
    if math.max(ends[j], 0) ~= math.max(others[j], 0) then return false end
  end
  return true
end
local function by_name(hash)
  local values = {}
  for j = 1, #hash, 2 do values[hash[j]] = hash[j + 1] end
  return values
end
local function judge(source, target, shape, place)
  local size, other = pcall('MEMORY', 'USAGE', source), pcall('MEMORY', 'USAGE', target)
  if not size then return '-' end
  if type(size) ~= 'number' or type(other) ~= 'number' then return '?' end
  if size + other > ${MOST.bytesOfPair} then return '?' end
  bytes = bytes + size + other
  local original, copy = pcall('HGETALL', source), pcall('HGETALL', target)
  if original.err or copy.err then return '?' end
  -- Mostly a copy has the fields in the same order, and others behind them: a table of its own would cost more than all the rest.
  local there, unread, more, set_at = nil, 0, #shape, at + width + 1
  for j = 1, width do if told[at + j] then unread = unread + 1 end end
  for j = 1, #original, 2 do
    local name, value = original[j], original[j + 1]
    local read, set = column[name], place[name]
    if read then
      if told[at + read] ~= value then return '0' end
      unread = unread - 1
    end
    if set then
      value, more = told[set_at + set], more - 1
    end
    if copy[j] ~= name then there = there or by_name(copy) end
    local found = there and there[name]
    if not there then found = copy[j + 1] end
    if found ~= value then return '?' end
  end
  if unread ~= 0 then return '0' end
  if #copy ~= #original + 2 * more then return '?' end
  for j = #original + 1, there and 0 or #copy, 2 do
    local set = place[copy[j]]
    if not set or told[set_at + set] ~= copy[j + 1] then return '?' end
  end
  for j = 1, there and #shape or 0 do
    if there[shape[j]] ~= told[set_at + j] then return '?' end
  end
  if not ends_together(source, target, copy) then return '?' end
  ${deed}
  return '1'
end
local results = {}
for i = k + 1, #KEYS, 2 do
  local number = told[at + width + 1]
  local shape = shapes[number]
  results[#results + 1] = judge(KEYS[i], KEYS[i + 1], shape, places[number])
  at = at + width + 1 + #shape
  if bytes > ${MOST.bytes} then break end
end
return table.concat(results)
`);

/**
 * Tells which originals and copies are the same.
 *
 * - KEYS: source and target by turns.
 * - ARGV: {@linkcode Orders}: what is to be set is what later migrations make.
 * - Returns what {@linkcode comparing} says.
 */
export const FIND_SAME: Script = comparing(`${UNPACK}local k, a = 0, 0\n`, "");

/**
 * Deletes originals that are the same as their copies.
 *
 * - KEYS: the fence key if any, then source and target by turns.
 * - ARGV: the fence; {@linkcode Orders}: what is to be set is what later migrations make.
 * - Returns what {@linkcode comparing} says: `1` deleted.
 */
export const DELETE_SAME: Script = comparing(FENCE, "redis.call('UNLINK', source)");

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
  if not dump then return nil end
  bytes = bytes + #dump
  return redis.sha1hex(dump) == digest and ends_at(key) == ends
end
for i = k + 1, #KEYS, 2 do
  local source, result = KEYS[i], '0'
  local same = as_judged(source, ARGV[a + 1], ARGV[a + 2])
  if same == nil then
    result = '-'
  elseif same and as_judged(KEYS[i + 1], ARGV[a + 3], ARGV[a + 4]) then
    redis.call('UNLINK', source)
    result = '1'
  end
  a = a + 4
  results[#results + 1] = result
  if bytes > ${MOST.bytes} then break end
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
