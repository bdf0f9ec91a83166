/**
 * Keeps credentials out of everything that is printed.
 *
 * @module
 */

import { parsePostgresUrl } from "../stores/postgres/url.ts";
import type { Settings } from "./table.ts";

/** What stands where a secret stood. */
export const HIDDEN = "[hidden]";

/** Removes secrets from a text. */
export type Scrub = (text: string) => string;

/**
 * Words that messages use anyway. Somebody whose password is `redis` gives nothing away when a message says Redis, and a
 * message without these words says nothing.
 */
const VOCABULARY = new Set([
  "redis",
  "postgres",
  "postgresql",
  "outpost",
  "clickhouse",
  "migrate",
  "sql",
  "default",
]);

const USERINFO = /([a-z][a-z0-9+.-]*:\/\/)([^\s/@:]*)(:[^\s@/]*)?@/gi;

/** Makes the function that removes the secrets of these settings, in every form in which a client may repeat them. */
export function makeScrub(settings: Partial<Settings>): Scrub {
  const secrets = new Set<string>();
  const add = (secret: string | null | undefined) => {
    if (secret === null || secret === undefined || secret === "") return;
    for (
      const form of [
        secret,
        encodeURIComponent(secret),
        encodeURI(secret),
        JSON.stringify(secret).slice(1, -1),
      ]
    ) {
      if (!VOCABULARY.has(form.toLowerCase())) secrets.add(form);
    }
  };
  add(settings.redisPassword);
  add(settings.clickhousePassword);
  for (const secret of urlSecrets(settings.postgresUrl ?? null)) add(secret);
  // The longest first, or a secret that holds another one would be left in pieces.
  const patterns = [...secrets].sort((a, b) => b.length - a.length).map((secret) => {
    const literal = secret.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    // A secret of one to three letters is part of half the words: only where it stands alone it can be told apart.
    return new RegExp(secret.length < 4 ? `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])` : literal, "gu");
  });
  return (text) =>
    patterns.reduce(
      (left, pattern) => left.replace(pattern, HIDDEN),
      text.replace(USERINFO, (whole, scheme, user, password) =>
        password === undefined ? whole : `${scheme}${user}:${HIDDEN}@`),
    );
}

/** A Postgres URL as it may be shown: without its password, wherever it stands. */
export function hideUrl(url: string): string {
  const [, scheme, authority, rest] = /^([a-z]+:\/\/)([^/?]*)(.*)$/is.exec(url) ?? [];
  if (scheme === undefined) return HIDDEN;
  const at = authority!.lastIndexOf("@");
  const user = authority!.slice(0, Math.max(0, at)).split(":")[0]!;
  const credentials = at < 0 ? "" : authority!.slice(0, at).includes(":") ? `${user}:${HIDDEN}@` : `${user}@`;
  const parameters = rest!.replace(/([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&]*/gi, `$1${HIDDEN}`);
  return `${scheme}${credentials}${authority!.slice(at + 1)}${parameters}`;
}

function urlSecrets(url: string | null): string[] {
  if (url === null) return [];
  const { password, parameters } = parsePostgresUrl(url);
  const written = /^[a-z]+:\/\/[^/?@]*?:([^/?]*)@/i.exec(url)?.[1];
  return [
    ...(password === null ? [] : [password]),
    // As it was written, which is not always what the parser makes of it.
    ...(written === undefined ? [] : [written]),
    ...[...parameters].filter(([name]) => /pass|secret|token/i.test(name)).map(([, value]) => value),
  ];
}
