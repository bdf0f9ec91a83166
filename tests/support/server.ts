/**
 * Starts a server program of this machine on a free port and stops it again: what the tests, the demo and the benchmark
 * share.
 *
 * @module
 */

import { dirname } from "@std/path";

/** A server that this process started. */
export interface Server extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Process id, for tests that pause or kill it. */
  readonly pid: number;
}

/** The program is not on this machine. */
export class MissingProgramError extends Error {
  constructor(readonly program: string, packageName: string) {
    super(`${program} is not installed: run "./dev test", or install the package ${packageName}`);
  }
}

/** Finds a program on PATH or in the given folders. */
export function findProgram(name: string, packageName: string, folders: readonly string[] = []): string {
  for (const folder of [...folders, ...(Deno.env.get("PATH") ?? "").split(":")]) {
    const path = `${folder}/${name}`;
    try {
      if (Deno.statSync(path).isFile) return path;
    } catch {
      continue;
    }
  }
  throw new MissingProgramError(name, packageName);
}

/**
 * Where ports for servers are, which are chosen some time before the server takes them. Systems give out those from 32768 on to whoever
 * connects; and 10,000 further is the bus of a Redis Cluster.
 */
const PORTS = { first: 10_240, count: 10_000 };

/** A port that was free a moment ago, and that only another one's chance would take. */
export function freePort(): number {
  while (true) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (isFree(port)) return port;
  }
}

/** True where nobody listens at a port of the loopback. */
export function isFree(port: number): boolean {
  try {
    using listener = Deno.listen({ hostname: "127.0.0.1", port });
    void listener;
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/** True for the super-user, whom PostgreSQL refuses to run as. */
export function isRoot(): boolean {
  return Deno.uid() === 0;
}

/** The path of a socket has room for some 107 bytes, its name included. */
const LONGEST_FOLDER = 80;

/**
 * Makes an empty folder for the files and sockets of a server: in the one that `OUTPOST_TESTS_FOLDER` names, which `./dev test` makes
 * in memory, else in this process' temporary one. Programs that refuse to run as the super-user run as another one: where that one
 * cannot reach the folder, or its path is too long for a socket, it is made in `/tmp`.
 */
export async function makeServerFolder(prefix: string): Promise<string> {
  const within = Deno.env.get("OUTPOST_TESTS_FOLDER");
  const folder = await Deno.makeTempDir({ prefix, ...(within === undefined ? {} : { dir: within }) });
  const isReached = !isRoot() || await isReachedByAll(dirname(folder));
  if (isReached && folder.length <= LONGEST_FOLDER) return folder;
  await Deno.remove(folder);
  return await Deno.makeTempDir({ prefix, dir: "/tmp" });
}

/** True when every user may pass through a folder and all above it. */
async function isReachedByAll(folder: string): Promise<boolean> {
  const { mode } = await Deno.stat(folder);
  if (((mode ?? 0) & 0o001) === 0) return false;
  return folder === dirname(folder) || await isReachedByAll(dirname(folder));
}

/**
 * Spawns a program that dies with this one, whatever becomes of it.
 *
 * @param user Run as this user, where this process may choose.
 */
export function spawnServer(
  program: string,
  args: readonly string[],
  options: { readonly user?: string; readonly cwd?: string; readonly env?: Record<string, string> } = {},
): Deno.ChildProcess {
  const as = options.user !== undefined && isRoot()
    ? [`--reuid=${options.user}`, `--regid=${options.user}`, "--init-groups"]
    : [];
  const wrapped = Deno.build.os === "linux";
  return new Deno.Command(wrapped ? "setpriv" : program, {
    args: wrapped ? [...as, "--pdeathsig=KILL", program, ...args] : [...args],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
  }).spawn();
}

/**
 * Tries until it succeeds: the only waiting that tests do.
 *
 * @param timeoutMs Only ends what would never end: no machine is so busy that it takes this long.
 * @throws The last error, after that time.
 */
export async function eventually<T>(attempt: () => Promise<T> | T, timeoutMs = 120_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  while (true) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/**
 * Tries until a server that was spawned answers.
 *
 * @throws When it has ended instead.
 */
export async function untilUp<T>(server: Deno.ChildProcess, attempt: () => Promise<T>): Promise<T> {
  let ended: Deno.CommandStatus | null = null;
  server.status.then((status) => ended = status);
  const answered = () => attempt().then((answer) => () => answer);
  const result = await eventually(() =>
    answered().catch((error) => {
      if (ended === null) throw error;
      return (): never => {
        throw new Error(`A server ended with status ${ended?.code} at its start`, { cause: error });
      };
    })
  );
  return result();
}

/**
 * Lets work go on that is awaited further down. Where a test fails before it comes there, what becomes of the work is nobody's
 * concern: as an uncaught error it would end the whole file, and hide what was wrong.
 */
export function meanwhile<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  return work;
}

/** Ends a process and waits until it is gone. */
export async function stop(process: Deno.ChildProcess, signal: Deno.Signal = "SIGKILL"): Promise<void> {
  try {
    process.kill(signal);
  } catch {
    // It has ended already.
  }
  await process.status;
}
