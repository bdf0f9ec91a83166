/**
 * Every row of the log that was acknowledged, with all that any version of the tables has columns for.
 *
 * @module
 */

/** A row by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>;

/** A delivery and what was known of it. */
export interface Delivery {
  /** Its event was there before it, or before the step that keeps deliveries without one aside. */
  hasEvent: boolean;
  row: Row;
  /** The columns that the table had. */
  columns: readonly string[];
  /** A row under the same key that had been put into the quarantine before. */
  shadowed: Row | null;
}

/** What was acknowledged in one history. */
export class LogLedger {
  readonly events = new Map<string, Row>();
  readonly deliveries = new Map<string, Delivery>();
  /** Deliveries that were deleted. */
  readonly forgotten = new Set<string>();
  readonly indexRows = new Map<string, Row>();
  /** How long each read of the application waited, in milliseconds. */
  readonly waits: number[] = [];
  /** What the application was refused that no migration may keep it from. */
  readonly refusals: string[] = [];
  /** The lowest version that steps may have been taken back to: what its tables have no column for is gone. */
  lowest = Infinity;
}

/** Milliseconds between two rows. */
const STEP_MS = 7000;
const FIRST = Date.parse("2025-03-01T00:00:00Z");
/** Where the operator's own partitions begin. */
export const FAR_YEAR = 2031;

/** The time of a row, in microseconds, as the server writes it. @param far In a range for which a partition may be made. */
function timeOf(n: number, far: boolean): string {
  const time = far ? Date.parse(`${FAR_YEAR}-01-02T00:00:00Z`) + n * 1000 : FIRST + n * STEP_MS;
  return `${new Date(time).toISOString().slice(0, 19)}.123456+00:00`;
}

/** An event. */
export function makeEvent(n: number, far: boolean): Row {
  const destination = n % 5 === 0 ? "" : `dst_${n % 11}`;
  return {
    id: `evt_${n}`,
    tenant_id: `tenant_${n % 7}`,
    destination_id: destination,
    matched_destination_ids: destination === "" ? [] : [destination],
    time: timeOf(n, far),
    topic: `topic.${n % 3}`,
    eligible_for_retry: n % 2 === 0,
    data: { n, note: `bought "${n}" – thanks`, deep: { list: [1, n] } },
    metadata: { source: `s${n % 4}` },
  };
}

/** A delivery of an event, in the words of all versions. @param salt What tells an upsert from the one before. */
export function makeDelivery(n: number, event: Row, salt: number, far: boolean): Row {
  const response = salt % 4 === 0 ? null : { body: `ok ${salt}` };
  return {
    id: `del_${n}`,
    event_id: event.id,
    destination_id: `dst_${n % 11}`,
    status: salt % 3 === 0 ? "failed" : "success",
    time: timeOf(n, far),
    code: String(200 + (salt % 300)),
    response_data: response,
    manual: n % 9 === 0,
    attempt: n % 4,
    attempt_number: n % 4,
    tenant_id: event.tenant_id,
    topic: event.topic,
    event_time: event.time,
    eligible_for_retry: event.eligible_for_retry,
    event_data: event.data,
    event_metadata: event.metadata,
    destination_type: "",
  };
}

/** A row of the index that version 5 drops. */
export function makeIndexRow(delivery: Row): Row {
  const { event_id, id, tenant_id, destination_id, event_time, time, topic, status, manual, attempt } =
    delivery;
  return {
    event_id,
    delivery_id: id,
    tenant_id,
    destination_id,
    event_time,
    delivery_time: time,
    topic,
    status,
    manual,
    attempt,
  };
}
