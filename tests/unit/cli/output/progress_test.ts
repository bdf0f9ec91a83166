import { assert, assertEquals } from "@std/assert";
import type { Progress as RunProgress } from "../../../../engine/migration.ts";
import { Logger } from "../../../../cli/output/log.ts";
import { Progress, renderProgress } from "../../../../cli/output/progress.ts";
import { displayWidth, PLAIN } from "../../../../cli/output/style.ts";

const some: RunProgress = {
  id: "redis/002_timestamps",
  processed: 900,
  failed: 2,
  skipped: 98,
  total: 4000,
  ratePerSecond: 1500,
  remainingMs: 2000,
};

Deno.test("renderProgress() shows bar, counts, rate, time left and failures", () => {
  assertEquals(
    renderProgress(some, { style: PLAIN, width: 120, bar: true }),
    "redis/002_timestamps  [======                  ] 25%  1,000 of about 4,000 records  1,500/s  2.0 s left  2 failed",
  );
  assertEquals(
    renderProgress(some, { style: PLAIN, width: Infinity, bar: false }),
    "redis/002_timestamps  25%  1,000 of about 4,000 records  1,500/s  2.0 s left  2 failed",
  );
});

Deno.test("renderProgress() drops what matters least on a narrow screen and never exceeds it", () => {
  for (let width = 20; width < 120; width++) {
    const line = renderProgress(some, { style: PLAIN, width, bar: true });
    assert(displayWidth(line) <= width, `${width}: ${line}`);
    assert(line.startsWith("redis/002_timestamp"));
  }
  assertEquals(
    renderProgress(some, { style: PLAIN, width: 70, bar: true }),
    "redis/002_timestamps  1,000 of about 4,000 records  2 failed",
  );
});

Deno.test("renderProgress() does without a total, and never calls a run complete that goes on", () => {
  const unknown = { ...some, total: null, remainingMs: null, failed: 0 };
  assertEquals(
    renderProgress(unknown, { style: PLAIN, width: 120, bar: true }),
    "redis/002_timestamps  998 records  1,500/s",
  );
  const over = renderProgress({ ...some, total: 500 }, { style: PLAIN, width: 120, bar: true });
  assert(over.includes(" 99%") && over.includes("1,000 of about 1,000 records"), over);
});

function makeProgress({ terminal, shown = true }: { readonly terminal: boolean; readonly shown?: boolean }) {
  let written = "";
  let now = 1_000_000;
  const sink = { terminal, write: (text: string) => void (written += text) };
  const clock = () => new Date(now);
  const scrub = (text: string) => text;
  const log = new Logger({ sink, format: "text", level: "info", style: PLAIN, scrub, now: clock });
  const progress = new Progress({ sink, log, style: PLAIN, columns: () => 80, now: clock, shown });
  return { progress, log, written: () => written, wait: (ms: number) => void (now += ms) };
}

Deno.test("Progress renews one line on a terminal and makes room for log lines", () => {
  const { progress, log, written, wait } = makeProgress({ terminal: true });
  progress.restart();
  progress.update(some);
  progress.update(some); // Too soon: not drawn.
  wait(200);
  progress.update({ ...some, processed: 1000 });
  log.info("done");
  assertEquals(written().split("\r").length - 1, 3);
  assert(written().endsWith("\r\x1b[Kdone\n"), JSON.stringify(written()));
});

Deno.test("Progress writes a plain line every five seconds elsewhere", () => {
  const { progress, written, wait } = makeProgress({ terminal: false });
  progress.restart();
  for (let i = 0; i < 24; i++) {
    wait(500);
    progress.update(some);
  }
  assertEquals(written().trimEnd().split("\n").length, 2);
  assert(!written().includes("\r") && !written().includes("["));
});

Deno.test("Progress is silent when it is not shown", () => {
  const { progress, written, wait } = makeProgress({ terminal: true, shown: false });
  wait(10_000);
  progress.update(some);
  progress.say("waiting");
  assertEquals(written(), "");
});

Deno.test("Logger writes one JSON object a line, from its level on, without secrets", () => {
  let written = "";
  const log = new Logger({
    sink: { terminal: false, write: (text) => void (written += text) },
    format: "json",
    level: "info",
    style: PLAIN,
    scrub: (text) => text.replaceAll("hunter2", "[hidden]"),
    now: () => new Date("2024-03-01T12:00:00Z"),
  });
  log.debug("not written");
  log.warn("the password is hunter2", { migration: "sql/000005", failed: 2 });
  assertEquals(JSON.parse(written), {
    time: "2024-03-01T12:00:00.000Z",
    level: "warn",
    message: "the password is [hidden]",
    migration: "sql/000005",
    failed: 2,
  });
});
