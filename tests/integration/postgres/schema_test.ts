import { assertEquals } from "@std/assert";
import { compareSchema } from "../../../engine/postgres/compare_schema.ts";
import { startPostgres } from "../../support/postgres.ts";
import {
  backendOver,
  fill,
  locked,
  migrateTo,
  outpostSchema,
  releasedSchema,
  running,
} from "./deployment.ts";

Deno.test("up() and down() leave the released schema of every version, object by object", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await using session = await locked(backend);
  for (let version = 1; version <= 10; version++) {
    await session.up(version, running());
    assertEquals(await outpostSchema(sql), releasedSchema(version), `after step ${version} up`);
  }
  assertEquals(await backend.verify(), {
    ok: true,
    current: 10,
    latest: 10,
    dirty: false,
    issues: [],
    warnings: [],
  });
  for (let version = 10; version >= 1; version--) {
    await session.down(version, running());
    const found = await outpostSchema(sql);
    // A column that comes back is the last one.
    const moved = version <= 7 ? ["events", "events_default"] : [];
    const expected = releasedSchema(version - 1);
    assertEquals(compareSchema(expected, found, { anyOrder: moved }), [], `after step ${version} down`);
    assertEquals(
      compareSchema(found, expected, { anyOrder: moved }),
      [],
      `nothing more after step ${version} down`,
    );
  }
  for (let version = 1; version <= 10; version++) await session.up(version, running());
  assertEquals(await outpostSchema(sql), releasedSchema(10), "after all the way down and up again");
});

Deno.test("up() and down() leave the released schema of every version where partitions are updated in place", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fill(sql);
  // A comment is enough for the partition to be kept.
  await sql`COMMENT ON TABLE deliveries_default IS 'kept'`;
  await using session = await locked(backend);
  for (let version = 5; version <= 10; version++) {
    await session.up(version, running());
    assertEquals(await outpostSchema(sql), releasedSchema(version), `after step ${version} up`);
  }
  const [comment] = await sql`SELECT obj_description('attempts_default'::regclass) AS text`;
  assertEquals(comment!.text, "kept");
});
