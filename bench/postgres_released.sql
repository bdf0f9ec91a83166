-- What the released steps 5 to 10 do to a database, in plain statements: what the time of ours is measured against.
BEGIN;
ALTER TABLE deliveries ADD COLUMN tenant_id text, ADD COLUMN topic text, ADD COLUMN event_time timestamptz,
  ADD COLUMN eligible_for_retry boolean, ADD COLUMN event_data jsonb, ADD COLUMN event_metadata jsonb;
UPDATE deliveries d SET tenant_id = e.tenant_id, topic = e.topic, event_time = e.time,
  eligible_for_retry = e.eligible_for_retry, event_data = e.data, event_metadata = e.metadata
  FROM events e WHERE e.id = d.event_id;
DELETE FROM deliveries WHERE tenant_id IS NULL;
ALTER TABLE deliveries ALTER COLUMN tenant_id SET NOT NULL, ALTER COLUMN topic SET NOT NULL,
  ALTER COLUMN event_time SET NOT NULL, ALTER COLUMN eligible_for_retry SET NOT NULL,
  ALTER COLUMN event_data SET NOT NULL, ALTER COLUMN event_metadata SET NOT NULL;
ALTER TABLE deliveries RENAME TO attempts;
ALTER TABLE deliveries_default RENAME TO attempts_default;
ALTER TABLE attempts RENAME COLUMN attempt TO attempt_number;
DROP TABLE event_delivery_index;
DROP INDEX deliveries_event_id_idx, deliveries_event_id_status_idx, events_tenant_id_destination_id_idx;
ALTER TABLE events DROP COLUMN time_id;
CREATE INDEX idx_events_tenant_time ON events (tenant_id, time DESC, id DESC);
CREATE INDEX idx_events_tenant_topic_time ON events (tenant_id, topic, time DESC, id DESC);
CREATE INDEX idx_events_id ON events (id);
CREATE INDEX idx_attempts_tenant_time ON attempts (tenant_id, time DESC, id DESC);
CREATE INDEX idx_attempts_tenant_dest_time ON attempts (tenant_id, destination_id, time DESC, id DESC);
CREATE INDEX idx_attempts_tenant_status_time ON attempts (tenant_id, status, time DESC, id DESC);
CREATE INDEX idx_attempts_tenant_topic_time ON attempts (tenant_id, topic, time DESC, id DESC);
CREATE INDEX idx_attempts_event_time ON attempts (event_id, time DESC, id DESC);
CREATE INDEX idx_attempts_id ON attempts (id);
COMMIT;
BEGIN;
ALTER TABLE events ALTER COLUMN data TYPE text USING data::text;
ALTER TABLE attempts ALTER COLUMN event_data TYPE text USING event_data::text;
COMMIT;
BEGIN;
ALTER TABLE events ADD COLUMN matched_destination_ids text[] NOT NULL DEFAULT '{}';
CREATE INDEX ON events USING gin (matched_destination_ids);
ALTER TABLE events DROP COLUMN destination_id;
COMMIT;
BEGIN;
ALTER TABLE attempts ADD COLUMN destination_type text NOT NULL DEFAULT '';
CREATE INDEX idx_attempts_tenant_desttype_time ON attempts (tenant_id, destination_type, time DESC, id DESC);
COMMIT;
ALTER TABLE attempts ALTER COLUMN response_data TYPE text USING response_data::text;
ALTER INDEX deliveries_pkey RENAME TO attempts_pkey;
ALTER INDEX deliveries_default_pkey RENAME TO attempts_default_pkey;
