/**
 * Scripts that take, prolong and give back one name of the lock. Each compares the token, and does no harm when it comes late or twice.
 *
 * @module
 */

import { THOUGH_FULL } from "../scripts/script.ts";

/**
 * Takes one name. KEYS: 1 name. ARGV: 1 how our values begin, 2 value, 3 lease in ms.
 * Returns {1} when it is ours, else {0, value found, its time left in ms}. Taking twice is harmless.
 */
export const TAKE = `${THOUGH_FULL}
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then return {1} end
local found = redis.call('GET', KEYS[1])
if string.sub(found, 1, #ARGV[1]) ~= ARGV[1] then return {0, found, redis.call('PTTL', KEYS[1])} end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {1}`;

/** Prolongs one name. KEYS: 1 name. ARGV: 1 how our values begin, 2 value, 3 lease in ms. Returns 1, or 0 when it is not ours. */
export const PROLONG = `${THOUGH_FULL}
local found = redis.call('GET', KEYS[1])
if not found or string.sub(found, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`;

/** Gives one name back. KEYS: 1 name. ARGV: 1 how our values begin. Returns how many keys were deleted. */
export const RELEASE = `
local found = redis.call('GET', KEYS[1])
if not found or string.sub(found, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;
