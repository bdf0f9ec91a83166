/**
 * What the lock's key in Redis holds: JSON that tells its owner, for people and for the runner that finds it. It begins with
 * the token, so that a script can compare the token without parsing.
 *
 * @module
 */

import { foreignText } from "../../foreign_text.ts";
import type { LockOwner } from "../../lock/lock.ts";

/** Who takes the lock, as shown to others. */
export interface LeaseOwner {
  readonly host: string;
  /** Process ID. */
  readonly pid: number;
  /** Version of the program. */
  readonly version: string;
  /** The command, for example `apply`. */
  readonly command: string;
}

/** What is told of a lease with each heartbeat. */
export interface LeaseState extends LeaseOwner {
  /** The fencing token. */
  readonly token: string;
  readonly acquiredAt: Date;
  /** Length of the lease in milliseconds. */
  readonly ttlMs: number;
  /** ID of the migration at work. */
  readonly migration: string | null;
  /** How far it is, for people. */
  readonly progress: string | null;
}

/** How the value of every lease begins, and no other tool's. */
export const LEASE_BEGIN = '{"token":"';

/** How every value of a lease with this token begins, and no other value. */
export function leasePrefix(token: string): string {
  return `{"token":${JSON.stringify(token)},`;
}

/** The token of a lease's value; null for what another tool wrote. */
export function tokenOf(value: Uint8Array): string | null {
  const token = parse(value)?.token;
  return typeof token === "string" ? token : null;
}

/** The value to write. @param now Time of this heartbeat. */
export function encodeLease(state: LeaseState, now: Date): string {
  return leasePrefix(state.token) + JSON.stringify({
    host: state.host,
    pid: state.pid,
    version: state.version,
    command: state.command,
    migration: state.migration,
    progress: state.progress,
    acquired_at: state.acquiredAt.toISOString(),
    heartbeat_at: now.toISOString(),
    ttl_ms: state.ttlMs,
  }).slice(1);
}

/**
 * Reads the owner out of a lock's value. Other tools write free text: then only the name of the key is known.
 *
 * The age of the heartbeat is taken from the time that the key has left, which the server counts: clocks of two hosts
 * may differ. A holder counts as alive for half its lease, as long as its fencing token can live without a renewal. A
 * lock without a heartbeat counts as alive, since nothing says the opposite.
 *
 * @param ttlLeftMs Time that the key has left, in milliseconds; negative when it never expires.
 * @param source Name of the key.
 */
export function decodeOwner(value: Uint8Array, ttlLeftMs: number, source: string): LockOwner {
  const fields = parse(value);
  const ttlMs = fields === null ? null : number(fields.ttl_ms);
  return {
    host: text(fields?.host),
    pid: number(fields?.pid),
    version: text(fields?.version),
    command: text(fields?.command),
    migration: text(fields?.migration),
    progress: text(fields?.progress),
    acquiredAt: date(fields?.acquired_at),
    heartbeatAt: date(fields?.heartbeat_at),
    source,
    alive: ttlMs === null || ttlLeftMs >= ttlMs / 2,
  };
}

function parse(value: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(value));
    const isLease = typeof parsed === "object" && parsed !== null && "token" in parsed &&
      "heartbeat_at" in parsed;
    return isLease ? parsed as Readonly<Record<string, unknown>> : null;
  } catch {
    return null; // Free text of another tool.
  }
}

function text(value: unknown): string | null {
  return typeof value === "string" ? foreignText(value) : null;
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function date(value: unknown): Date | null {
  const parsed = new Date(typeof value === "string" ? value : NaN);
  return Number.isNaN(parsed.getTime()) ? null : parsed;
}
