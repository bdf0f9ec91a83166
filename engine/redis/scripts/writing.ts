/**
 * Scripts that change records in place, and the bookkeeping.
 *
 * @module
 */

import { FENCE, FIELDS, type Script, script, SET_SHAPE } from "./script.ts";

/** What {@linkcode WRITE_FIELDS} is told, as JSON: a server takes that apart faster than arguments of its own. */
export interface FieldWrites {
  /** Names of the fields that were read. */
  readonly fields: readonly string[];
  /** The sets of fields to set, each named once. */
  readonly shapes: readonly (readonly string[])[];
  /** For each record the values that were read, `false` for none; which shape, from 1; and the values to set. */
  readonly values: readonly (string | false | number)[];
}

/**
 * Sets `change`, which changes fields of the next hash that {@linkcode FieldWrites} tell of, if it exists and the fields that were
 * read are as they were. Their ends are kept. It returns `1` for done, `0` for changed meanwhile, `-` for gone.
 */
export const CHANGE = `
local writes = cjson.decode(ARGV[a + 1])
local names, shapes, told, at = writes.fields, writes.shapes, writes.values, 0
${FIELDS.begin}
${SET_SHAPE}local function change(key)
  local shape, result = shapes[told[at + width + 1]], '1'
  if #shape > 0 then
    ${FIELDS.read}${FIELDS.compare}
    if not any and redis.call('EXISTS', key) == 0 then
      result = '-'
    elseif same then
      set_shape(key, shape, told, at + width + 1)
    else
      result = '0'
    end
  end
  at = at + width + 1 + #shape
  return result
end
`;

/**
 * Changes fields of many hashes.
 *
 * - KEYS: the fence key if any, then the records.
 * - ARGV: the fence; {@linkcode FieldWrites}.
 * - Returns for each record what {@linkcode CHANGE} does.
 */
export const WRITE_FIELDS: Script = script(`${FENCE}${CHANGE}
local results = {}
for i = k + 1, #KEYS do results[i - k] = change(KEYS[i]) end
return table.concat(results)
`);

/**
 * Writes bookkeeping.
 *
 * - KEYS: the fence key if any, then the hash.
 * - ARGV: the fence; `new` to write only where nothing is, `begin` and `replace` for whatever is there; the processes that it is
 *   meant for, or an empty string for any; for `begin` when the first run began, or an empty string for now; then fields and
 *   values, which become the whole hash. `first_began_at`, which only `begin` sets, is kept, and by the others `done_since`. Times are the
 *   server's, in Unix milliseconds.
 * - Returns `1` when written, for `begin` the time that is kept, and now; `0` when something is there; `P` when another process
 *   took over, which may lack what the record tells of. A client sends again what was not answered, to whoever answers then.
 */
export const RECORD: Script = script(`${FENCE}
local key, mode, meant = KEYS[k + 1], ARGV[a + 1], ARGV[a + 2]
local function told(section, name)
  local info = redis.pcall('INFO', section)
  return type(info) == 'string' and string.match(info, name .. ':(%w+)')
end
if meant ~= '' then
  local run, history = told('server', 'run_id'), told('replication', 'master_replid')
  if run and not string.find(meant, run .. ' ' .. (history or ''), 1, true) then return 'P' end
end
if mode == 'new' and redis.call('EXISTS', key) == 1 then return '0' end
local kept = redis.pcall('HMGET', key, 'first_began_at', 'done_since')
if kept.err then kept = {} end
local answer = '1'
a = a + 3
if mode == 'begin' then
  local time = redis.call('TIME')
  local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  kept[1] = kept[1] or (ARGV[a] ~= '' and ARGV[a]) or now
  answer = kept[1] .. ' ' .. now
  a = a + 1
end
redis.call('DEL', key)
if kept[2] and mode ~= 'begin' then redis.call('HSET', key, 'done_since', kept[2]) end
redis.call('HSET', key, unpack(ARGV, a))
if kept[1] then redis.call('HSET', key, 'first_began_at', kept[1]) end
return answer
`);
