/**
 * Makes a Redis client from settings.
 *
 * @module
 */

import type { EventEmitter } from "node:events";
import { isIP } from "node:net";
import { Cluster, Redis, type RedisOptions } from "ioredis";
import { SettingsError } from "../errors.ts";
import { systemReason } from "../system_reason.ts";
import { readCertificateFile } from "./certificate_file.ts";
import { GUARD_CODES, guardReplies } from "./redis_guard.ts";

/** Where Redis is and how to get in. */
export interface RedisSettings {
  readonly host: string;
  readonly port: number;
  /** Empty for the default user. */
  readonly username: string;
  /** Empty for none. */
  readonly password: string;
  /** Ignored in a cluster, which has but one. */
  readonly database: number;
  readonly cluster: boolean;
  readonly tls: boolean;
  /** File of certificates in PEM to trust instead of the system's, or null. */
  readonly tlsCa: string | null;
  /** Accept any certificate. */
  readonly tlsInsecure: boolean;
  /** Reach the nodes that a cluster announces at the configured host. */
  readonly clusterHostOverride: boolean;
}

/** How long one attempt to connect may take, in milliseconds. */
const CONNECT_TIMEOUT_MS = 3000;
/** How long an answer may take, in milliseconds: a server that accepts connections and says nothing is not there. */
const SILENCE_TIMEOUT_MS = 10_000;
/** Attempts before the first connection, and how long: a server that is not there is reported within a few seconds. */
const FIRST_ATTEMPTS = 3;
const FIRST_PATIENCE_MS = 2000;
/** Attempts to get a connection back that was there once, with their longest pause: half a minute, for a restart. */
const AGAIN_ATTEMPTS = 60;
const LONGEST_PAUSE_MS = 500;
/** Code words of refusals that another attempt does not change. */
const DENIED = /^(WRONGPASS|NOAUTH|NOPERM)\b/;

/**
 * Makes a client; it connects with its first command. Owned by the caller, who disconnects it.
 *
 * @throws {SettingsError} When the file of certificates cannot be read.
 */
export function connectRedis(settings: RedisSettings): Redis | Cluster {
  const attempts = new Attempts();
  const common: RedisOptions = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_TIMEOUT_MS,
    ...(settings.username === "" ? {} : { username: settings.username }),
    ...(settings.password === "" ? {} : { password: settings.password }),
    ...tlsOf(settings),
  };
  const client = settings.cluster ? makeCluster(settings, common, attempts) : new Redis({
    ...common,
    host: settings.host,
    port: settings.port,
    db: settings.database,
    lazyConnect: true,
    maxRetriesPerRequest: AGAIN_ATTEMPTS,
    retryStrategy: (times) => attempts.pause(times),
  });
  attempts.watch(client);
  guardReplies(client);
  return client;
}

function makeCluster(
  { host, port, clusterHostOverride }: RedisSettings,
  common: RedisOptions,
  attempts: Attempts,
): Cluster {
  return new Cluster([{ host, port }], {
    lazyConnect: true,
    redisOptions: common,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    clusterRetryStrategy: (times) => attempts.pause(times),
    ...(clusterHostOverride
      ? { natMap: (address: string) => ({ host, port: Number(address.slice(address.lastIndexOf(":") + 1)) }) }
      : {}),
  });
}

function tlsOf({ tls, tlsCa, tlsInsecure, host }: RedisSettings): Pick<RedisOptions, "tls"> {
  if (!tls) return {};
  return {
    tls: {
      rejectUnauthorized: !tlsInsecure,
      ...(tlsCa === null ? {} : { ca: readCertificates(tlsCa) }),
      // A cluster's nodes announce addresses, and their certificates are for the name that leads to them.
      ...(isIP(host) === 0 ? { servername: host } : {}),
    },
  };
}

function readCertificates(path: string): string {
  try {
    return readCertificateFile(path);
  } catch (error) {
    throw new SettingsError([`Cannot read the Redis certificates "${path}": ${systemReason(error)}`], {
      hint: "Name a file of certificates in PEM with --redis-tls-ca",
    });
  }
}

/** What a client says of a failed connection or command. */
interface ClientError extends Error {
  readonly code?: string;
  readonly lastNodeError?: ClientError;
  readonly command?: { readonly name?: string };
}

/** Decides whether to try again, by what happened so far. */
class Attempts {
  #connected = false;
  #denied = false;
  #startedAt: number | null = null;

  watch(client: Redis | Cluster): void {
    const events = client as unknown as EventEmitter; // Older compilers miss the inherited methods.
    events.on("ready", () => this.#connected = true);
    // Commands report failures themselves; without a listener they would be printed as well.
    events.on("error", (error: ClientError) => {
      // The client would go on in database 0: nothing may be read or written there in place of the one that was meant.
      const wrongDatabase = error.command?.name === "select";
      const cause = error.lastNodeError ?? error;
      this.#denied = wrongDatabase || DENIED.test(cause.message) || GUARD_CODES.includes(cause.code ?? "");
      if (wrongDatabase) client.disconnect();
    });
  }

  /** @returns Milliseconds to wait before the next attempt, or null to give up. */
  pause(times: number): number | null {
    this.#startedAt ??= performance.now();
    const limit = this.#connected ? AGAIN_ATTEMPTS : FIRST_ATTEMPTS;
    const late = !this.#connected && performance.now() - this.#startedAt > FIRST_PATIENCE_MS;
    return this.#denied || late || times >= limit ? null : Math.min(times * 100, LONGEST_PAUSE_MS);
  }
}
