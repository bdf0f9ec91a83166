/**
 * What runs inside the server. Every script that writes begins with the check of the fencing token, and changes a
 * record only if it is as it was read: nothing lies between the proof and the write.
 *
 * Arguments of every writing script begin with:
 * - ARGV[1]: the fencing token, or empty when the run has none;
 * - ARGV[2]: how many fence keys follow as arguments (in a cluster, where only the one on this node can be read). 0 with
 *   a token means that KEYS[1] is the fence key, and the records begin at KEYS[2].
 *
 * A writing script whose token no longer holds changes nothing and returns `F`.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** A script and the hash by which a server knows it. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

function script(source: string): Script {
  return { source, sha: createHash("sha1").update(source).digest("hex") };
}

/** Sets `k` and `a` to the indexes before the first record key and the first own argument. */
const FENCE = `
local KEYS, ARGV = KEYS, ARGV -- Globals are looked up each time, and these are used most of all.
local k, a = 0, 2
if ARGV[1] ~= '' then
  local count = tonumber(ARGV[2])
  local holds = false
  if count == 0 then
    holds = redis.call('GET', KEYS[1]) == ARGV[1]
    k = 1
  else
    for i = 3, 2 + count do
      local found = redis.pcall('GET', ARGV[i])
      if found == ARGV[1] then holds = true break end
    end
    a = 2 + count
  end
  if not holds then return 'F' end
end
`;

/**
 * Reads fields of many hashes.
 *
 * - KEYS: the records.
 * - ARGV: the names of the fields.
 * - Returns two strings: for each record and field the value's length, `-` where there is none, and one `x` for a whole
 *   record that is no hash, all followed by a comma; and the values, end to end.
 */
export const READ_FIELDS: Script = script(`
local KEYS, ARGV = KEYS, ARGV
local lengths, data, n, m = {}, {}, 0, 0
local known = {} -- Making text of a number takes longer than all else here; most lengths come again and again.
local pcall = redis.pcall
local width = #ARGV
local first, second, third = ARGV[1], ARGV[2], ARGV[3]
for i = 1, #KEYS do
  local values
  if width == 2 then
    values = pcall('HMGET', KEYS[i], first, second)
  elseif width == 3 then
    values = pcall('HMGET', KEYS[i], first, second, third)
  else
    values = pcall('HMGET', KEYS[i], unpack(ARGV))
  end
  if values.err then
    n = n + 1
    lengths[n] = 'x,'
  else
    for j = 1, width do
      local value = values[j]
      n = n + 1
      if value then
        local length = known[#value]
        if not length then
          length = #value .. ','
          known[#value] = length
        end
        lengths[n] = length
        m = m + 1
        data[m] = value
      else
        lengths[n] = '-,'
      end
    end
  end
end
return { table.concat(lengths), table.concat(data) }
`);

/**
 * Changes fields of many hashes, each only if it exists and the fields that were read are as they were.
 *
 * - KEYS: the fence key if any, then the records.
 * - ARGV: the fence; the count of fields read and their names; the count of shapes, and for each the count of fields to
 *   set and their names; a string with a `+` for each field that was there and a `-` for each that was not, record by
 *   record; then for each record the values that were there, the number of its shape if there are several, and the
 *   values to set.
 * - Returns a character for each record: `1` written, `0` changed meanwhile, `-` gone.
 */
