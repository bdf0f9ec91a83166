/**
 * Scripts that take, prolong and give back one name of the lock. Each compares the token, and does no harm when it comes late or twice.
 *
 * @module
 */

import { THOUGH_FULL } from "../scripts/script.ts";

/** Sets `join`: what another run of this tool holds of a name that runs hold together lives at least as long as our lease. */
const JOIN = `
local function join(found)
  if ARGV[4] == '' or string.sub(found, 1, #ARGV[4]) ~= ARGV[4] then return false end
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
  return true
end
`;

/**
 * Takes one name. KEYS: 1 name. ARGV: 1 how our values begin, 2 value, 3 lease in ms, 4 how values of all runs begin with which it is
 * held together, or an empty string. Returns {1} when it is ours, else {0, value found, its time left in ms}. Taking twice is harmless.
 */
export const TAKE = `${THOUGH_FULL}${JOIN}
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then return {1} end
local found = redis.call('GET', KEYS[1])
if string.sub(found, 1, #ARGV[1]) ~= ARGV[1] then
  if join(found) then return {1} end
  return {0, found, redis.call('PTTL', KEYS[1])}
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {1}`;

/** True for what {@linkcode TAKE} returns. */
export function isTaken(answer: unknown): answer is [mine: number, value: Uint8Array, ttlLeftMs: number] {
  if (!Array.isArray(answer)) return false;
  const [mine, value, ttlLeftMs] = answer;
  return mine === 1 || (mine === 0 && value instanceof Uint8Array && typeof ttlLeftMs === "number");
}

/**
 * Prolongs one name. KEYS: 1 name. ARGV: as for {@linkcode TAKE}. Returns 1, or 0 when it is not ours. One that is held together may be
 * gone with the run that had taken it: then it is taken.
 */
export const PROLONG = `${THOUGH_FULL}${JOIN}
local found = redis.call('GET', KEYS[1])
if not found and ARGV[4] == '' then return 0 end
if found and string.sub(found, 1, #ARGV[1]) ~= ARGV[1] then return join(found) and 1 or 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`;

/** Gives one name back. KEYS: 1 name. ARGV: 1 how our values begin. Returns how many keys were deleted. */
export const RELEASE = `
local found = redis.call('GET', KEYS[1])
if not found or string.sub(found, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;
