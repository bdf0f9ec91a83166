/**
 * Tells apart why Redis did not answer as asked: it cannot be reached, it refuses, or it found fault with a command.
 *
 * @module
 */

import type { EventEmitter } from "node:events";
import { MigrationError, RefusedError, StoreDeniedError, StoreUnreachableError } from "../errors.ts";
import { type Hint, hint } from "../hint.ts";
import { NoBytesError } from "./binary.ts";
import type { Ioredis } from "./client.ts";
import { failLeftBehind } from "./left_behind.ts";

const DENIED = new Set(["NOAUTH", "WRONGPASS", "NOPERM"]);
const UNAVAILABLE = new Set(["LOADING", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "TRYAGAIN", "BUSY"]);

/** Who may do what it needs is another command's business. */
export const GRANTS_HINT: Hint = {
  ...hint`Give the Redis user the rights that ${"grants"} shows`,
  forCallers: "Give the Redis user the rights that it lacks",
};

const ADDRESS_HINT = "Check the Redis host, port and TLS settings, and that it is running";

/** For a reply that no Redis gives. @param asked What it was to answer, where that is known. */
export function senselessAnswer(asked?: string): StoreUnreachableError {
  const to = asked === undefined ? "" : ` to ${asked}`;
  return new StoreUnreachableError("redis", `Cannot use this Redis: what it answers${to} makes no sense`, {
    hint: ADDRESS_HINT,
  });
}

/** Slots that an error names. */
const NAMED_SLOTS = 5;

/** Slots were left half moved: records in them may be missed by any walk. */
export class OpenSlotsError extends RefusedError {
  constructor(slots: readonly number[]) {
    const named = slots.slice(0, NAMED_SLOTS).join(", ");
    const rest = slots.length > NAMED_SLOTS ? ` and ${slots.length - NAMED_SLOTS} more` : "";
    const which = slots.length === 1 ? `slot ${named} is` : `slots ${named}${rest} are`;
    super(
      `Cannot be sure of all records: ${which} half moved to another master, and nothing moves any more`,
      {
        hint:
          "End the move (redis-cli --cluster fix HOST:PORT), then run the same command again: what is done stays done",
      },
    );
  }
}

/** The word that a Redis error begins with, such as `MOVED` or `WRONGTYPE`; null for anything but a Redis error. */
export function replyCode(error: unknown): string | null {
  if (!(error instanceof Error) || !isReply(error)) return null;
  return /^[A-Z]+/.exec(error.message)?.[0] ?? null;
}

/** What servers say that do not have a command, and those that are let out and have it for nobody. */
const UNKNOWN =
  /^ERR (?!.*user_script)(unknown (sub)?command|.*\bcommand\b.*\b(disallowed|not (available|allowed|support)))/i;

/** The server does not have a command for anybody. What a script could not do is no such thing. */
export function isUnknown(error: unknown): boolean {
  return replyCode(error) === "ERR" && UNKNOWN.test((error as Error).message);
}

/** The server does not know a command, or does not let this user run it. One that cannot answer now, such as a busy one, is another matter. */
export function isUnavailable(error: unknown): boolean {
  return replyCode(error) === "NOPERM" || isUnknown(error);
}

/** A command had an argument that was longer than the server takes (`proto-max-bulk-len`). */
export function isTooLong(error: unknown): boolean {
  return replyCode(error) === "ERR" && /invalid bulk length/.test((error as Error).message);
}

function isReply(error: Error): boolean {
  return error.name === "ReplyError" || error.name === "ErrorReply" || error.name === "SimpleError" ||
    error.name === "BlobError";
}

/**
 * Turns what a client threw into an error that names the failure, without any credential.
 *
 * @param action What was tried, as in "Cannot read the state".
 * @param last What the connection failed with last: a closed connection alone does not tell why.
 * @returns The given error when it is one of the engine's, or a fault of the command itself.
 */
