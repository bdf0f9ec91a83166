/**
 * Scripts that read many records at once.
 *
 * @module
 */

import { ENDS_AT, FIELD_ENDS, FIELDS, type Script, script, TOGETHER, UNPACK } from "./script.ts";

/** For scripts that read: ends them on any error but that a record is of another type. */
const READ = `
local pcall = redis.pcall
${UNPACK}local function is_other(reply)
  if not reply.err then return false end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply.err) end
  return true
end
`;

/**
 * In one reply: more would hold up the server. A hash with more fields than that, or that takes more memory, is none for a
 * script at all.
 */
const MOST = {
  fields: 1500,
  fieldsOfOne: 1000,
  bytes: 256 * 1024,
  bytesOfOne: 128 * 1024,
  /** Of an original whose copy is looked at: that is about as large, but where the application has put many fields in it since. */
  bytesWithCopy: 64 * 1024,
};

/**
 * `may_tell` tells whether so many names of fields more are not too much; `add_names` puts those of a record behind its values, if
 * none of these is there.
 */
const ADD_NAMES = `local names_told = 0
local function may_tell(length)
  if type(length) ~= 'number' or names_told + length > ${MOST.fields} then return false end
  names_told = names_told + length
  return true
end
local function add_names(key, values)
  for j = 1, width do
    if values[j] then return end
  end
  if not may_tell(pcall('HLEN', key)) then return end
  local found = pcall('HKEYS', key)
  if not found.err then values[width + 1] = found end
end
`;

/**
 * `with_copy` reads a record and its copy at one moment: what {@linkcode READ_FIELDS} tells of a record. False where the two are not
 * both hashes that end together, or are too large; nothing where they would be too much at once.
 */
const WITH_COPY = `${TOGETHER}
local column, bytes = {}, 0
for j = 1, width do column[names[j]] = j end
local function with_copy(key, target)
  if bytes > ${MOST.bytes} then return nil end
  local size = pcall('MEMORY', 'USAGE', key)
  if type(size) ~= 'number' or size > ${MOST.bytesWithCopy} then return false end
  local length = pcall('HLEN', target)
  if type(length) ~= 'number' or length > ${MOST.fieldsOfOne} then return false end
  bytes = bytes + size
  local original, copy = pcall('HGETALL', key), pcall('HGETALL', target)
  if original.err or copy.err or #original == 0 or #copy == 0 then return false end
  if not ends_together(key, target, copy) then return false end
  local values, differing, at, any, there, column = {}, {}, 0, false, nil, column
  for j = 1, width do values[j] = false end
  for j = 1, #original, 2 do
    local name, value = original[j], original[j + 1]
    local read, found = column[name], copy[j + 1]
    if read then values[read], any = value, true end
    -- Mostly a copy has the fields in the same order, and others behind them: a table of its own would cost more than all the rest.
    if found ~= value or copy[j] ~= name then
      if copy[j] ~= name then
        there = there or by_name(copy)
        found = there[name]
      end
      if found ~= value then
        differing[at + 1], differing[at + 2], at = name, found or false, at + 2
      end
    end
  end
  local names = there and by_name(original)
  for j = there and 1 or #original + 1, #copy, 2 do
    if not there or not names[copy[j]] then
      differing[at + 1], differing[at + 2], at = copy[j], copy[j + 1], at + 2
    end
  end
  values[width + 1] = false
  if with_names and not any and may_tell(#original / 2) then
    local all = {}
    for j = 1, #original, 2 do all[#all + 1] = original[j] end
    values[width + 1] = all
  end
  values[width + 2] = differing
  return values
end
`;

/**
 * Reads fields of many hashes, and of some of them what their copies have otherwise.
 *
 * - KEYS: the records.
 * - ARGV: `1` for names too; as JSON for each record its copy, `false` for none, or an empty string for none at all; the fields.
 * - Returns JSON: for each record a list of its values with `false` for none, or `false` for one that is no hash. If none of the
 *   values is there, the names of its fields may follow, `{}` for none: not where these are many. Behind these, or `false`, follows
 *   what its copy has otherwise: names and values by turns, `false` for a value that it has not, `{}` for nothing, and `false` where
 *   that cannot be told; left out for what would be too much at once. Bytes from 0x80 on stand for themselves.
 */
export const READ_FIELDS: Script = script(`${READ}
local with_names, told = table.remove(ARGV, 1) == '1', table.remove(ARGV, 1)
local copies, names = told ~= '' and cjson.decode(told) or {}, ARGV
${FIELDS.begin}${ADD_NAMES}${WITH_COPY}local rows = {}
for i = 1, #KEYS do
  local key, copy = KEYS[i], copies[i]
  local row = copy and with_copy(key, copy)
  if not row then
    ${FIELDS.read}
    local looked = copy and row == false
    row = not is_other(values) and values
    if with_names and row then add_names(key, row) end
    if looked and row then row[width + 1], row[width + 2] = row[width + 1] or false, false end
  end
  rows[i] = row
end
return cjson.encode(rows)
`);

/**
 * Reads many hashes whole.
 *
 * - KEYS: the records.
 * - ARGV: `1` for the digests of their dumps too.
 * - Returns JSON, for as many records as are not too much at once: for each when it ends as text, in Unix milliseconds with 0
 *   for never, its fields and values by turns, the SHA-1 of its dump or an empty string, and by turns the fields that end
 *   before it and when; `0` where there is none, `1` for one that is no hash, or too large a one.
 */
