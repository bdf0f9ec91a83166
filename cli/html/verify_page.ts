/**
 * A verification as a page for a change ticket.
 *
 * @module
 */

import type { SqlVerification } from "../../engine/sql_backend.ts";
import { presentStores, storeTitle } from "../../engine/migration.ts";
import type { VerifyResult } from "../../engine/verify.ts";
import { formatCount, formatCounted, formatDuration, formatTime } from "../output/format.ts";
import { placeText } from "../render/place.ts";
import { VERSION } from "../version.ts";
import { type Html, html, htmlPage, htmlTable } from "./page.ts";

/** What a page tells beside the result. */
export interface VerifyPageOptions {
  readonly created: Date;
  readonly deployment: string;
  readonly durationMs: number;
  readonly full: boolean;
  readonly sample: number;
}

/** Renders the page. */
export function verifyPage(result: VerifyResult, options: VerifyPageOptions): string {
  const { created, deployment, durationMs, full, sample } = options;
  const looked = result.redis.some(({ valid, checksRun }) => valid || checksRun > 0);
  return htmlPage({
    title: "Migration verification",
    verdict: result.ok ? { text: "Verified", kind: "good" } : { text: "Not verified", kind: "bad" },
    facts: [
      ["Deployment", deployment === "" ? "(no deployment ID)" : deployment],
      ["Stores", result.stores.map(placeText).join(", ")],
      ["Checked", formatTime(created)],
      ["Took", formatDuration(durationMs)],
      [
        "Records",
        !looked
          ? "none"
          : full
          ? "every record"
          : `a random sample of up to ${formatCounted(sample, "tenant")}`,
      ],
      ["Program", `outpost ${VERSION}`],
    ],
  }, [
    ...presentStores(result).map(([store, found]) => storeSection(storeTitle(store), found)),
    result.redis.length === 0 ? "" : html`<h2>Redis</h2>${
      htmlTable(
        ["Migration", "Result", "Checks run", "Checks passed", "Accepted as they are"],
        result.redis.map(({ id, valid, checksRun, checksPassed, accepted }) => [
          id,
          mark(valid),
          formatCount(checksRun),
          formatCount(checksPassed),
          formatCount(accepted),
        ]),
        { numbers: ["Checks run", "Checks passed", "Accepted as they are"] },
      )
    }`,
    ...result.redis.map(({ id, issues }) => issueList(id, issues)),
  ]);
}

function storeSection(name: string, found: SqlVerification): Html {
  return html`<h2>${name}</h2>${
    htmlTable(["Version", "Latest", "Dirty", "Result"], [[
      found.current,
      found.latest,
      found.dirty ? "yes" : "no",
      mark(found.ok),
    ]], { numbers: ["Version", "Latest"] })
  }${issueList(`${name}: issues`, found.issues)}${issueList(`${name}: warnings`, found.warnings)}`;
}

function mark(ok: boolean): Html {
  return ok ? html`<span class="good">verified</span>` : html`<span class="bad">not verified</span>`;
}

function issueList(title: string, issues: readonly string[]): Html {
  if (issues.length === 0) return html``;
  return html`
    <h3>${title}</h3>
    <ul>${issues.map((issue) => html`<li>${issue}</li>`)}</ul>
  `;
}