export const WRITE_FIELDS: Script = script(`${FENCE}
local function list()
  local count, items = tonumber(ARGV[a + 1]), {}
  for j = 1, count do items[j] = ARGV[a + 1 + j] end
  a = a + 1 + count
  return items
end
local names, shapes = list(), {}
local width, several = #names, tonumber(ARGV[a + 1])
a = a + 1
for s = 1, several do shapes[tostring(s)] = list() end
local shape = shapes['1']
local present = ARGV[a + 1]
a = a + 1
local at = 0
local call, pcall, byte = redis.call, redis.pcall, string.byte
local first, second, third = names[1], names[2], names[3]
local results = {}
for i = k + 1, #KEYS do
  local key = KEYS[i]
  local values
  if width == 2 then
    values = pcall('HMGET', key, first, second)
  elseif width == 3 then
    values = pcall('HMGET', key, first, second, third)
  else
    values = pcall('HMGET', key, unpack(names))
  end
  local same, any = not values.err, false
  for j = 1, width do
    local value = values[j]
    if value then any = true end
    if byte(present, at + j) == 43 then
      a = a + 1
      if value ~= ARGV[a] then same = false end
    elseif value then
      same = false
    end
  end
  at = at + width
  if several > 1 then
    a = a + 1
    shape = shapes[ARGV[a]]
  end
  local count = #shape
  local result = '0'
  if not any and call('EXISTS', key) == 0 then
    result = '-'
  elseif same then
    if count == 2 then
      call('HSET', key, shape[1], ARGV[a + 1], shape[2], ARGV[a + 2])
    elseif count == 1 then
      call('HSET', key, shape[1], ARGV[a + 1])
    else
      local pairs = {}
      for j = 1, count do
        pairs[2 * j - 1] = shape[j]
        pairs[2 * j] = ARGV[a + j]
      end
      call('HSET', key, unpack(pairs))
    end
    result = '1'
  end
  a = a + count
  results[i - k] = result
end
return table.concat(results)
`);

/** Whether the record at `key` is of the kind and has the fields that the arguments from `at` on expect. */
const EXPECTED = `
local function expected(key, names, at)
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return nil end
  if kind ~= ARGV[at] then return false end
  if kind ~= 'hash' then return true end
  local values = redis.call('HMGET', key, unpack(names))
  for j = 1, #names do
    local want = ARGV[at + j]
    if want ~= '*' and want ~= (values[j] and '+' .. values[j] or '-') then return false end
  end
  return true
end
local function same_hash(one, other)
  local fields = redis.call('HGETALL', one)
  if #fields ~= 2 * redis.call('HLEN', other) then return false end
  for i = 1, #fields, 2 do
    if redis.call('HGET', other, fields[i]) ~= fields[i + 1] then return false end
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
export const COPY: Script = script(`${FENCE}${EXPECTED}
local width = tonumber(ARGV[a + 1])
local names = {}
for j = 1, width do names[j] = ARGV[a + 1 + j] end
a = a + 2 + width
local results = {}
for i = k + 1, #KEYS, 2 do
  local source, target = KEYS[i], KEYS[i + 1]
  local known = expected(source, names, a)
  a = a + 1 + width
  local result
  if known == nil then
    result = '-'
  elseif not known then
    result = '0'
  elseif redis.call('COPY', source, target) == 1 then
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
local width = tonumber(ARGV[a + 1])
local names = {}
for j = 1, width do names[j] = ARGV[a + 1 + j] end
a = a + 2 + width
local results = {}
for i = k + 1, #KEYS, 2 do
  local source, target = KEYS[i], KEYS[i + 1]
  local known = expected(source, names, a)
  a = a + 1 + width
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

/**
 * Reads a record whole, at one moment. Servers before 7.0 do not tell when a key expires, only how long that is away: which
 * tells it to the millisecond if it is asked within one.
 *
 * - KEYS[1]: the record.
 * - Returns nothing when there is none, else its dump and its TTL as Unix milliseconds, 0 for none.
 */
export const READ_WHOLE: Script = script(`
local dump = redis.call('DUMP', KEYS[1])
if not dump then return false end
local at = redis.pcall('PEXPIRETIME', KEYS[1])
if type(at) ~= 'number' then
  local function now()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local before, left, after = now()
  repeat
    before, left, after = after or before, redis.call('PTTL', KEYS[1]), now()
  until before == after
  at = left < 0 and left or after + left
end
if at < 0 then at = 0 end
return { dump, string.format('%.0f', at) }
`);

/**
 * Writes bookkeeping.
 *
 * - KEYS: the fence key if any, then the hash.
 * - ARGV: the fence; `replace` for whatever is there, `new` only where nothing is, `run` only where the field `run` has
 *   the value that follows; that value; then fields and values, which for `replace` and `new` become the whole hash.
 * - Returns `1` when written, `0` when not.
 */
export const RECORD: Script = script(`${FENCE}
local key, mode = KEYS[k + 1], ARGV[a + 1]
if mode == 'new' and redis.call('EXISTS', key) == 1 then return '0' end
if mode == 'run' and redis.call('HGET', key, 'run') ~= ARGV[a + 2] then return '0' end
if mode == 'replace' then redis.call('DEL', key) end
redis.call('HSET', key, unpack(ARGV, a + 3))
return '1'
`);
