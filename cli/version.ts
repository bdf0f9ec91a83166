/**
 * The version of the program, from the one place where it stands.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };

/** Version of the program, for example `0.1.0`. */
export const VERSION: string = config.version;
