/**
 * What happens to the servers themselves.
 *
 * @module
 */

import type { Redis } from "ioredis";
import type { Happening } from "../history.ts";
import type { Stage } from "../stage.ts";
import { type RedisWorld, USER } from "./servers.ts";

/** A fault that lasts for some happenings, in which no write is acknowledged. */
export interface LastingFault {
  left: number;
  readonly end: () => Promise<void>;
}

/** Happenings that a fault outlasts at most. */
const LONGEST = 4;

/** What a user may be forbidden for a while, within scripts too. */
const RIGHTS: readonly string[] = [
  ...["info", "eval", "evalsha", "script", "multi", "time", "wait"],
  ...["scan", "type", "exists", "hgetall", "pexpiretime", "memory", "object", "dump"],
  ...["hset", "set", "del", "unlink", "restore", "pexpireat"],
];

/** Does it. @returns What has to be ended later, or null. */
export async function disturbServers(
  { fault, seed }: Happening & { type: "server_fault" },
  world: RedisWorld,
  stage: Stage,
): Promise<LastingFault | null> {
  const masters = world.masters();
  const lasting = (end: (node: Redis) => Promise<unknown>): LastingFault => ({
    left: seed % LONGEST,
    end: async () => void await Promise.all(masters.map(end)),
  });
  switch (fault) {
    case "script_flush":
      await Promise.all(masters.map((node) => node.script("FLUSH")));
      return null;
    case "client_pause":
      await Promise.all(masters.map((node) => node.call("CLIENT", "PAUSE", 150, "WRITE")));
      return null;
    case "out_of_memory":
      await Promise.all(masters.map((node) => node.config("SET", "maxmemory", "1")));
      return lasting((node) => node.config("SET", "maxmemory", "0"));
    case "read_only":
      if (world.topology !== "single") return null;
      // The replica of a primary that is not there: what it has stays, and it takes no writes.
      await masters[0]!.call("REPLICAOF", "127.0.0.1", "1");
      return lasting((node) => node.call("REPLICAOF", "NO", "ONE"));
    case "move_slots":
      world.moveSlots?.(seed);
      return null;
    case "lag":
      world.lag?.();
      return null;
    case "snapshot":
      await masters[0]!.call("SAVE");
      return null;
    case "restart":
      await world.restart?.();
      return null;
    case "revoke": {
      const right = RIGHTS[seed % RIGHTS.length]!;
      stage.say(`servers: ${right} is taken from the program`);
      await Promise.all(masters.map((node) => node.call("ACL", "SETUSER", USER, `-${right}`)));
      return lasting((node) => node.call("ACL", "SETUSER", USER, `+${right}`));
    }
    case "failover":
      await world.failover?.();
      stage.cutAll();
      return null;
  }
}
