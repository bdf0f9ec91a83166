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

/**
 * Copies records of any type to new names with their TTL, never over an existing one.
 *
 * - KEYS: the fence key if any, then source and target by turns.
 * - ARGV: the fence; the count of fields looked at and their names; then for each pair the type of the source, and for
 *   each field `+value`, `-` for none or `*` for any (which a source that is no hash ignores).
 * - Returns a character for each pair: `c` copied, `=` the same is there already, `~` another is there, `0` the source
 *   is not as expected, `-` it is gone.
 */
export const COPY: Script = script(`${FENCE}${EXPECTED}${ENDS_AT}
local function same_hash(one, other)
  local fields = redis.call('HGETALL', one)
  if #fields ~= 2 * redis.call('HLEN', other) then return false end
  for i = 1, #fields, 2 do
    if redis.call('HGET', other, fields[i]) ~= fields[i + 1] then return false end
  end
  return true
end
local lacks_copy = false -- As servers do that only speak like Redis.
local function copy(source, target)
  if not lacks_copy then
    local copied = redis.pcall('COPY', source, target)
    if type(copied) == 'number' then return copied == 1 end
    lacks_copy = true
  end
  if redis.call('EXISTS', target) == 1 then return false end
  redis.call('RESTORE', target, ends_at(source), redis.call('DUMP', source), 'ABSTTL')
  return true
end
local results = {}
for i = k + 1, #KEYS, 2 do
  local source, target = KEYS[i], KEYS[i + 1]
  local known = expected(source)
  local result
  if known == nil then
    result = '-'
  elseif not known then
    result = '0'
  elseif copy(source, target) then
    result = 'c'
  else
    local kind = redis.call('TYPE', source).ok
    local same = false
    if kind == redis.call('TYPE', target).ok then
      if kind == 'hash' then
        same = same_hash(source, target)
      else
        same = redis.call('DUMP', source) == redis.call('DUMP', target)
      end
    end
    result = same and '=' or '~'
  end
  results[#results + 1] = result
end
return table.concat(results)
`);

/**
 * Deletes originals whose copies hold the same, or what migrations have made of it, and end at the same time.
 *
 * - KEYS: the fence key if any, then source and target by turns.
 * - ARGV: the fence; the count of fields looked at and their names; then for each pair the type of the source with its
 *   fields, as for copying, the count of fields that the copy may have otherwise, and these with their values.
 * - Returns a character for each pair: `1` deleted, `~` the copy is another or missing, `0` the source is not as expected,
 *   `-` it is gone.
 */
export const DELETE_COPIED: Script = script(`${FENCE}${EXPECTED}
local function proven(source, target, other)
  if redis.call('PTTL', source) ~= redis.call('PTTL', target) then return false end
  if redis.call('TYPE', source).ok ~= 'hash' then return redis.call('DUMP', source) == redis.call('DUMP', target) end
  local found = redis.pcall('HGETALL', target)
  if found.err then return false end
  local copy, extra = {}, #found / 2
  for i = 1, #found, 2 do copy[found[i]] = found[i + 1] end
  local fields = redis.call('HGETALL', source)
  for i = 1, #fields, 2 do
    local value = copy[fields[i]]
    if value == nil or (value ~= fields[i + 1] and value ~= other[fields[i]]) then return false end
    copy[fields[i]] = nil
    extra = extra - 1
  end
  if extra > 0 then
    for field, value in pairs(copy) do
      if other[field] ~= value then return false end
    end
  end
  return true
end
local results = {}
for i = k + 1, #KEYS, 2 do
  local source, target = KEYS[i], KEYS[i + 1]
  local known = expected(source)
  local count, other = tonumber(ARGV[a]), {}
  for j = 1, 2 * count, 2 do other[ARGV[a + j]] = ARGV[a + j + 1] end
  a = a + 1 + 2 * count
  local result
  if known == nil then
    result = '-'
  elseif not known then
    result = '0'
  elseif proven(source, target, other) then
    redis.call('UNLINK', source)
    result = '1'
  else
    result = '~'
  end
  results[#results + 1] = result
end
return table.concat(results)
`);

/**
 * Deletes originals, each only if it and its copy are byte for byte what was judged, with a TTL or without as then.
 *
 * - KEYS: the fence key if any, then source and target by turns.
 * - ARGV: the fence; then for each pair the SHA-1 of the source's dump and of the target's, or `*` for a target that is
 *   on another node.
 * - Returns a character for each pair: `1` deleted, `0` changed meanwhile, `-` gone.
 */
export const DELETE_PROVEN: Script = script(`${FENCE}
local results = {}
for i = k + 1, #KEYS, 2 do
  local source, target = KEYS[i], KEYS[i + 1]
  local dump = redis.call('DUMP', source)
  local result = '0'
  if not dump then
    result = '-'
  elseif redis.sha1hex(dump) == ARGV[a + 1] then
    local copy = ARGV[a + 2] ~= '*' and redis.call('DUMP', target)
    if ARGV[a + 2] == '*' or (copy and redis.sha1hex(copy) == ARGV[a + 2]) then
      redis.call('UNLINK', source)
      result = '1'
    end
  end
  a = a + 2
  results[#results + 1] = result
end
return table.concat(results)
`);

/**
 * Replaces one record by a dump, only if it is what this run wrote before; with an empty dump, deletes it then.
 *
 * - KEYS: the fence key if any, then the record.
 * - ARGV: the fence; the SHA-1 of the dump that this run wrote; the new dump or an empty string; its TTL as Unix
 *   milliseconds, 0 for none.
 * - Returns `1` when done, `0` when the record is another by now.
 */
export const REPLACE_OWN: Script = script(`${FENCE}
local key = KEYS[k + 1]
local dump = redis.call('DUMP', key)
if not dump or redis.sha1hex(dump) ~= ARGV[a + 1] then return '0' end
if ARGV[a + 2] == '' then
  redis.call('UNLINK', key)
else
  redis.call('RESTORE', key, ARGV[a + 3], ARGV[a + 2], 'REPLACE', 'ABSTTL')
end
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
