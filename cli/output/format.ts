/**
 * Numbers, sizes and times in a form that people read at a glance.
 *
 * @module
 */

import { thousands } from "../../engine/thousands.ts";

/** Stands for a number that could not be counted. */
const UNKNOWN = "?";

/** `1234567` as `1,234,567`. */
export function formatCount(count: number | null): string {
  return count === null ? UNKNOWN : thousands(count);
}

/** A count with its noun: `1 record`, `2,000 records`. */
export function formatCounted(count: number | null, noun: string, plural = `${noun}s`): string {
  if (count === null) return `${UNKNOWN} ${plural}`;
  return `${formatCount(count)} ${Math.round(count) === 1 ? noun : plural}`;
}

/** Bytes as `512 B`, `1.5 MiB`, `20 GiB`. */
export function formatBytes(bytes: number | null): string {
  if (bytes === null) return UNKNOWN;
  let size = bytes;
  let unit = 0;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  while (size >= 1023.5 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 || size >= 9.95 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** Milliseconds as `340 ms`, `2.1 s`, `3 m 04 s`, `2 h 05 m`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} m`;
}

/** A moment in the past as `4 s ago`, `12 minutes ago`, `3 days ago`. */
export function formatAge(then: Date, now: Date): string {
  const seconds = Math.max(0, Math.round((now.getTime() - then.getTime()) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} minutes ago`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} hours ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

/** RFC 3339 in UTC, whole seconds, for people. */
export function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Date and minute in UTC, for tables. */
export function formatMinute(time: Date): string {
  return time.toISOString().slice(0, 16).replace("T", " ");
}
