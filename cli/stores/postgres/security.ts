/**
 * What the parameters of a Postgres URL ask for to be safe: honoured as the usual clients do it, or refused. A parameter that
 * was written to protect the connection is never passed over in silence.
 *
 * @module
 */

import { readCertificateFile } from "../certificate_file.ts";
import { invalid } from "./url.ts";
import { systemReason } from "../../system_reason.ts";

/** How to encrypt. */
export interface PostgresTls {
  /** False goes on without encryption where the server has none. */
  readonly required: boolean;
  /** TLS from the first byte on, without asking for it in the clear. */
  readonly direct: boolean;
  /** Checks the certificate's chain. */
  readonly verifyChain: boolean;
  /** Checks the certificate against the host. */
  readonly verifyHost: boolean;
  /** The oldest and the newest version that may be spoken. */
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** Certificates to trust instead of the system's, in PEM. */
  readonly ca?: string;
  /** A certificate of one's own with its key, in PEM. */
  readonly cert?: string;
  readonly key?: string;
}

/** Versions that the runtime speaks. */
export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** Ways to log in, as `require_auth` names them. */
export const AUTH_METHODS = ["none", "password", "md5", "scram-sha-256", "gss", "sspi", "oauth"] as const;

/** One way to log in. */
export type AuthMethod = (typeof AUTH_METHODS)[number];

/** How a connection is to be protected. */
export interface PostgresSecurity {
  /** Null for no encryption. */
  readonly tls: PostgresTls | null;
  /** Ways to log in that the server may ask for. */
  readonly auth: ReadonlySet<AuthMethod>;
}

const MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const VERSIONS = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/** Parameters that this module decides about. Another one that begins like them is a slip, and refused. */
export const SECURITY_PARAMETERS: readonly string[] = [
  ...["ssl", "sslmode", "requiressl", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslpassword"],
  ...["sslcertmode", "sslcrl", "sslcrldir", "sslsni", "sslcompression"],
  ...["ssl_min_protocol_version", "ssl_max_protocol_version"],
  ...[
    "channel_binding",
    "require_auth",
    "requirepeer",
    "gssencmode",
    "gsslib",
    "gssdelegation",
    "krbsrvname",
  ],
  ...["passfile", "service", "servicefile"],
];

type ReadNamed = (name: string, path: string) => string;
type Parameters = ReadonlyMap<string, string>;

/**
 * Reads them. Nothing is contacted.
 *
 * @param read Reads the file that a parameter names.
 * @throws {SettingsError} For a value that makes no sense, for two that contradict each other, and for what cannot be done
 * here: `channel_binding=require`, `sslcrl`, `requirepeer` and others, each by its name.
 */
export function securityOf(parameters: Parameters, read: ReadNamed = readNamed): PostgresSecurity {
  for (const name of parameters.keys()) {
    if (/^(ssl|require|channel|gss|krb|tls)/i.test(name) && !SECURITY_PARAMETERS.includes(name)) {
      throw invalid("it has a parameter about TLS or logging in that no client knows: check its spelling");
    }
  }
  refuseWhatCannotBeDone(parameters);
  return { tls: tlsOf(parameters, read), auth: authOf(parameters.get("require_auth") ?? "") };
}

function refuseWhatCannotBeDone(parameters: Parameters): void {
  const written = (name: string) => parameters.get(name) ?? "";
  const refuse = (name: string, instead: string): never => {
    throw invalid(`${name} cannot be honoured here${instead === "" ? "" : `: ${instead}`}`);
  };
  oneOf(parameters, "channel_binding", ["disable", "prefer", "require"]);
  oneOf(parameters, "gssencmode", ["disable", "prefer", "require"]);
  oneOf(parameters, "sslcertmode", ["disable", "allow", "require"]);
  for (const name of ["sslsni", "sslcompression", "requiressl", "gssdelegation"]) {
    oneOf(parameters, name, ["0", "1"]);
  }
  if (written("channel_binding") === "require") {
    refuse("channel_binding=require", "sslmode=verify-full proves the server as well");
  }
  if (written("gssencmode") === "require") refuse("gssencmode=require", "encrypt with sslmode=verify-full");
  if (written("sslcertmode") === "require") refuse("sslcertmode=require", "");
  if (written("sslsni") === "0") refuse("sslsni=0", "");
  if (written("sslcompression") === "1") refuse("sslcompression=1", "");
  for (const name of ["sslcrl", "sslcrldir"]) {
    if (written(name) !== "") refuse(name, "revoked certificates would be accepted");
  }
  if (written("requirepeer") !== "") refuse("requirepeer", "connect over TLS with sslmode=verify-full");
  if (written("sslpassword") !== "") refuse("sslpassword", "name a key that is not encrypted with sslkey");
  if (written("passfile") !== "") {
    refuse("passfile", "name a file that holds the password alone in POSTGRES_PASSWORD_FILE");
  }
  for (const name of ["service", "servicefile"]) {
    if (written(name) !== "") refuse(name, "write its settings into the URL");
  }
}

/** @returns The value, or undefined when it is not given. */
function oneOf(parameters: Parameters, name: string, words: readonly string[]): string | undefined {
  const value = parameters.get(name);
  if (value === undefined || value === "") return undefined;
  if (!words.includes(value)) throw invalid(`${name} has to be one of ${words.join(", ")}`);
  return value;
}

/** How to encrypt, or null for not at all. `allow` encrypts where the server can, as `prefer` does. */
function tlsOf(parameters: Parameters, read: ReadNamed): PostgresTls | null {
  const mode = modeOf(parameters);
  const direct = oneOf(parameters, "sslnegotiation", ["postgres", "direct"]) === "direct";
  const required = ["require", "verify-ca", "verify-full"].includes(mode);
  if (direct && !required) throw invalid(`sslnegotiation=direct needs sslmode=require or stronger`);
  const [minVersion, maxVersion] = versionsOf(parameters);
  const own = ownCertificate(parameters, read);
  if (mode === "disable") return null;
  const root = orUndefined(parameters.get("sslrootcert"));
  return {
    required,
    direct,
    // With a root certificate at hand the usual clients check the chain in every mode.
    verifyChain: mode.startsWith("verify-") || root !== undefined,
    verifyHost: mode === "verify-full",
    minVersion,
    maxVersion,
    ...(root === undefined || root === "system" ? {} : { ca: read("sslrootcert", root) }),
    ...own,
  };
}

/** `sslmode`, with the older ways to write it. */
function modeOf(parameters: Parameters): string {
  const written = oneOf(parameters, "sslmode", MODES);
  const system = parameters.get("sslrootcert") === "system";
  const must = oneOf(parameters, "ssl", ["true"]) !== undefined || parameters.get("requiressl") === "1";
  if (system && written !== undefined && written !== "verify-full") {
    throw invalid(`sslrootcert=system needs sslmode=verify-full`);
  }
  if (system) return "verify-full";
  if (!must) return written ?? "prefer";
  if (written !== undefined && MODES.indexOf(written) < MODES.indexOf("require")) {
    throw invalid(`sslmode contradicts ${parameters.has("ssl") ? "ssl=true" : "requiressl=1"}`);
  }
  return written ?? "require";
}

function versionsOf(parameters: Parameters): [TlsVersion, TlsVersion] {
  const min = oneOf(parameters, "ssl_min_protocol_version", VERSIONS) ?? "TLSv1.2";
  const max = oneOf(parameters, "ssl_max_protocol_version", VERSIONS) ?? "TLSv1.3";
  if (VERSIONS.indexOf(min) > VERSIONS.indexOf(max)) {
    throw invalid("ssl_min_protocol_version is above ssl_max_protocol_version");
  }
  if (VERSIONS.indexOf(max) < VERSIONS.indexOf("TLSv1.2")) {
    throw invalid("ssl_max_protocol_version cannot be honoured here: nothing older than TLSv1.2 is spoken");
  }
  return [min === "TLSv1.3" ? min : "TLSv1.2", max === "TLSv1.2" ? max : "TLSv1.3"];
}

function ownCertificate(parameters: Parameters, read: ReadNamed): Pick<PostgresTls, "cert" | "key"> {
  const [certificate, key] = [parameters.get("sslcert"), parameters.get("sslkey")].map(orUndefined);
  if (certificate === undefined && key === undefined) return {};
  if (parameters.get("sslcertmode") === "disable") return {};
  if (certificate === undefined || key === undefined) throw invalid("sslcert and sslkey need each other");
  return { cert: read("sslcert", certificate), key: read("sslkey", key) };
}

function authOf(text: string): ReadonlySet<AuthMethod> {
  if (text === "") return new Set(AUTH_METHODS);
  const words = text.split(",").map((word) => word.trim());
  const methods = words.map((word) => word.replace(/^!/, "")) as AuthMethod[];
  const negated = words.filter((word) => word.startsWith("!")).length;
  if (methods.some((method) => !AUTH_METHODS.includes(method))) {
    throw invalid(`require_auth has to list ${AUTH_METHODS.join(", ")}, each with "!" or none`);
  }
  if (negated !== 0 && negated !== words.length) {
    throw invalid(`require_auth has to have "!" everywhere or nowhere`);
  }
  return negated === 0
    ? new Set(methods)
    : new Set(AUTH_METHODS.filter((method) => !methods.includes(method)));
}

function readNamed(name: string, path: string): string {
  try {
    return readCertificateFile(path);
  } catch (error) {
    throw invalid(`the file of ${name} cannot be read (${systemReason(error)})`);
  }
}

function orUndefined(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
