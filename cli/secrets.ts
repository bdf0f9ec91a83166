/**
 * Keeps credentials out of everything that is printed.
 *
 * @module
 */

import type { Settings } from "./setting_table.ts";

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

/** A URL as it may be shown: without its password, wherever it stands. */
export function hideUrl(url: string): string {
  if (!URL.canParse(url)) return HIDDEN;
  const parsed = new URL(url);
  const shown = new URL(url);
  if (parsed.password !== "") shown.password = "hidden";
  for (const name of parsed.searchParams.keys()) {
    if (/pass|secret|token|key/i.test(name)) shown.searchParams.set(name, "hidden");
  }
  return shown.href;
}

function urlSecrets(url: string | null): string[] {
  if (url === null || !URL.canParse(url)) return [];
  const { password, searchParams } = new URL(url);
  const secrets = [password, decode(password)];
  for (const [name, value] of searchParams) if (/pass|secret|token|key/i.test(name)) secrets.push(value);
  // As it was written, which is not always what the parser makes of it.
  const written = /:\/\/[^/@]*?:(.*)@/.exec(url)?.[1];
  if (written !== undefined) secrets.push(written, decode(written));
  return secrets;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
