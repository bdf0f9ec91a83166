import { assertEquals } from "@std/assert";
import { describeOwner } from "../../../../engine/lock/describe_owner.ts";

const unknown = {
  ...{ host: null, pid: null, version: null, command: null, migration: null, progress: null },
  ...{ acquiredAt: null, heartbeatAt: null, source: ".outpost:migration_lock", alive: true },
};

Deno.test("describeOwner() tells everything that is known, in one sentence", () => {
  const owner = {
    ...{
      host: "web-1",
      pid: 12,
      version: "1.2.0",
      command: "apply",
      migration: "sql/000005",
      progress: "40%",
    },
    ...{ source: "outpost:migration:lock", alive: false },
    acquiredAt: new Date("2025-01-01T10:00:00Z"),
    heartbeatAt: new Date("2025-01-01T10:05:00Z"),
  };
  assertEquals(
    describeOwner(owner),
    "apply of sql/000005 (40%) on host web-1, process 12, version 1.2.0, holds it since 2025-01-01T10:00:00.000Z, " +
      "last heartbeat 2025-01-01T10:05:00.000Z, which is too long ago (outpost:migration:lock)",
  );
});

Deno.test("describeOwner() names the key when nothing else is known", () => {
  assertEquals(describeOwner(unknown), "another tool holds it (.outpost:migration_lock)");
});
