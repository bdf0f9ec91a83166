/**
 * What would be lost with a partition that is replaced.
 *
 * @module
 */

/** What an operator may have on a table or its partition, and what it takes to be rid of it. */
export const OWN_WORK: readonly (readonly [string, string])[] = [
  [
    `CREATE ROLE giver; GRANT SELECT ON deliveries_default TO giver WITH GRANT OPTION;
    SET ROLE giver; GRANT SELECT ON deliveries_default TO PUBLIC; RESET ROLE`,
    "REVOKE ALL ON deliveries_default FROM giver CASCADE; DROP ROLE giver",
  ],
  ["GRANT SELECT (id) ON events_default TO PUBLIC", "REVOKE ALL (id) ON events_default FROM PUBLIC"],
  ["ALTER TABLE events_default SET (fillfactor = 80)", "ALTER TABLE events_default RESET (fillfactor)"],
  [
    "ALTER TABLE events_default SET (toast.autovacuum_enabled = off)",
    "ALTER TABLE events_default RESET (toast.autovacuum_enabled)",
  ],
  [
    `CREATE SUBSCRIPTION mine CONNECTION 'host=nowhere' PUBLICATION theirs WITH (connect = false);
    SET allow_system_table_mods = on;
    INSERT INTO pg_subscription_rel SELECT oid, 'events_default'::regclass, 'r' FROM pg_subscription WHERE subname = 'mine';
    RESET allow_system_table_mods`,
    "ALTER SUBSCRIPTION mine SET (slot_name = NONE); DROP SUBSCRIPTION mine",
  ],
  [
    "ALTER TABLE events_default ALTER topic SET STATISTICS 500",
    "ALTER TABLE events_default ALTER topic SET STATISTICS -1",
  ],
  [
    "ALTER TABLE events_default ALTER data SET STORAGE EXTERNAL",
    "ALTER TABLE events_default ALTER data SET STORAGE EXTENDED",
  ],
  [
    "ALTER TABLE deliveries_default REPLICA IDENTITY FULL",
    "ALTER TABLE deliveries_default REPLICA IDENTITY DEFAULT",
  ],
  ["ALTER TABLE events_default SET UNLOGGED", "ALTER TABLE events_default SET LOGGED"],
  ["COMMENT ON TABLE deliveries_default IS 'mine'", "COMMENT ON TABLE deliveries_default IS NULL"],
  ["COMMENT ON INDEX events_default_pkey IS 'mine'", "COMMENT ON INDEX events_default_pkey IS NULL"],
  ["CREATE INDEX mine ON deliveries (code)", "DROP INDEX mine"],
  ["CREATE INDEX mine ON events_default (topic)", "DROP INDEX mine"],
  [
    "ALTER INDEX events_default_pkey SET (fillfactor = 50)",
    "ALTER INDEX events_default_pkey RESET (fillfactor)",
  ],
  ["ALTER TABLE events ADD mine int", "ALTER TABLE events DROP mine"],
  [
    "ALTER TABLE deliveries ADD CONSTRAINT mine CHECK (id <> 'never')",
    "ALTER TABLE deliveries DROP CONSTRAINT mine",
  ],
  [
    "ALTER TABLE events_default ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE events_default DISABLE ROW LEVEL SECURITY",
  ],
  ["CREATE VIEW mine AS SELECT id FROM deliveries_default", "DROP VIEW mine"],
  ["CREATE VIEW mine AS SELECT data FROM events", "DROP VIEW mine"],
  ["CREATE RULE mine AS ON DELETE TO events DO INSTEAD NOTHING", "DROP RULE mine ON events"],
  [
    "CREATE TRIGGER mine BEFORE UPDATE ON deliveries FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "DROP TRIGGER mine ON deliveries",
  ],
  ["CREATE PUBLICATION mine FOR TABLE events_default", "DROP PUBLICATION mine"],
  ["CREATE STATISTICS mine ON topic, tenant_id FROM events_default", "DROP STATISTICS mine"],
  [
    "CREATE TABLE mine PARTITION OF deliveries FOR VALUES FROM ('1900-01-01') TO ('1901-01-01')",
    "DROP TABLE mine",
  ],
  [
    `CREATE SCHEMA elsewhere;
    CREATE TABLE elsewhere.mine PARTITION OF deliveries FOR VALUES FROM ('2999-01-01') TO ('3000-01-01')`,
    "DROP SCHEMA elsewhere CASCADE",
  ],
  [
    // Older servers publish no whole schemas.
    `DO $$ BEGIN
      EXECUTE CASE WHEN current_setting('server_version_num')::int >= 150000
                   THEN 'CREATE PUBLICATION mine FOR TABLES IN SCHEMA public'
                   ELSE 'CREATE PUBLICATION mine FOR TABLE events_default' END;
    END $$`,
    "DROP PUBLICATION mine",
  ],
  [
    "ALTER TABLE event_delivery_index_default SET (fillfactor = 90)",
    "ALTER TABLE event_delivery_index_default RESET (fillfactor)",
  ],
];
