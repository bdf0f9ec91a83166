/**
 * Gives away what the command does not need, before anything of a dependency runs. What a module of somebody else's has been
 * made to do then ends at the runtime: it starts no program, and writes no file.
 *
 * @module
 */

/** Words of the command line that need a right: what starts the server, and what names a file to write. */
const NEEDED: Readonly<Record<"run" | "write", (word: string) => boolean>> = {
  run: (word) => word === "serve",
  write: (word) => word === "new" || /^--(out|html)(=|$)/.test(word),
};

/**
 * Drops the rights to run programs and to write files, each unless the arguments ask for it, and that to load libraries. Once for
 * all: nothing gets them back.
 *
 * @returns The names of what was dropped.
 */
export function dropPermissions(args: readonly string[]): readonly string[] {
  const end = args.indexOf("--");
  const words = args.slice(0, end < 0 ? undefined : end);
  const dropped = ([...Object.keys(NEEDED), "ffi"] as const).filter((name) =>
    !words.some((word) => NEEDED[name as keyof typeof NEEDED]?.(word) ?? false)
  );
  for (const name of dropped) Deno.permissions.revokeSync({ name: name as "run" | "write" | "ffi" });
  return dropped;
}
