/**
 * Kinds of settings: how a value that somebody wrote becomes one that can be used, or a reason why not.
 *
 * @module
 */

import { SettingsError } from "../errors.ts";
import { durationText, parseDuration } from "../line/duration.ts";
import { parseClickHouseAddress } from "../stores/clickhouse_address.ts";
import { securityOf } from "../stores/postgres/security.ts";
import { assertSharedBooks } from "../stores/postgres/shared_books.ts";
import { parsePostgresUrl } from "../stores/postgres/url.ts";

/** A checked value, or what is wrong with it: "must be ...". */
export type Checked<T> = { readonly value: T } | { readonly problem: string };

/** A kind of setting. */
export interface SettingType<T> {
  /** What stands for the value in help texts, for example `PORT`; null for a switch. */
  readonly placeholder: string | null;
  /** The flag may be given several times; what was written is joined by commas. */
  readonly repeats?: boolean;
  /** Checks what somebody wrote: text from a flag or the environment, any scalar from YAML. */
  check(raw: unknown): Checked<T>;
  /** The value as one would write it. */
  show(value: T): string;
}

function scalarText(raw: unknown): string | null {
  return typeof raw === "string" || typeof raw === "number" || typeof raw === "boolean" ||
      typeof raw === "bigint"
    ? String(raw)
    : null;
}

/** Any text. */
export function text(placeholder: string): SettingType<string> {
  return {
    placeholder,
    check(raw) {
      const written = scalarText(raw);
      return written === null ? { problem: "must be a text" } : { value: written };
    },
    show: (value) => value,
  };
}

/** A text, or nothing when it is empty. */
export function optionalText(placeholder: string): SettingType<string | null> {
  return {
    placeholder,
    check(raw) {
      const written = scalarText(raw);
      if (written === null) return { problem: "must be a text" };
      return { value: written === "" ? null : written };
    },
    show: (value) => value ?? "",
  };
}

/** A text that is checked. @param faultOf Says what is wrong with a text, as in "must be ...", or null. */
function checkedText(
  placeholder: string,
  faultOf: (text: string) => string | null,
): SettingType<string> {
  return {
    placeholder,
    check(raw) {
      const written = scalarText(raw);
      const problem = written === null ? "must be a text" : faultOf(written);
      return problem === null ? { value: written! } : { problem };
    },
    show: (value) => value,
  };
}

/**
 * One ID or several: a list in YAML, a flag that is repeated, or with commas between them. Each is checked. The empty one is written by
 * itself: between commas it is rather a variable that was not set.
 */
export function idList(placeholder: string, faultOf: (id: string) => string | null): SettingType<string> {
  return {
    placeholder,
    repeats: true,
    check(raw) {
      const written = (Array.isArray(raw) ? raw : [raw]).map(scalarText);
      if (written.includes(null)) return { problem: "must be a text, or a list of texts" };
      const parts = written.map((text) => text!.split(",").map((id) => id.trim()));
      if (parts.some((ids) => ids.length > 1 && ids.includes(""))) {
        return {
          problem:
            "has a comma with no ID beside it; the empty ID is written by itself, in a list or a flag of its own",
        };
      }
      const ids = [...new Set(parts.flat())];
      const problem = ids.map(faultOf).find((fault) => fault !== null);
      return problem === undefined ? { value: ids.join(",") } : { problem: problem! };
    },
    show: (value) => value,
  };
}

/** A text of a certain form. */
function matching(placeholder: string, pattern: RegExp, problem: string): SettingType<string> {
  return checkedText(placeholder, (text) => pattern.test(text) ? null : problem);
}

/** The name or the address of a host. A URL there would be shown whole, password and all. */
export const hostName: SettingType<string> = matching(
  "HOST",
  // One colon would be that of a port: an IPv6 address has more.
  /^(?![-.])(?![^:]*:[^:]*$)[\p{L}\p{N}._:%-]{1,255}$/u,
  "must be the name or the address of a host, without scheme, user, port and path",
);

/** A whole number. */
export function integer(placeholder: string, min: number, max: number): SettingType<number> {
  return {
    placeholder,
    check(raw) {
      const written = scalarText(raw)?.trim() ?? "";
      const value = Number(written);
      return /^\d+$/.test(written) && value >= min && value <= max
        ? { value }
        : { problem: `must be a whole number from ${min} to ${max}` };
    },
    show: String,
  };
}

