/**
 * Real PostgreSQL servers for tests, and a fresh database for each of them.
 *
 * @module
 */

import postgres from "postgres";
import { dirname, fromFileUrl } from "@std/path";
import {
  eventually,
  findProgram,
  freePort,
  isRoot,
  makeServerFolder,
  type Server,
  spawnServer,
  stop,
  untilUp,
} from "./server.ts";

/** A PostgreSQL of this test's own. */
export interface PostgresServer extends Server {
  /** Creates an empty database. @returns Its URL, for the super-user. */
  createDatabase(name?: string): Promise<string>;
  /** Copies a database; nobody may be connected to it but this server's own clients, whose connections are cut. */
  copyDatabase(from: string, to: string): Promise<string>;
  /** Deletes a database, and ends whoever is connected to it. */
  dropDatabase(url: string): Promise<void>;
  /** A new client for a URL, closed with the server. */
  client(url: string, options?: postgres.Options<Record<string, never>>): postgres.Sql;
}

/**
 * Where programs of PostgreSQL are on this machine, the newest first. The variable `OUTPOST_TESTS_POSTGRES` names a folder that
 * holds those of another one, `initdb` and `postgres` at least.
 */
export function postgresFolders(): string[] {
  const chosen = Deno.env.get("OUTPOST_TESTS_POSTGRES");
  try {
    if (chosen !== undefined) return [chosen];
    return [...Deno.readDirSync("/usr/lib/postgresql")]
      .map(({ name }) => name).sort((a, b) => Number(b) - Number(a)).map((name) =>
        `/usr/lib/postgresql/${name}/bin`
      );
  } catch {
    return [];
  }
}

/**
 * Starts PostgreSQL on a free port, in memory's speed: without fsync.
 *
 * @param settings Server settings, for example `{ max_connections: "200" }`.
 * @param primary Makes it a standby of this server, which follows it.
 */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
  primary?: Server,
): Promise<PostgresServer> {
  const user = isRoot() ? "postgres" : undefined;
  const directory = await makeServerFolder("outpost-postgres-");
  await (primary === undefined ? fillDataFolder(directory, user) : copyPrimary(directory, user, primary));
  if (user !== undefined) await run(["chown", user, directory]);
  await Deno.chmod(directory, 0o700);
  // Not before all else is done: nobody keeps it until the server has it.
  const port = Number(settings.port ?? freePort());
  const all = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: directory,
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    max_connections: "150",
    shared_buffers: "64MB",
    ...settings,
  };
  const process = spawnServer(
    findProgram("postgres", "postgresql", postgresFolders()),
    ["-D", directory, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    user === undefined ? { cwd: directory } : { user, cwd: directory },
  );
  const clients: postgres.Sql[] = [];
  const url = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`;
  // Asks again at once: by itself it would wait longer after each refusal, up to 20 seconds, and a busy machine refuses for long.
  const admin = postgres(url("postgres"), { max: 1, onnotice: () => {}, backoff: () => 0.02 });
  const [version] = await untilUp(
    process,
    () => admin`select current_setting('server_version_num')::int as number`,
  );
  // From 15 on a server writes a new database to its log, row by row, unless told to copy the files as before: that is twice as fast.
  const quickly = version!.number >= 150_000 ? "strategy file_copy" : "";
  let databases = 0;
  return {
    host: "127.0.0.1",
    port,
    pid: process.pid,
    async createDatabase(name = `test_${++databases}`) {
      await admin.unsafe(`create database "${name}" ${quickly}`);
      return url(name);
    },
    async copyDatabase(from, to) {
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${from}`;
      await eventually(() => admin.unsafe(`create database "${to}" template "${from}" ${quickly}`));
      return url(to);
    },
    async dropDatabase(at) {
      await admin.unsafe(`drop database "${new URL(at).pathname.slice(1)}" with (force)`);
    },
    client(at, options = {}) {
      const client = postgres(at, { onnotice: () => {}, ...options });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...clients, admin].map((client) => client.end({ timeout: 1 })));
      await stop(process, "SIGQUIT");
      await Deno.remove(directory, { recursive: true }).catch(() => {});
    },
  };
}

