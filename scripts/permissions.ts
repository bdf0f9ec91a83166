/**
 * What the program is allowed to do, wherever it is shipped: the binary has these permissions built in, and the same flags run
 * it from a URL. docs/install.md says why each is needed; a test compares the two.
 *
 * @module
 */

/** The flags of `deno run` and `deno compile`. Nothing else is granted, above all no `--allow-all`, `--allow-ffi` or prompt. */
export const PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-run",
  "--allow-sys=hostname,uid",
  "--no-prompt",
];
