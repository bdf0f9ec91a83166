/**
 * Scripts that change records in place, and the bookkeeping.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import type { Listed } from "./listing.ts";
import { FENCE, FIELDS, ORDERS, type Script, script, SET_FIELDS } from "./script.ts";

/** What scripts are told of records, as JSON: a server takes that apart faster than arguments of its own. */
export interface Orders {
  /** Names of the fields that were read. */
  readonly fields: readonly Binary[];
  /** What records have in common, told once. */
  readonly shapes: readonly Shape[];
  /**
   * For each record which shape, from 1; the values that were read, `false` for none; the values to set; and of a list what it lists,
   * where that is to be looked at.
   */
  readonly values: readonly (Binary | false | number | Listed)[];
  /** The field that tells a deletion; empty for none. */
  readonly deletedAt: Binary;
}

/** What most records of a batch have in common. */
export interface Shape {
  /** The type of an original. Of one that is no hash nothing is looked at but that. */
  readonly type: string;
  /** How many of the fields that were read were there. */
  readonly there: number;
  /** The fields to set. */
  readonly set: readonly Binary[];
  /** Of a list it is told what it lists. */
  readonly lists: boolean;
  /** How much is told of a record behind the values that were read. */
  readonly size: number;
}

/**
 * Changes fields of hashes that exist while those that were read are as they were. Their ends are kept.
 *
 * - KEYS: the fence key if any, then the records.
 * - ARGV: the fence; {@linkcode Orders}.
 * - Returns a character for each record: `1` for done, `0` for changed meanwhile, `-` for gone.
 */
export const WRITE_FIELDS: Script = script(`${FENCE}${ORDERS.begin}${FIELDS.begin}${SET_FIELDS}
local results = {}
for i = k + 1, #KEYS do
  ${ORDERS.next}
  local key, same, is_there = KEYS[i], nil, nil
  ${FIELDS.read}${FIELDS.compare}
  if same and is_there then set_fields(key) end
  results[i - k] = not is_there and '-' or same and '1' or '0'
end
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
