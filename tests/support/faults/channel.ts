/**
 * The two connections of one client of a proxy: to the client, and to the server.
 *
 * @module
 */

/** Carries bytes both ways. Writes keep their order, whoever makes them. */
export class Channel {
  readonly #client: Deno.TcpConn;
  readonly #server: Deno.TcpConn;
  #toClient: Promise<void> = Promise.resolve();
  #toServer: Promise<void> = Promise.resolve();

  constructor(client: Deno.TcpConn, server: Deno.TcpConn) {
    // An answer is passed on message by message: none may wait until the one before it is acknowledged.
    for (const connection of [client, server]) connection.setNoDelay(true);
    this.#client = client;
    this.#server = server;
  }

  /** Sends bytes to the client. */
  toClient(bytes: Uint8Array): Promise<void> {
    return this.#toClient = this.#toClient.then(() => writeAll(this.#client, bytes));
  }

  /** Sends bytes to the server. */
  toServer(bytes: Uint8Array): Promise<void> {
    return this.#toServer = this.#toServer.then(() => writeAll(this.#server, bytes));
  }

  /**
   * Hands over what both sides send, until one of them ends or {@linkcode drop} is called. Then both connections are closed.
   *
   * @param onAsk Given each piece that the client sends; the next one waits for it.
   * @param onAnswer The same for the server.
   */
  async carry(
    onAsk: (chunk: Uint8Array) => Promise<void>,
    onAnswer: (chunk: Uint8Array) => Promise<void>,
  ): Promise<void> {
    await Promise.race([readAll(this.#client, onAsk), readAll(this.#server, onAnswer)]);
    this.drop();
  }

  /** Ends both connections at once. */
  drop(): void {
    for (const connection of [this.#client, this.#server]) {
      try {
        connection.close();
      } catch {
        // It was closed before.
      }
    }
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  try {
    for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
  } catch {
    // A connection that was cut takes nothing; its reader ends the channel.
  }
}

async function readAll(connection: Deno.Conn, use: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let count = await connection.read(buffer); count !== null; count = await connection.read(buffer)) {
      await use(buffer.slice(0, count));
    }
  } catch {
    // A connection that was cut ends here.
  }
}