export function toStoreError(error: unknown, action: string, last: Error | null = null): unknown {
  if (error instanceof MigrationError || !(error instanceof Error)) return error;
  if (error instanceof NoBytesError) return senselessAnswer();
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) {
    return error;
  }
  const told = innermost(error);
  const inner = last !== null && replyCode(told) === null && !("code" in told) ? innermost(last) : told;
  const code = isDeniedWithin(inner) ? "NOPERM" : isAsunder(inner) ? "TRYAGAIN" : replyCode(inner);
  if (code !== null && DENIED.has(code)) {
    const refused = code === "NOPERM" ? refusedCommand(inner) : null;
    return new StoreDeniedError(
      "redis",
      `${action}: Redis refuses ${refused === null ? "" : `${refused} `}(${code})`,
      {
        cause: error,
        hint: code === "NOPERM" ? GRANTS_HINT : "Check the Redis user name and password",
      },
    );
  }
  const whole = inner === told ? error : last!;
  const isNode = code === "MOVED" || code === "CROSSSLOT"; // Of a cluster, though it was taken for a server of its own.
  if (isNode || (code === "ERR" && "lastNodeError" in whole)) {
    return new StoreUnreachableError(
      "redis",
      `${action}: Redis is ${isNode ? "a" : "no"} cluster`,
      {
        cause: error,
        hint: isNode ? "Turn cluster mode on for this Redis" : "Turn cluster mode off for this Redis",
      },
    );
  }
  if (isSelect(inner)) {
    return new StoreUnreachableError("redis", `${action}: Redis does not have this database`, {
      cause: error,
      hint: "Check the Redis database number",
    });
  }
  if (code !== null && inner === told && !UNAVAILABLE.has(code)) return error;
  const reason = code ?? (inner as { code?: unknown }).code ?? "the connection is closed";
  return new StoreUnreachableError("redis", `${action}: Redis cannot be reached (${reason})`, {
    cause: error,
    hint: code === "READONLY"
      ? "Point the configuration at the master, this is a replica"
      : code === "TRYAGAIN"
      ? "Run the same command again when the resharding is over: what is done stays done"
      : ADDRESS_HINT,
  });
}

/**
 * The same for where nothing can be made of a fault that the server finds, such as a full memory: it is told as what it is.
 */
export function toToldError(error: unknown, action: string, last: Error | null = null): unknown {
  const known = toStoreError(error, action, last);
  const code = replyCode(known);
  if (code === null) return known;
  return new StoreUnreachableError("redis", `${action}: Redis answered ${code}`, {
    cause: known,
    hint: code === "OOM"
      ? "Give Redis more memory (maxmemory), then run the same command again: what is done stays done"
      : "See what Redis says in its own log, then run the same command again: what is done stays done",
  });
}

/** One watch a client: more would leave a listener behind with every look. */
const watched = new WeakMap<Ioredis, () => Error | null>();

/**
 * Remembers what a client's connections failed with. Also keeps the client from printing it, and from leaving commands without an
 * answer.
 *
 * @returns The last failure since the connection was well, or null.
 */
export function watchFailures(client: Ioredis): () => Error | null {
  const known = watched.get(client) ?? beginWatch(client);
  watched.set(client, known);
  return known;
}

function beginWatch(client: Ioredis): () => Error | null {
  const events = client as unknown as EventEmitter; // Older compilers miss the inherited methods.
  failLeftBehind(client);
  tellReadyCheck(client);
  let last: Error | null = null;
  events.on("error", (error: Error) => last = error);
  events.on("node error", (error: Error) => last = error);
  events.on("ready", () => last = null);
  return () => last;
}

/** A cluster client asks whether all is well before it sends anything, and keeps to itself that it may not, and tries again. */
function tellReadyCheck(client: Ioredis): void {
  type Done = (error?: Error | null, state?: string) => void;
  const asking = client as unknown as EventEmitter & { readyCheck?(done: Done): void };
  const check = client.isCluster ? asking.readyCheck?.bind(asking) : undefined;
  if (check === undefined) return;
  asking.readyCheck = (done) =>
    check((error, state) => {
      if (error) asking.emit("error", error);
      done(error, state);
    });
}

/** Keys of one slot are on both sides of its move. A command tells that by a word of its own, a script by its text. */
export function isAsunder(error: unknown): boolean {
  return replyCode(error) === "TRYAGAIN" ||
    (replyCode(error) === "ERR" && /non local key/.test((error as Error).message));
}

/** A command within a script that this user may not run is an error of the script, which its text alone tells apart. */
function isDeniedWithin(error: Error): boolean {
  return replyCode(error) === "ERR" &&
    /The user executing the script can't run|ACL failure in script/.test(error.message);
}

/** The command that this user may not run. One within a script only the server's text names, and not that of every server. */
function refusedCommand(error: Error): string | null {
  const within = /'([a-z]+(?:\|[a-z-]+)?)' command/i.exec(error.message)?.[1]?.replace("|", " ");
  const sent = (error as { command?: { name?: string } }).command?.name;
  return (within ?? (isDeniedWithin(error) ? undefined : sent))?.toUpperCase() ?? null;
}

/** True for the refusal of a database number, which a client asks for by itself when it connects. */
function isSelect(error: Error): boolean {
  return (error as { command?: { name?: string } }).command?.name === "select";
}

/** What a cluster client or a retry limit wraps. */
function innermost(error: Error): Error {
  const { lastNodeError, previousErrors } = error as { lastNodeError?: unknown; previousErrors?: unknown };
  if (lastNodeError instanceof Error) return innermost(lastNodeError);
  if (Array.isArray(previousErrors)) {
    const last = previousErrors.at(-1);
    if (last instanceof Error) return innermost(last);
  }
  return error;
}
