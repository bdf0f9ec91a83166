/**
 * Runs Deno in a copy of the product.
 *
 * @module
 */

/** @returns The exit status, null when it took too long; and what was printed. */
export async function runDeno(
  cwd: string,
  args: readonly string[],
  longestMs: number,
): Promise<{ code: number | null; text: string }> {
  const late = AbortSignal.timeout(longestMs);
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: late,
  }).spawn();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code: late.aborted ? null : code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}
