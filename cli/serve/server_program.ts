/**
 * Finds the server and runs it in this program's place.
 *
 * @module
 */

import { ServerProgramError } from "../errors.ts";
import type { Host } from "../host.ts";
import { systemReason } from "../system_reason.ts";

const SERVER = "outpost-server";

/**
 * The command line of the server: what was given, or `outpost-server` beside this program or on PATH.
 *
 * @throws {ServerProgramError} When there is none.
 */
export async function findServer(
  command: readonly string[],
  { env, programFolder }: Pick<Host, "env" | "programFolder">,
): Promise<readonly string[]> {
  if (command.length > 0) return command;
  const name = Deno.build.os === "windows" ? `${SERVER}.exe` : SERVER;
  const separator = Deno.build.os === "windows" ? ";" : ":";
  const folders = [...(programFolder === null ? [] : [programFolder]), ...(env.PATH ?? "").split(separator)];
  for (const folder of folders) {
    if (folder !== "" && await isProgram(`${folder}/${name}`)) return [`${folder}/${name}`];
  }
  throw new ServerProgramError(`Cannot find ${SERVER}, neither beside this program nor on PATH`, {
    hint: "Install it, or name the server's command: outpost serve -- COMMAND ARG...",
  });
}

async function isProgram(path: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && (mode === null || (mode & 0o111) !== 0);
  } catch {
    return false;
  }
}

/**
 * Runs the server with the streams and the environment of this program and passes signals on.
 *
 * @param settings What is in its environment beside that.
 * @returns Its exit status; 128 plus the signal's number when a signal ended it.
 * @throws {ServerProgramError} When it cannot be started.
 */
export async function runServer(
  [program, ...args]: readonly string[],
  host: Pick<Host, "takeSignals" | "stdinTerminal" | "signal">,
  settings: Readonly<Record<string, string>>,
): Promise<number> {
  let child: Deno.ChildProcess | null = null;
  // Taken before the server is there: one that came in between would end this program and leave the server alone.
  using _signals = host.takeSignals((signal) => {
    // A key pressed on the terminal reaches the server without help; a second one would count as impatience.
    if (host.stdinTerminal && (signal === "SIGINT" || signal === "SIGQUIT" || signal === "SIGWINCH")) return;
    try {
      child?.kill(signal);
    } catch {
      // It has ended already, and its status is on the way.
    }
  });
  host.signal.throwIfAborted();
  child = start(program!, args, settings);
  const { code } = await child.status;
  return code;
}

function start(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      env,
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    })
      .spawn();
  } catch (error) {
    const reason = systemReason(error, {
      NotFound: "there is no such program",
      PermissionDenied: "it may not be executed",
    });
    throw new ServerProgramError(`Cannot start "${program}": ${reason}`, {
      cause: error,
      hint: "Check the command after --",
    });
  }
}
