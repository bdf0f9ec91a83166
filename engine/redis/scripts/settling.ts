/**
 * Scripts that write the form of a record that a person has chosen over the other one.
 *
 * @module
 */

import { DIGEST_OF, ENDS_AT, FENCE, MOST_FIELDS, type Script, script, UNPACK } from "./script.ts";

/** `proof_of` tells what a record is, and when it ends. */
const PROOF_OF = `${ENDS_AT}${DIGEST_OF}
local function proof_of(key)
  local length = redis.pcall('HLEN', key)
  if type(length) == 'number' and length > ${MOST_FIELDS} then
    -- Told by its dump: while its table grows, each look at a field moves a part of that, until all of it is where it stays.
    local names = redis.call('HKEYS', key)
    for j = 1, #names, ${MOST_FIELDS} do
      redis.call('HMGET', key, unpack(names, j, math.min(j + ${MOST_FIELDS - 1}, #names)))
    end
  end
  return digest_of(key) .. ' ' .. ends_at(key)
end
`;

/**
 * Tells what a record is.
 *
 * - KEYS[1]: the record.
 * - ARGV: `1` where a watch can tell of a hash of many fields: its dump would stop a server for long.
 * - Returns text that {@linkcode SETTLE} compares, and `*` for what a watch is to tell.
 */
export const READ_PROOF: Script = script(`${UNPACK}${PROOF_OF}
local length = ARGV[1] == '1' and redis.pcall('HLEN', KEYS[1])
if type(length) == 'number' and length > ${MOST_FIELDS} then return '*' end
return proof_of(KEYS[1])
`);

/**
 * Writes one form of a record over the other, or deletes it, only while both are what was shown. The fields' own ends stay.
 *
 * - KEYS: the fence key if any, then the record to write over, then the one that holds, unless that is on another node.
 * - ARGV: the fence; what {@linkcode READ_PROOF} said of the two, or `*` where a watch tells; of one that is on another node the dump, or
 *   an empty string to delete, and when it ends in Unix milliseconds with 0 for never; then fields to set in it and their values, by turns.
 * - Returns `1` when done, `0` when one of the two is another by now.
 */
export const SETTLE: Script = script(`${FENCE}${PROOF_OF}
local over, holds = KEYS[k + 1], KEYS[k + 2]
local function as_shown(key, proof)
  return not key or proof == '*' or proof_of(key) == proof
end
if not as_shown(over, ARGV[a + 1]) or not as_shown(holds, ARGV[a + 2]) then return '0' end
if not holds and ARGV[a + 3] ~= '' then
  redis.call('RESTORE', over, ARGV[a + 4], ARGV[a + 3], 'REPLACE', 'ABSTTL')
elseif not holds or redis.call('COPY', holds, over, 'REPLACE') == 0 then
  redis.call('UNLINK', over)
end
for i = a + 5, #ARGV, 2 do
  local ends = field_ends(over, { ARGV[i] })
  redis.call('HSET', over, ARGV[i], ARGV[i + 1])
  keep_ends(over, { ARGV[i] }, ends)
end
return '1'
`);
