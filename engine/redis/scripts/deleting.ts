/**
 * Scripts that delete originals whose copies are proven.
 *
 * @module
 */

import { ENDS_AT, FENCE, ORDERS, type Script, script, TOGETHER } from "./script.ts";

/**
 * What a script looks at together, and of one original: what is larger is for others to judge. A copy is about as large, but where the
 * application has put many fields in it since.
 */
const MOST = { bytes: 512 * 1024, bytesOfOriginal: 64 * 1024, fieldsOfCopy: 1000 };

/**
 * Deletes originals that are hashes, as they were read, and the same as their copies: every field of these is as later migrations make
 * it, and they end when the originals do.
 *
 * - KEYS: the fence key if any, then source and target by turns.
 * - ARGV: the fence; {@linkcode Orders}: what is to be set is what later migrations make.
 * - Returns a character for each pair: `1` deleted, `0` changed meanwhile, `-` gone, `?` not to be told by this alone. What would be too
 *   much at once is left out at the end.
 */
export const DELETE_SAME: Script = script(`${FENCE}${TOGETHER}
${ORDERS.begin}
local pcall, width, bytes, column = redis.pcall, #names, 0, {}
for j = 1, width do column[names[j]] = j end
for i = 1, #shapes do
  local set, place = shapes[i].set, {}
  for j = 1, #set do place[set[j]] = j end
  shapes[i].place = place
end
local function judge(source, target)
  local size = pcall('MEMORY', 'USAGE', source)
  if not size then return '-' end
  if type(size) ~= 'number' or size > ${MOST.bytesOfOriginal} then return '?' end
  local length = pcall('HLEN', target)
  if type(length) ~= 'number' or length > ${MOST.fieldsOfCopy} then return '?' end
  bytes = bytes + 2 * size
  local original, copy = pcall('HGETALL', source), pcall('HGETALL', target)
  if original.err or copy.err then return '?' end
  -- What a loop uses most is the function's own: to reach what is another's takes longer.
  local told, at, set_at, column, place = told, at, set_at, column, shape.place
  local there, unread, more = nil, shape.there, #fields
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
    -- Mostly a copy has the fields in the same order, and others behind them: a table of its own would cost more than all the rest.
    if copy[j + 1] ~= value or copy[j] ~= name then
      there = there or by_name(copy)
      if there[name] ~= value then return '?' end
    end
  end
  if unread ~= 0 then return '0' end
  if #copy ~= #original + 2 * more then return '?' end
  for j = #original + 1, there and 0 or #copy, 2 do
    local set = place[copy[j]]
    if not set or told[set_at + set] ~= copy[j + 1] then return '?' end
  end
  for j = 1, there and #fields or 0 do
    if there[fields[j]] ~= told[set_at + j] then return '?' end
  end
  if not ends_together(source, target, copy) then return '?' end
  redis.call('UNLINK', source)
  return '1'
end
local results = {}
for i = k + 1, #KEYS, 2 do
  ${ORDERS.next}
  results[#results + 1] = judge(KEYS[i], KEYS[i + 1])
  if bytes > ${MOST.bytes} then break end
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
 * Deletes one record, whatever it is: only in a transaction over a watch, or one that is the engine's own.
 *
 * - KEYS: the fence key if any, then the record.
 * - ARGV: the fence.
 * - Returns `1`.
 */
export const UNLINK: Script = script(`${FENCE}
redis.call('UNLINK', KEYS[k + 1])
return '1'
`);
