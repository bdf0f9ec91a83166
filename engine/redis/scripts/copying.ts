/**
 * The script that copies records to other names on the same server.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { DEAD_OF, type Listed } from "./listing.ts";
import { FENCE, FIELDS, type Script, script, SET_SHAPE } from "./script.ts";
import type { FieldWrites } from "./writing.ts";

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

/** What scripts are told of pairs, as JSON: what was read of the originals, and what is to be set in the copies of hashes. */
export interface Orders extends FieldWrites {
  /** For each original its type. Of one that is no hash nothing is looked at but that. */
  readonly types: readonly string[];
  /** For each original that lists others whom it belongs to and, by the names of its fields, what they stand for; else `false`. */
  readonly lists: readonly (Listed | false)[];
  /** The field that tells a deletion; empty for none. */
  readonly deletedAt: Binary;
}

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
