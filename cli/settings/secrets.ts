/**
 * Keeps credentials out of everything that is printed.
 *
 * @module
 */

import { harmless } from "../../engine/foreign_text.ts";
import { SettingsError } from "../errors.ts";
import { HIDDEN, type Scrub } from "../output/scrub.ts";
import { parseClickHouseAddress } from "../stores/clickhouse_address.ts";
import { hiddenValues } from "../stores/postgres/shown_url.ts";
import { parsePostgresUrl } from "../stores/postgres/url.ts";
import { SETTING_KEYS, SETTINGS, type Settings } from "./table.ts";

/** So many characters of a secret in a row are removed wherever they stand: messages are cut, and quote in part. */
const TELLING = 6;

/**
 * Words that the program uses anyway. Somebody whose password is `redis` gives nothing away when a message says Redis; but a
 * message where the word is missing does.
 */
const VOCABULARY = [
  "redis postgres postgresql outpost clickhouse migrate migration migrations default localhost password secret",
  "timestamps entity hash_tags tenant tenants destination destinations events attempts deliveries schema_migrations",
  "applied pending failed running dirty not_applicable Verified unknown nothing record records statement version",
  ...SETTING_KEYS.flatMap((key) => [SETTINGS[key].name, SETTINGS[key].env, SETTINGS[key].description]),
].join(" ").toLowerCase();
const WORDS = new Set(VOCABULARY.split(/[^\p{L}\p{N}_]+/u));

/**
 * Makes the function that removes the secrets of these settings, in every form in which a client or a server may repeat
 * them. It takes time in proportion to the text.
 *
 * @param more Secrets that stand in no setting, such as that of a client's own variable.
 */
export function makeScrub(settings: Partial<Settings>, more: readonly string[] = []): Scrub {
  const forms = new Set([...secretsOf(settings), ...more].flatMap(formsOf));
  const known = [...forms].filter((form) => form !== "" && !WORDS.has(form.toLowerCase()));
  const long = known.filter((form) => form.length >= TELLING);
  const pieces = new Set(long.flatMap(piecesOf));
  const short = known.filter((form) => form.length < TELLING).sort((a, b) => b.length - a.length);
  const shortPattern = short.length === 0 ? null : new RegExp(short.map(patternOf).join("|"), "gu");
  return (text) => {
    const covered = cover(text, pieces);
    for (const form of long) {
      // As a whole, where a part of it is one of the program's words.
      for (let at = text.indexOf(form); at >= 0; at = text.indexOf(form, at + form.length)) {
        covered.push([at, at + form.length]);
      }
    }
    const left = replaceRanges(text, covered);
    return hideUserinfo(shortPattern === null ? left : left.replace(shortPattern, HIDDEN));
  };
}

/** Secrets that the clients of the stores take from the environment by themselves. */
export function secretsOfClients(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  return env.PGPASSWORD === undefined ? [] : [env.PGPASSWORD];
}

function secretsOf(settings: Partial<Settings>) {
  const { redisPassword, clickhousePassword, clickhouseAddr, clickhouseHttpAddr, postgresUrl } = settings;
  const secrets: (string | null | undefined)[] = [redisPassword, clickhousePassword];
  try {
    for (const address of [clickhouseAddr, clickhouseHttpAddr]) {
      if (typeof address === "string") secrets.push(parseClickHouseAddress(address).password);
    }
    if (typeof postgresUrl === "string") {
      const { password, parameters } = parsePostgresUrl(postgresUrl);
      // As it was written, which is not always what the parser makes of it.
      secrets.push(password ?? "", /^[a-z]+:\/\/[^/?@:]*:([^/?@]*)@/i.exec(postgresUrl)?.[1]);
      secrets.push(...hiddenValues(parameters));
    }
  } catch (error) {
    // What cannot be understood was refused without being shown.
    if (!(error instanceof SettingsError)) throw error;
  }
  return secrets.filter((secret): secret is string => secret !== undefined && secret !== null);
}

/** A secret as it may be written: encoded for a URL, for JSON, for a header, or read in another character set. */
function formsOf(secret: string): readonly string[] {
  if (secret === "") return [];
  const whole = secret.toWellFormed();
  const bytes = new TextEncoder().encode(whole);
  const binary = new TextDecoder("latin1").decode(bytes);
  return [
    secret,
    secret.trim(),
    encodeURIComponent(whole),
    encodeURI(whole),
    encodeURIComponent(whole).replaceAll("%20", "+"),
    whole.replaceAll(" ", "+"),
    encodeURIComponent(whole).toLowerCase(),
    JSON.stringify(secret).slice(1, -1),
    harmless(secret),
    binary,
    // Three, since what stands before it moves the groups of three that are encoded.
    ...[0, 1, 2].map((before) => base64(new Uint8Array([...new Uint8Array(before), ...bytes]), before)),
  ];
}

/** Base64 of the bytes behind the first `before`, without what depends on its neighbours. */
function base64(bytes: Uint8Array, before: number): string {
  const text = btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
  return text.slice(before === 0 ? 0 : before + 1, text.length - ((bytes.length % 3) === 0 ? 0 : 1));
}

function piecesOf(form: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at + TELLING <= form.length; at++) {
    const piece = form.slice(at, at + TELLING);
    if (!VOCABULARY.includes(piece.toLowerCase())) pieces.push(piece);
  }
  return pieces;
}

type Range = [from: number, to: number];

/** Where a text holds one of the pieces. */
function cover(text: string, pieces: ReadonlySet<string>): Range[] {
  const covered: Range[] = [];
  if (pieces.size === 0) return covered;
  for (let at = 0; at + TELLING <= text.length; at++) {
    if (!pieces.has(text.slice(at, at + TELLING))) continue;
    const last = covered.at(-1);
    if (last !== undefined && last[1] >= at) last[1] = at + TELLING;
    else covered.push([at, at + TELLING]);
  }
  return covered;
}

function replaceRanges(text: string, ranges: readonly Range[]): string {
  if (ranges.length === 0) return text;
  const sorted = [...ranges].sort(([a], [b]) => a - b);
  const parts: string[] = [];
  let end = 0;
  for (const [from, to] of sorted) {
    if (from > end || (from === 0 && end === 0)) parts.push(text.slice(end, from), HIDDEN);
    end = Math.max(end, to);
  }
  return [...parts, text.slice(end)].join("");
}

/** A secret of one to three letters is part of half the words: only where it stands alone it can be told apart. */
function patternOf(secret: string): string {
  const literal = secret.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
  return secret.length < 4 ? `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])` : literal;
}

/** Removes the password of every URL, whatever the settings. */
function hideUserinfo(text: string): string {
  const parts: string[] = [];
  let done = 0;
  for (let at = text.indexOf("://"); at >= 0; at = text.indexOf("://", at + 3)) {
    USERINFO.lastIndex = at;
    const found = USERINFO.exec(text);
    if (found === null) continue;
    parts.push(text.slice(done, at + 3 + found[1]!.length), `:${HIDDEN}@`);
    done = at = USERINFO.lastIndex;
  }
  return done === 0 ? text : [...parts, text.slice(done)].join("");
}

/** Tried at each `://` alone, and ended by the next slash: no text is looked at twice. */
const USERINFO = /:\/\/([^\s/@:]*):[^\s@/]*@/y;
