/**
 * What runs inside the server. Every script that writes begins with the check of the fencing token, and changes a
 * record only if it is as it was read: nothing lies between the proof and the write.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** A script's text and the hash by which a server knows it. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

/**
 * How every script begins. Its last argument has the names of all keys as JSON, which both sides handle faster than arguments of their
 * own, and which in a cluster may be of all slots of a node: those that are named as keys lead there.
 */
const ALL_KEYS = `
local KEYS, ARGV = cjson.decode(ARGV[#ARGV]), ARGV -- Globals are looked up each time, and these are used most of all.
ARGV[#ARGV] = nil
`;

/** Makes a script of its text. */
export function script(text: string): Script {
  const source = ALL_KEYS + text;
  return { source, sha: createHash("sha1").update(source).digest("hex") };
}

/** Sets `unpack`: servers have Lua 5.1, where it is global, but Dragonfly has 5.4, where asking for it is an error. */
export const UNPACK = `local unpack = table.unpack or unpack
`;

/**
 * How fields of many hashes are read: `begin` once, with the list of names in `names`; `read` for each, which sets `values` to
 * the reply for `key`, and `compare` where they are to be as they were.
 */
export const FIELDS = {
  begin: `
local call, pcall, width = redis.call, redis.pcall, #names
`,
  read: `
  local values = pcall('HMGET', key, unpack(names))
`,
  /** After `read` and {@linkcode ORDERS}: sets `same`, and `is_there`. */
  compare: `
  same = true
  for j = 1, width do
    if values[j] ~= told[at + j] then same = false end
  end
  is_there = same and shape.there > 0 or call('EXISTS', key) == 1
`,
};

/**
 * Tells when a key expires, in Unix milliseconds as text, `0` for never. Servers before 7.0 tell only how long that is away,
 * which tells it to the millisecond if it is asked within one.
 */
export const ENDS_AT = `
local function ends_at(key)
  local at = redis.pcall('PEXPIRETIME', key)
  if at == -1 then return '0' end -- What most of them say, and making text takes longer than asking.
  if type(at) ~= 'number' then
    local function now()
      local time = redis.call('TIME')
      return time[1] * 1000 + math.floor(time[2] / 1000)
    end
    local before, left, after = now()
    repeat
      before, left, after = after or before, redis.call('PTTL', key), now()
    until before == after
    at = left < 0 and 0 or after + left
  end
  return string.format('%.0f', at < 0 and 0 or at)
end
`;

/**
 * `field_ends` tells when fields of a hash end, in Unix milliseconds with 0 or less for never, and nothing on servers before 7.4,
 * which know no such ends; whoever may not ask is refused. Setting a field takes its end away: `keep_ends` gives it back.
 */
export const FIELD_ENDS = `
local knows_field_ends, none = true, {}
local function field_ends(key, fields)
  if not knows_field_ends then return none end
  local ends = redis.pcall('HPEXPIRETIME', key, 'FIELDS', #fields, unpack(fields))
  if not ends.err then return ends end
  if not string.find(ends.err, 'nknown %a* ?command') then error(ends.err) end
  knows_field_ends = false
  return none
end
local function keep_ends(key, fields, ends)
  for j = 1, #ends do
    if ends[j] > 0 then
      redis.call('HPEXPIREAT', key, string.format('%.0f', ends[j]), 'FIELDS', 1, fields[j])
    end
  end
end
`;

/** Hashes of more fields are told by their dumps. */
export const MOST_FIELDS = 1000;
/** Longer values are told by digests of their own: all of them as JSON would take a server several times as long. */
const LONG = 256;

/**
 * `digest_of` tells what a record holds, and an empty string for none. A dump alone would not tell: in which order a server puts the
 * fields of a hash depends on the server, and on who has read it since.
 */
export const DIGEST_OF = `${FIELD_ENDS}
local function digest_of(key)
  local length = redis.pcall('HLEN', key)
  if length == 0 then return '' end
  if type(length) ~= 'number' or length > ${MOST_FIELDS} then return redis.sha1hex(redis.call('DUMP', key)) end
  local flat, told, values = redis.call('HGETALL', key), {}, {}
  for j = 1, #flat, 2 do
    told[(j + 1) / 2] = flat[j]
    values[flat[j]] = flat[j + 1]
  end
  table.sort(told)
  local ends, count = field_ends(key, told), #told
  for j = 1, count do
    local value = values[told[j]]
    told[count + j] = #value > ${LONG} and { redis.sha1hex(value) } or value
  end
  for j = 1, #ends do
    if ends[j] > 0 then told[#told + 1] = told[j] .. ' ' .. ends[j] end
  end
  return redis.sha1hex(cjson.encode(told))
end
`;

/**
 * `ends_together` tells whether two hashes that have the same fields end at the same time, they and their fields; `by_name` makes a
 * table of a hash.
 */
export const TOGETHER = `${ENDS_AT}${FIELD_ENDS}
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
`;

/**
 * How {@linkcode Orders} are taken: `begin` once, which also sets `names`; `next` for each record, which sets its `shape`, and `at`: behind
 * that stand in `told` the values that were read, and from `set_at` those to set.
 */
export const ORDERS = {
  begin: `
local orders = cjson.decode(ARGV[a + 1])
local names, shapes, told = orders.fields, orders.shapes, orders.values
local number, shape, fields, at, set_at, next_at = nil, nil, nil, 0, 0, 0
`,
  next: `
  at = next_at + 1
  if told[at] ~= number then -- Mostly it is as before.
    number = told[at]
    shape = shapes[number]
    fields = shape.set
  end
  set_at = at + width
  next_at = set_at + shape.size
`,
};

/** `set_fields` sets the fields that a shape names to the values that are told. Their ends are kept. */
export const SET_FIELDS = `${FIELD_ENDS}
for i = 1, #shapes do -- A table for each record would take longer than what is done with it.
  local shape = shapes[i]
  shape.pairs = {}
  for j = 1, 2 * #shape.set do shape.pairs[j] = shape.set[(j + 1) / 2] or '' end
end
local function set_fields(key)
  if #fields == 0 then return end
  local pairs, ends = shape.pairs, knows_field_ends and field_ends(key, fields)
  for j = 1, #fields do pairs[2 * j] = told[set_at + j] end
  call('HSET', key, unpack(pairs))
  if ends then keep_ends(key, fields, ends) end
end
`;

/**
 * For scripts that must work on a server at its memory limit: it lets a script finish that has begun to write. This writes
 * nothing, whatever KEYS[1] holds, since that is never a hash with a field without a name.
 */
export const THOUGH_FULL = `redis.pcall('HDEL', KEYS[1], '')`;

/**
 * How every script begins that writes. Its arguments begin with:
 * - ARGV[1]: the fencing token, or empty when the run has none;
 * - ARGV[2]: how many fence keys follow as arguments (in a cluster, where only the one on this node can be read). 0 with
 *   a token means that KEYS[1] is the fence key, and the records begin at KEYS[2].
 *
 * Sets `k` and `a` to the indexes before the first record key and the first own argument. A script whose token no longer
 * holds changes nothing and returns `F`.
 */
export const FENCE = `
${UNPACK}local k, a = 0, 2
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