/** The number of a port. */
export const port: SettingType<number> = {
  ...integer("PORT", 1, 65535),
  check(raw) {
    const checked = integer("PORT", 1, 65535).check(raw);
    // Kubernetes sets such a variable for every service, and a service called "redis" makes it REDIS_PORT.
    const linked = "problem" in checked && scalarText(raw)?.startsWith("tcp://") === true;
    return linked
      ? {
        problem:
          `${checked.problem}; Kubernetes sets it for a service of that name: set enableServiceLinks to false`,
      }
      : checked;
  },
};

/** A whole number, or nothing. */
export function optionalInteger(placeholder: string, min: number, max: number): SettingType<number | null> {
  return { ...integer(placeholder, min, max), show: (value) => (value === null ? "" : String(value)) };
}

/** A switch. */
export const flag: SettingType<boolean> = {
  placeholder: null,
  check(raw) {
    const written = scalarText(raw)?.trim().toLowerCase() ?? "";
    if (["true", "1", "yes", "on", "t"].includes(written)) return { value: true };
    if (["false", "0", "no", "off", "f"].includes(written)) return { value: false };
    return { problem: "must be true or false" };
  },
  show: String,
};

/** More than 24 days of milliseconds neither a server nor a timer takes. */
const LONGEST_MS = 596 * 3_600_000;

/** A duration in milliseconds, written with its unit. */
export function duration(min: number): SettingType<number> {
  return {
    placeholder: "DURATION",
    check(raw) {
      const written = scalarText(raw);
      const value = written === null ? null : parseDuration(written);
      if (value === null) return { problem: "must be a duration such as 500ms, 3s, 5m, 1h or 0" };
      if (value > LONGEST_MS) return { problem: `must be ${durationText(LONGEST_MS)} or less` };
      return value < min ? { problem: `must be ${durationText(min)} or more` } : { value };
    },
    show: durationText,
  };
}

/** One of several words; other spellings are accepted where `aliases` has them. */
export function choice<T extends string>(
  words: readonly T[],
  aliases: Readonly<Record<string, T>> = {},
): SettingType<T> {
  return {
    placeholder: words.join("|"),
    check(raw) {
      const written = scalarText(raw)?.trim().toLowerCase() ?? "";
      const value = words.find((word) => word === written) ?? aliases[written];
      return value === undefined ? { problem: `must be one of ${words.join(", ")}` } : { value };
    },
    show: (value) => value,
  };
}

/** One of several words, or nothing. */
export function optionalChoice<T extends string>(words: readonly T[]): SettingType<T | null> {
  const some = choice(words);
  return {
    ...some,
    check: (raw) => (raw === "" ? { value: null } : some.check(raw)),
    show: (value) => value ?? "",
  };
}

/** A Postgres URL, or nothing. */
export const optionalPostgresUrl: SettingType<string | null> = {
  placeholder: "URL",
  check(raw) {
    const written = scalarText(raw);
    if (written === "") return { value: null };
    // The value may hold a password: a problem never repeats it.
    const problem = "must be a URL such as postgres://user@host:5432/database";
    if (written === null) return { problem };
    try {
      // The files that it names are read when they are needed.
      const { parameters } = parsePostgresUrl(written);
      securityOf(parameters, () => "");
      assertSharedBooks(parameters);
      return { value: written.trim() };
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      return { problem: `${problem}: ${error.problems[0]!.replace(/^[^:]*: /, "")}` };
    }
  },
  show: (value) => value ?? "",
};

/** The address of ClickHouse, or nothing. */
export const optionalClickHouseAddress: SettingType<string | null> = {
  placeholder: "HOST:PORT",
  check(raw) {
    const written = scalarText(raw);
    if (written === "") return { value: null };
    // The value may hold a password: a problem never repeats it.
    const problem = "must be HOST:PORT, or a URL such as https://host:8443";
    if (written === null) return { problem };
    try {
      parseClickHouseAddress(written);
      return { value: written.trim() };
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      return { problem: `${problem}: ${error.problems[0]!.replace(/^[^:]*: /, "")}` };
    }
  },
  show: (value) => value ?? "",
};
