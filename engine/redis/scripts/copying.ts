/**
 * The script that copies records to other names on the same server.
 *
 * @module
 */

import { DEAD_OF } from "./listing.ts";
import { FENCE, FIELDS, ORDERS, type Script, script, SET_FIELDS } from "./script.ts";

/**
 * Copies records of any type to new names with their TTL, never over an existing one. Fields of the copy are set in the same step:
 * nobody sees it otherwise. Their ends are kept. Nor does a list name what was deleted.
 *
 * - KEYS: the fence key if any, then source and target by turns.
 * - ARGV: the fence; {@linkcode Orders}.
 * - Returns a character for each pair: `c` copied, `~` a record is there, `0` the source is not as expected, `-` it is gone, `d` it is
 *   a list of which nothing would be left. What would be too much at once is left out at the end.
 */
export const COPY: Script = script(`${FENCE}${ORDERS.begin}${FIELDS.begin}${SET_FIELDS}
local bytes, results, count = 0, {}, 0
${DEAD_OF}local function copy(source, target)
  local dead, why
  if shape.lists then dead, why = dead_of(source, told[next_at], orders.deletedAt) end
  if why then return why end
  if call('COPY', source, target) == 0 then return '~' end
  set_fields(target)
  if dead and #dead > 0 then call('HDEL', target, unpack(dead)) end
  return 'c'
end
for i = k + 1, #KEYS, 2 do
  ${ORDERS.next}
  local key, same, is_there = KEYS[i], nil, nil
  if shape.type == 'hash' then
    ${FIELDS.read}${FIELDS.compare}
  else
    local found = call('TYPE', key).ok
    same, is_there = found == shape.type, found ~= 'none'
  end
  count = count + 1
  results[count] = not is_there and '-' or not same and '0' or copy(key, KEYS[i + 1])
  if count % 4 == 1 then -- The size of one in four is asked.
    local size = pcall('MEMORY', 'USAGE', key)
    bytes = bytes + 4 * (type(size) == 'number' and size or 1024)
  end
  if bytes > ${512 * 1024} then break end
end
return table.concat(results)
`);