/** A pooler of this test's own in front of a server. */
export interface PgBouncer extends Server {
  /** The URL of a database of the server, through the pooler. */
  url(database: string): string;
}

/** True where the pooler is installed. */
export function hasPgBouncer(): boolean {
  try {
    findPgBouncer();
    return true;
  } catch {
    return false;
  }
}

const findPgBouncer = () => findProgram("pgbouncer", "pgbouncer", ["/usr/sbin", "/usr/bin"]);

/** Starts PgBouncer on a free port in front of a server. */
export async function startPgBouncer(
  server: Server,
  poolMode: "session" | "transaction",
): Promise<PgBouncer> {
  const port = freePort();
  const directory = await makeServerFolder("outpost-pgbouncer-");
  await Deno.chmod(directory, 0o755);
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "any",
    pool_mode: poolMode,
    default_pool_size: 10,
    ignore_startup_parameters: "extra_float_digits",
  };
  await Deno.writeTextFile(
    `${directory}/pgbouncer.ini`,
    `[databases]\n* = host=${server.host} port=${server.port} user=postgres\n[pgbouncer]\n` +
      Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`).join(""),
  );
  const process = spawnServer(findPgBouncer(), ["-q", `${directory}/pgbouncer.ini`], {
    ...(isRoot() ? { user: "postgres" } : {}),
    cwd: directory,
  });
  await untilUp(process, async () => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    void connection;
  });
  return {
    host: "127.0.0.1",
    port,
    pid: process.pid,
    url: (database) => `postgres://postgres@127.0.0.1:${port}/${database}`,
    async [Symbol.asyncDispose]() {
      await stop(process);
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/**
 * Fills a folder with a new data directory: a copy of one that `initdb` made once, which is several times as fast. It lies in the
 * checkout and is of this user's making: what anybody left in a shared folder is no server of ours.
 */
async function fillDataFolder(directory: string, user: string | undefined): Promise<void> {
  const program = findProgram("initdb", "postgresql", postgresFolders());
  const name = `initdb-small${program.replaceAll("/", "-")}-${Deno.uid()}`;
  const template = fromFileUrl(new URL(`../../.cache/${name}`, import.meta.url));
  if (await exists(`${template}/PG_VERSION`)) {
    await run(["cp", "-a", `${template}/.`, directory]);
    // A checkout that was copied has a template that belongs to who copied it.
    if (user !== undefined) await run(["chown", "--recursive", user, directory]);
    return;
  }
  if (user !== undefined) await run(["chown", user, directory]);
  const as = runningAs(user);
  const settings = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
  // A log of small files: an empty server is copied once more for each test, and its first file takes up nearly half of it.
  settings.push("--wal-segsize=1");
  await run([...as, program, "-D", directory, ...settings]);
  // Beside the name and then under it, so that parallel tests never copy a half-made one.
  const making = `${template}.${crypto.randomUUID()}`;
  try {
    await Deno.mkdir(dirname(template), { recursive: true });
    await run(["cp", "-a", directory, making]);
    await Deno.rename(making, template);
  } catch {
    // Another test was first, or the checkout is somebody else's: then each server makes its own.
    await Deno.remove(making, { recursive: true }).catch(() => {});
  }
}

/** Fills a folder with what a standby begins with. */
async function copyPrimary(
  directory: string,
  user: string | undefined,
  { host, port }: Server,
): Promise<void> {
  const program = findProgram("pg_basebackup", "postgresql", postgresFolders());
  if (user !== undefined) await run(["chown", user, directory]);
  const from = ["-h", host, "-p", String(port), "-U", "postgres", "--checkpoint=fast", "--no-sync"];
  await run([
    ...runningAs(user),
    program,
    ...from,
    "-D",
    directory,
    "--wal-method=stream",
    "--write-recovery-conf",
  ]);
}

function runningAs(user: string | undefined): string[] {
  return user === undefined ? [] : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups"];
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Runs a program to its end, in no folder and time zone of the caller's: `initdb` writes the zone into its template. */
async function run([program, ...args]: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    cwd: "/",
    env: { TZ: "UTC" },
  }).output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
}
