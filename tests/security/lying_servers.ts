/**
 * Servers that repeat what they were told, in errors of every kind, with all that steers a terminal or a CI around it.
 *
 * @module
 */

import { errorMessage, greeted, int16, int32, message, welcome } from "../support/fake_postgres.ts";
import {
  type Behaviour,
  type FakeConnection,
  type FakeServer,
  startFakeServer,
} from "../support/fake_server.ts";
import type { Dice } from "./marks.ts";

const encoder = new TextEncoder();

/** What a stranger puts around what is said. */
const STEERING: readonly string[] = [
  "",
  "\x1b[8m",
  "\x1b]0;title\x07",
  "\r\n::add-mask::x\r\n",
  "::stop-commands::x ",
  " ##[set-env name=a]b ",
  "##vso[task.setvariable variable=a]b",
  "\u202e",
  "\u200b\u2028",
  "\x9b31m",
  "\nVerified.\n",
];

/** Repeats a secret as servers, proxies and people do. */
function repeated(dice: Dice, secret: string): string {
  const whole = secret.toWellFormed();
  const bytes = String.fromCharCode(...encoder.encode(whole));
  const form = dice.pick([
    whole,
    encodeURIComponent(whole),
    encodeURI(whole),
    JSON.stringify(secret).slice(1, -1),
    btoa(bytes),
    btoa(`user:${bytes}`),
    bytes,
    whole.slice(0, 12),
    whole.slice(-12),
    `postgres://u:${encodeURIComponent(whole)}@h/d`,
    `redis://:${whole}@h:1`,
    `${"x".repeat(190)}${whole}`,
  ]);
  return `${dice.pick(STEERING)}${form}${dice.pick(STEERING)}`;
}

/** A Postgres that answers with errors that repeat secrets. */
export function lyingPostgres(dice: Dice, secrets: readonly string[]): FakeServer {
  const said = () => repeated(dice, dice.pick(secrets)).replaceAll("\0", "");
  const fields = () => ({
    S: "ERROR",
    V: "ERROR",
    C: dice.pick([
      "28P01",
      "42501",
      "3D000",
      "53300",
      "57P03",
      "22P02",
      "23505",
      "P0001",
      "42P01",
      "XX000",
      "08006",
    ]),
    M: said(),
    D: said(),
    H: said(),
    W: said(),
  });
  const behaviours: Behaviour[] = [
    async (connection) => {
      if (await greeted(connection)) {
        await connection.write(errorMessage({ ...fields(), S: "FATAL", V: "FATAL" }));
      }
    },
    async (connection) => {
      if (!await greeted(connection)) return;
      await connection.write(dice.chance(0.5) ? message("R", 3) : message("R", 5, int32(1)));
      await connection.read();
      await connection.write(errorMessage({ ...fields(), C: "28P01" }));
    },
    async (connection) => {
      if (!await greeted(connection)) return;
      await connection.write(welcome());
      while (await connection.read() !== null) {
        if (dice.chance(0.5)) await connection.write(rowOf(said()));
        await connection.write(errorMessage(fields()));
        await connection.write(message("Z", "I"));
      }
    },
    async (connection) => {
      await connection.read();
      await connection.write(`HTTP/1.1 400 ${said()}\r\n\r\n`);
    },
  ];
  return startFakeServer(dice.pick(behaviours));
}

/** One row with one column, whatever was asked. */
function rowOf(text: string): Uint8Array {
  const value = encoder.encode(text);
  const parts = [
    message("1"),
    message("2"),
    message(
      "T",
      int16(1),
      "version\0",
      int32(0),
      int16(0),
      int32(25),
      int16(0xffff),
      int32(0xffffffff),
      int16(0),
    ),
    message("D", int16(1), int32(value.length), value),
  ];
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** A Redis that answers with errors and values that repeat secrets. */
export function lyingRedis(dice: Dice, secrets: readonly string[]): FakeServer {
  const line = () => repeated(dice, dice.pick(secrets)).replace(/[\r\n]/g, " ");
  const kinds: (() => string)[] = [
    () => `-ERR unknown command 'x', with args beginning with: '${line()}' \r\n`,
    () => `-WRONGPASS ${line()}\r\n`,
    () => `-NOPERM this user has no permissions ${line()}\r\n`,
    () => `-ERR Error running script: ${line()}\r\n`,
    () => `-MOVED 1 ${line()}:1\r\n`,
    () => `-LOADING ${line()}\r\n`,
    () => `+${line()}\r\n`,
    () => bulk(line()),
    () => `*2\r\n${bulk("0")}*1\r\n${bulk(`tenant:${line()}`)}`,
    () => ":1\r\n",
    () => "$-1\r\n",
    () => `!garbage ${line()}\r\n`,
  ];
  const kind = dice.pick(kinds);
  const mixed = dice.chance(0.5);
  return startFakeServer(async (connection) => {
    while (true) {
      const chunk = await connection.read();
      if (chunk === null) return;
      for (let left = commandsIn(chunk); left > 0; left--) {
        await connection.write(mixed ? dice.pick([...kinds, kind])() : kind());
      }
    }
  });
}

function bulk(text: string): string {
  return `$${encoder.encode(text).length}\r\n${text}\r\n`;
}

/** How many commands a client has sent, one array each. */
function commandsIn(chunk: Uint8Array): number {
  return new TextDecoder("latin1").decode(chunk).match(/(?:^|\r\n)\*\d+\r\n\$/g)?.length ?? 1;
}

/** A ClickHouse that answers each question with what it was told. */
export function lyingClickHouse(dice: Dice, secrets: readonly string[]): FakeServer {
  return startFakeServer(async (connection: FakeConnection) => {
    while (true) {
      const asked = await connection.read();
      if (asked === null) return;
      const told = dice.chance(0.5) ? new TextDecoder().decode(asked) : repeated(dice, dice.pick(secrets));
      const code = dice.pick([516, 194, 81, 62, 6, 27]);
      const body = encoder.encode(
        `Code: ${code}. DB::Exception: Cannot parse "${told}": ${told}. (X) (version 25.1)`,
      );
      const status = dice.pick(["400 Bad Request", "401 Unauthorized", "500 Internal", "200 OK"]);
      const head =
        `HTTP/1.1 ${status}\r\nX-ClickHouse-Exception-Code: ${code}\r\nContent-Length: ${body.length}\r\n\r\n`;
      await connection.write(head);
      await connection.write(body);
    }
  });
}