export const READ_HASHES: Script = script(`${READ}${ENDS_AT}${FIELD_ENDS}
local function fields_and_ends(key, fields)
  local names, ends = {}, {}
  for j = 1, #fields, 2 do names[#names + 1] = fields[j] end
  local told = field_ends(key, names)
  for j = 1, #told do
    if told[j] > 0 then
      ends[#ends + 1] = names[j]
      ends[#ends + 1] = string.format('%.0f', told[j])
    end
  end
  return ends
end
local function is_small(key, size)
  if type(size) == 'number' then return size <= ${MOST.bytesOfOne} end
  local length = pcall('HLEN', key) -- Who may not ask for the one may ask for the other.
  return type(length) == 'number' and length <= ${MOST.fieldsOfOne}
end
local rows, told, bytes = {}, 0, 0
for i = 1, #KEYS do
  local key = KEYS[i]
  local size = pcall('MEMORY', 'USAGE', key)
  local fields = size and is_small(key, size) and pcall('HGETALL', key)
  if not size then
    rows[i] = 0
  elseif not fields or is_other(fields) or #fields > ${2 * MOST.fieldsOfOne} then
    rows[i] = 1
  else
    told = told + #fields / 2
    for j = 1, #fields do bytes = bytes + #fields[j] end
    if i > 1 and (told > ${MOST.fields} or bytes > ${MOST.bytes}) then break end
    local ends = knows_field_ends and fields_and_ends(key, fields) or {} -- Before the dump: to look up fields may change that.
    local digest = ARGV[1] == '1' and redis.sha1hex(redis.call('DUMP', key)) or ''
    rows[i] = { ends_at(key), fields, digest, ends }
  end
end
return cjson.encode(rows)
`);

/**
 * Tells which of many records are there.
 *
 * - KEYS: the records.
 * - Returns JSON: for each `1` or `0`.
 */
export const READ_EXISTING: Script = script(`${READ}
local found = {}
for i = 1, #KEYS do
  local reply = pcall('EXISTS', KEYS[i])
  found[i] = type(reply) == 'number' and reply or is_other(reply) and 0
end
return cjson.encode(found)
`);

/**
 * Reads the names of the fields of many hashes.
 *
 * - KEYS: the records.
 * - Returns JSON: for each their names, `{}` for none, or `1` where these would be too much at once.
 */
export const READ_NAMES: Script = script(`${READ}
local rows, told = {}, 0
for i = 1, #KEYS do
  local length = pcall('HLEN', KEYS[i])
  if type(length) ~= 'number' then
    rows[i] = is_other(length) and {}
  elseif told + length > ${MOST.fields} then
    rows[i] = 1
  else
    rows[i] = redis.call('HKEYS', KEYS[i])
    told = told + length
  end
end
return cjson.encode(rows)
`);

/**
 * Tells when a record ends.
 *
 * - KEYS[1]: the record.
 * - Returns Unix milliseconds as text, `-1` for never, `-2` for no record.
 */
export const READ_END: Script = script(`${ENDS_AT}
if redis.call('EXISTS', KEYS[1]) == 0 then return '-2' end
local at = ends_at(KEYS[1])
return at == '0' and '-1' or at
`);

/**
 * Reads records whole, each at one moment.
 *
 * - KEYS: the records.
 * - ARGV: names of fields to tell, or none.
 * - Returns a list: JSON, then the dumps. The JSON has for each record `0` when there is none, else its TTL as Unix milliseconds in
 *   text, `0` for none; and of a hash the values of the fields, with `false` for one that is not there, and names as in
 *   {@linkcode READ_FIELDS}. What would be too much at once is left out at the end.
 */
export const READ_WHOLE: Script = script(`${UNPACK}${ENDS_AT}
local names = ARGV
${FIELDS.begin}${ADD_NAMES}
local rows, dumps, bytes = {}, { '' }, 0
for i = 1, #KEYS do
  local key, values = KEYS[i], nil
  -- Before the dump: while the table of a hash grows, that is another one whenever a field was looked up.
  if width > 0 then values = pcall('HMGET', key, unpack(names)) end
  local dump = redis.call('DUMP', key)
  local row = 0
  if dump then
    row = { ends_at(key) }
    if width > 0 and not values.err then
      add_names(key, values)
      for j = 1, #values do row[1 + j] = values[j] end
    end
    dumps[#dumps + 1] = dump
    bytes = bytes + #dump
  end
  rows[i] = row
  if bytes > ${512 * 1024} then break end
end
dumps[1] = cjson.encode(rows)
return dumps
`);

/** Records that one digest tells of: to make a string of many dumps takes a server longer than many digests. */
export const DIGESTED_AT_ONCE = 8;

/**
 * Tells by digests what {@linkcode READ_WHOLE} tells of records.
 *
 * - KEYS: the records.
 * - Returns for each few of them, one behind the other, the SHA-1 of when they end, with spaces between and a line feed behind, and of
 *   their dumps.
 */
export const DIGEST_WHOLE: Script = script(`${ENDS_AT}
local digests, ends, told = {}, {}, { '' }
for i = 1, #KEYS do
  ends[#ends + 1] = ends_at(KEYS[i])
  told[#told + 1] = redis.call('DUMP', KEYS[i]) or ''
  if #ends == ${DIGESTED_AT_ONCE} or i == #KEYS then
    told[1] = table.concat(ends, ' ') .. '\\n'
    digests[#digests + 1] = redis.sha1hex(table.concat(told))
    ends, told = {}, { '' }
  end
end
return table.concat(digests)
`);
