/**
 * Opens the connection below a Postgres session. The client could do so itself; but it reports no more than a broken
 * connection on a server without TLS, tries for ever what closes at once, and believes whatever it is told.
 *
 * @module
 */

import { connect as connectTcp, isIP, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { guardConversation } from "./guard.ts";
import type { PostgresSecurity, PostgresTls } from "./security.ts";
import type { PostgresHost } from "./url.ts";

/** Where to connect. */
export interface PostgresTarget {
  readonly hosts: readonly PostgresHost[];
  readonly security: PostgresSecurity;
  /** For each host, in milliseconds; 0 for no limit. */
  readonly timeoutMs: number;
  /** Tells whether a host that answers is one that is wanted; throws what is wrong with it. */
  readonly accept?: (host: PostgresHost) => Promise<void>;
}

/** Code of the error that says that the server offers no TLS. */
export const TLS_REFUSED = "TLS_REFUSED";

const SSL_REQUEST = new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]);
const [YES, NO] = [..."SN"].map((letter) => letter.charCodeAt(0));

/**
 * Connects to the first host that answers and is accepted.
 *
 * @returns A socket; where none could be opened, one that fails as soon as it is written to: only so does the client's pool
 * notice, and try again with the next query.
 */
export async function openPostgresSocket(target: PostgresTarget): Promise<Duplex> {
  const { hosts, security, timeoutMs, accept } = target;
  let failure: unknown;
  for (const host of hosts) {
    try {
      await accept?.(host);
      return guardConversation(await openHost(host, security.tls, timeoutMs), security);
    } catch (error) {
      failure = error;
    }
  }
  const error = failure instanceof Error ? failure : new Error(String(failure));
  return new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done(error) });
}

async function openHost(target: PostgresHost, tls: PostgresTls | null, timeoutMs: number): Promise<Duplex> {
  const { host, port, address } = target;
  // Over a socket in a folder nothing travels, and no client encrypts.
  const local = host.startsWith("/") && address === undefined;
  const deadline = timeoutMs === 0 ? null : performance.now() + timeoutMs;
  const where = local ? { path: `${host}/.s.PGSQL.${port}` } : { host: address ?? host, port };
  if (tls?.direct === true && !local) {
    return await secure({ ...where, host: where.host! }, host, tls, deadline);
  }
  const socket = connectTcp(where);
  await event(socket, "connect", deadline);
  return tls === null || local ? socket : await negotiate(socket, host, tls, deadline);
}

async function negotiate(
  socket: Socket,
  host: string,
  tls: PostgresTls,
  deadline: number | null,
): Promise<Duplex> {
  socket.write(SSL_REQUEST);
  // Paused with the answer in hand: the next bytes are for whoever reads the encrypted stream.
  const answer = await event(socket, "data", deadline, () => socket.pause());
  // More than one byte is what somebody on the way has put there, to be read as if it had come encrypted.
  if (answer.length !== 1 || (answer[0] !== YES && answer[0] !== NO)) {
    socket.destroy();
    throw failure("EPROTO", "what answers there does not speak Postgres' protocol");
  }
  if (answer[0] === YES) return await secure({ socket }, host, tls, deadline);
  if (tls.required) {
    socket.destroy();
    throw failure(TLS_REFUSED, "the server offers no TLS");
  }
  socket.resume();
  return socket;
}

/** Encrypts, and looks at what was agreed upon. */
async function secure(
  below: Pick<ConnectionOptions, "socket" | "host" | "port">,
  host: string,
  tls: PostgresTls,
  deadline: number | null,
): Promise<Duplex> {
  const { ca, cert, key, minVersion, maxVersion } = tls;
  const socket = connectTls({
    ...below,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert, key: key! }),
    minVersion,
    maxVersion,
    rejectUnauthorized: tls.verifyChain,
    // Without a name the certificate would be checked against "localhost".
    ...(isIP(host) === 0 ? { servername: host } : tls.verifyHost ? { host } : {}),
    ...(tls.verifyHost ? {} : { checkServerIdentity: () => undefined }),
    ...(tls.direct ? { ALPNProtocols: ["postgresql"] } : {}),
  });
  await event(socket, "secureConnect", deadline);
  const refused = whatIsMissing(socket, tls);
  if (refused === null) return socket;
  socket.destroy();
  throw failure("ERR_TLS_REFUSED", refused);
}

function whatIsMissing(socket: TLSSocket, tls: PostgresTls): string | null {
  if (tls.direct && socket.alpnProtocol !== "postgresql") {
    return "the server does not take TLS from the first byte on, as sslnegotiation asks";
  }
  if (tls.minVersion === "TLSv1.2" && tls.maxVersion === "TLSv1.3") return null;
  // Older runtimes cannot tell, and what nothing proves is refused.
  const version = (socket as Partial<TLSSocket>).getProtocol?.call(socket) ?? "";
  return version >= tls.minVersion && version <= tls.maxVersion
    ? null
    : "the server does not speak a version of TLS that the URL allows";
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** Waits for an event; a socket that errs, closes or is silent for too long is destroyed. */
function event(
  socket: Socket,
  name: "connect" | "data" | "secureConnect",
  deadline: number | null,
  then = () => {},
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      forget();
      // One that is cut off in the middle of a handshake errs once more, when nobody listens.
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const done = (chunk: Uint8Array) => {
      forget();
      then();
      resolve(chunk);
    };
    const closed = () => fail(failure("ECONNRESET", "the server closed the connection"));
    const timer = deadline === null ? undefined : setTimeout(
      () => fail(failure("ETIMEDOUT", "no answer in time")),
      Math.max(0, deadline - performance.now()),
    );
    const forget = () => {
      clearTimeout(timer);
      socket.off(name, done).off("error", fail).off("close", closed);
    };
    socket.once(name, done).once("error", fail).once("close", closed);
  });
}
