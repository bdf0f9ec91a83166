/**
 * What keeps lists from naming what was deleted.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { FENCE, type Script, script } from "./script.ts";

/** The records that have to do with a list: its owner, and by the names of its fields what it lists. */
export type Listed = readonly [owner: Binary, records: Readonly<Record<Binary, Binary>>];

/**
 * `is_deleted` tells of a record whether its field for that says when it was deleted, by the rule of `parseTimestamp()`: what no time
 * stands in is deleted for nobody. Two rules would leave a list without what the one finds deleted, and the other alive.
 */
export const IS_DELETED = `
local function days_of(year, month)
  if month ~= 2 then return (month == 4 or month == 6 or month == 9 or month == 11) and 30 or 31 end
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0) and 29 or 28
end
local function is_zone(zone)
  local hour, minute = string.match(zone, '^[+-](%d%d):(%d%d)$')
  return zone == 'Z' or zone == 'z' or hour ~= nil and tonumber(hour) < 24 and tonumber(minute) < 60
end
local function is_time(text)
  local number = string.match(text, '^[+-]?(%d+)$')
  if number then return #number <= 19 and tonumber(number) <= 8.64e15 end
  local date, clock, rest = string.match(text, '^(%d%d%d%d%-%d%d%-%d%d)[Tt](%d%d:%d%d:%d%d)(.*)$')
  if not date then return false end
  local year, month, day = tonumber(string.sub(date, 1, 4)), tonumber(string.sub(date, 6, 7)), tonumber(string.sub(date, 9))
  if month < 1 or month > 12 or day < 1 or day > days_of(year, month) then return false end
  if string.sub(clock, 1, 2) > '23' or string.sub(clock, 4, 5) > '59' or string.sub(clock, 7) > '59' then return false end
  local fraction, zone = string.match(rest, '^%.(%d+)(.*)$')
  return (fraction == nil or #fraction <= 9) and is_zone(zone or rest)
end
local pcall = redis.pcall
local function is_deleted(key, field)
  local told = pcall('HGET', key, field)
  if not told then return false end -- As of most of them.
  return type(told) == 'string' and is_time(told)
end
`;

/** What looking at a record that a list names counts for. */
const BYTES_OF_LISTED = 256;

/**
 * Sets `dead_of`, which tells the fields of a list whose records were deleted, or nothing and `0` for a list that has other fields than
 * is told, `d` for one of which nothing would be left.
 */
export const DEAD_OF = `${IS_DELETED}
local function dead_of(key, list, deleted_at)
  local dead, names, records = {}, redis.call('HKEYS', key), list[2]
  bytes = bytes + ${BYTES_OF_LISTED} * #names
  for j = 1, #names do
    local record = records[names[j]]
    if not record then return nil, '0' end
    if is_deleted(record, deleted_at) then dead[#dead + 1] = names[j] end
  end
  if #dead == #names or is_deleted(list[1], deleted_at) then return nil, 'd' end
  return dead
end
`;

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
