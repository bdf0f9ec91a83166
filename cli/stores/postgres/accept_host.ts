/**
 * Finds out whether a host is one that `target_session_attrs` asks for. A standby that answers is not enough for a run that
 * writes, and what its settings announce is not always what it is: so each host is asked, over a connection of its own.
 *
 * @module
 */

import postgres from "postgres";
import { openPostgresSocket, type PostgresTarget } from "./socket.ts";
import type { PostgresHost } from "./url.ts";

/** Values of `target_session_attrs` beside `any`. */
export const SESSION_ATTRIBUTES = [
  "read-write",
  "read-only",
  "primary",
  "standby",
  "prefer-standby",
] as const;

/** One of them. */
export type SessionAttributes = (typeof SESSION_ATTRIBUTES)[number];

interface HostFacts {
  readonly standby: boolean;
  readonly readOnly: boolean;
}

/**
 * Makes what decides about one connection's hosts, for each connection anew.
 *
 * @param common Options of the client that asks: who logs in, and where.
 */
export function acceptHost(
  wanted: SessionAttributes,
  target: Omit<PostgresTarget, "accept">,
  common: Readonly<Record<string, unknown>>,
): () => (host: PostgresHost) => Promise<void> {
  return () => async (host) => {
    if (matches(wanted, await ask(host, target, common))) return;
    // Any will do where none is a standby.
    if (wanted === "prefer-standby" && !await anyStandby(target, common)) return;
    throw Object.assign(new Error(`no host is what target_session_attrs=${wanted} asks for`), {
      code: "EHOST",
    });
  };
}

function matches(wanted: SessionAttributes, { standby, readOnly }: HostFacts): boolean {
  switch (wanted) {
    case "read-write":
      return !standby && !readOnly;
    case "read-only":
      return standby || readOnly;
    case "primary":
      return !standby;
    default:
      return standby;
  }
}

async function anyStandby(
  target: Omit<PostgresTarget, "accept">,
  common: Readonly<Record<string, unknown>>,
): Promise<boolean> {
  for (const host of target.hosts) {
    const facts = await ask(host, target, common).catch(() => null);
    if (facts?.standby === true) return true;
  }
  return false;
}

async function ask(
  host: PostgresHost,
  target: Omit<PostgresTarget, "accept">,
  common: Readonly<Record<string, unknown>>,
): Promise<HostFacts> {
  const client = postgres({
    ...common,
    host: [host.host],
    port: [host.port],
    socket: () => openPostgresSocket({ ...target, hosts: [host] }),
    max: 1,
  } as unknown as postgres.Options<Record<string, never>>);
  try {
    const [row] = await client.unsafe<{ standby: boolean; read_only: string }[]>(
      "SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') AS read_only",
    );
    return { standby: row!.standby, readOnly: row!.read_only === "on" };
  } finally {
    await client.end({ timeout: 0 });
  }
}
