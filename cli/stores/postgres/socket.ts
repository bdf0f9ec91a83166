/**
 * Opens the connection below a Postgres session where it may be encrypted. The client could do so itself; but on a server
 * without TLS it reports no more than a broken connection, and older runtimes lose the first encrypted bytes.
 *
 * @module
 */

import { connect as connectTcp, isIP, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions } from "node:tls";

/** How to encrypt. */
export interface PostgresTls {
  /** False goes on without encryption where the server has none. */
  readonly required: boolean;
  /** What the certificate has to prove; passed to the TLS client. */
  readonly options: ConnectionOptions;
  /** Checks the certificate against the host. */
  readonly verifyHost: boolean;
}

/** Where to connect. */
export interface PostgresTarget {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly tls: PostgresTls;
  readonly timeoutMs: number;
}

/** Code of the error that says that the server offers no TLS. */
export const TLS_REFUSED = "TLS_REFUSED";

const SSL_REQUEST = new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]);

const YES = "S".charCodeAt(0);

/**
 * Connects to the first host that answers.
 *
 * @returns A socket; where none could be opened, one that fails as soon as it is written to: only so does the client's pool
 * notice, and try again with the next query.
 */
export async function openPostgresSocket({ hosts, tls, timeoutMs }: PostgresTarget): Promise<Duplex> {
  let failure: unknown;
  for (const { host, port } of hosts) {
    try {
      return await negotiate(await open(host, port, timeoutMs), host, tls, timeoutMs);
    } catch (error) {
      failure = error;
    }
  }
  const error = failure instanceof Error ? failure : new Error(String(failure));
  return new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done(error) });
}

async function open(host: string, port: number, timeoutMs: number): Promise<Socket> {
  const socket = connectTcp({ host, port });
  await event(socket, "connect", timeoutMs);
  return socket;
}

async function negotiate(socket: Socket, host: string, tls: PostgresTls, timeoutMs: number): Promise<Duplex> {
  socket.write(SSL_REQUEST);
  // Paused with the answer in hand: the next bytes are for whoever reads the encrypted stream.
  const answer = await event(socket, "data", timeoutMs, () => socket.pause());
  if (answer[0] === YES) {
    // Without a name the certificate would be checked against "localhost".
    const name = isIP(host) === 0 ? { servername: host } : tls.verifyHost ? { host } : {};
    const options: ConnectionOptions = { ...tls.options, ...name, socket };
    return connectTls(tls.verifyHost ? options : { ...options, checkServerIdentity: () => undefined });
  }
  if (tls.required) {
    socket.destroy();
    throw Object.assign(new Error("the server offers no TLS"), { code: TLS_REFUSED });
  }
  socket.resume();
  return socket;
}

/** Waits for an event; a socket that errs, closes or is silent for too long is destroyed. */
function event(
  socket: Socket,
  name: "connect" | "data",
  timeoutMs: number,
  then = () => {},
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      forget();
      socket.destroy();
      reject(error);
    };
    const done = (chunk: Uint8Array) => {
      forget();
      then();
      resolve(chunk);
    };
    const closed = () =>
      fail(Object.assign(new Error("the server closed the connection"), { code: "ECONNRESET" }));
    const timer = timeoutMs === 0 ? undefined : setTimeout(
      () => fail(Object.assign(new Error("no answer in time"), { code: "ETIMEDOUT" })),
      timeoutMs,
    );
    const forget = () => {
      clearTimeout(timer);
      socket.off(name, done).off("error", fail).off("close", closed);
    };
    socket.once(name, done).once("error", fail).once("close", closed);
  });
}
