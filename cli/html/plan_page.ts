/**
 * A plan as a page for a change ticket.
 *
 * @module
 */

import type { RedisMigrationPlan } from "../../engine/redis_backend.ts";
import type { SqlPlan, SqlStepPlan } from "../../engine/sql/sql_plan.ts";
import type { PlanToTell } from "../migrate/plan_to_tell.ts";
import { formatBytes, formatCount, formatCounted, formatTime } from "../output/format.ts";
import { wayOut } from "../output/typed_command.ts";
import { estimates } from "../render/estimate.ts";
import { placeText } from "../render/place.ts";
import { INVALID_ADVICE, invalidRecords } from "../render/invalid.ts";
import { VERSION } from "../version.ts";
import { presentStores, storeTitle } from "../../engine/migration.ts";
import { recordsText, stepsOf } from "../render/plan.ts";
import { type Html, html, htmlPage, htmlTable } from "./page.ts";

/** What a page tells beside the plan. */
export interface PlanPageOptions {
  readonly created: Date;
  readonly deployment: string;
}

const IRREVERSIBLE = ["rows_deleted", "column_dropped", "table_dropped"];

/** Renders the page. */
export function planPage(plan: PlanToTell, { created, deployment }: PlanPageOptions): string {
  const steps = stepsOf(plan);
  const todo = [
    ...(steps.length > 0 ? [formatCounted(steps.length, "SQL step")] : []),
    ...(plan.redis.length > 0 ? [formatCounted(plan.redis.length, "Redis migration")] : []),
  ];
  const losses = steps.flatMap((step) =>
    step.consequences.filter(({ kind }) => IRREVERSIBLE.includes(kind)).map((loss) =>
      [step.id, loss] as const
    )
  );
  const { blockers } = plan;
  return htmlPage({
    title: "Migration plan",
    verdict: plan.hasChanges
      ? {
        text: todo.length === 0 ? "Nothing that can be told" : `${todo.join(" and ")} to apply`,
        kind: losses.length + blockers.length > 0 ? "warn" : "good",
      }
      : { text: "Nothing to do: no migration is pending", kind: "good" },
    facts: [
      ["Deployment", deployment === "" ? "(no deployment ID)" : deployment],
      ["Stores", plan.stores.map(placeText).join(", ")],
      ["Planned", formatTime(created)],
      ["Redis", recordsText(plan)],
      ["May take", estimates(plan, { limited: false }).join(" ") || "no time"],
      ["Digest", html`<code>${plan.digest}</code>`],
      ["Program", `outpost ${VERSION}`],
    ],
  }, [
    blockers.length === 0 ? "" : html`<h2>What stands in the way</h2>${
      htmlTable(
        ["Store", "Where", "What", "What to do"],
        blockers.map((blocker) => {
          const { store, object, detail } = blocker;
          return [store, html`<code>${object}</code>`, detail, wayOut(blocker)];
        }),
      )
    }`,
    losses.length === 0 ? "" : html`<h2>What goes</h2>${
      htmlTable(
        ["Migration", "Table", "What goes", "Rows"],
        losses.map((
          [id, loss],
        ) => [id, html`<code>${loss.table}</code>`, loss.detail, formatCount(loss.rows)]),
        { numbers: ["Rows"] },
      )
    }`,
    ...presentStores(plan).map(([store, found]) => storeSection(storeTitle(store), found)),
    plan.redis.length === 0 ? "" : html`<h2>Redis</h2>${plan.redis.map(redisSection)}`,
    plan.hasChanges && blockers.length === 0
      ? html`
        <h2>To apply it${invalidRecords(plan).count > 0 ? ", when the records are repaired" : ""}</h2>
        <pre>outpost migrate apply --yes
        outpost migrate verify</pre>
      `
      : plan.adoptable
      ? html`
        <h2>To see whether what older tools recorded is so</h2>
        <pre>outpost migrate init</pre>
      `
      : "",
  ]);
}

function storeSection(name: string, store: SqlPlan): Html {
  if (store.steps.length === 0) return html``;
  const last = Number(store.steps.at(-1)!.id.split("/")[1]);
  const held = store.held === undefined ? "" : html`<p class="warn">Not counted: ${store.held}</p>`;
  return html`<h2>${name}: from version ${store.current} to ${last}</h2>${held}${groupingSection(store)}${
    store.steps.map(stepSection)
  }`;
}

function groupingSection({ steps, grouping, preparation }: SqlPlan): Html {
  if (grouping === undefined) return html``;
  const ids = steps.map(({ id }) => id).filter((id) => grouping.together.includes(Number(id.split("/")[1])));
  if (grouping.prepared) {
    return html`<p>${ids[0]!} to ${ids.at(
      -1,
    )!} are prepared${
      preparation?.ready === false ? " in part: once that is finished," : ":"
    } the new tables only change places with the old ones.</p>`;
  }
  return ids.length === 0
    ? html`<p class="warn">Tables are changed in place, step by step: ${grouping.apart.join("; ")}</p>`
    : html`<p>${ids[0]!} to ${ids.at(-1)!} run in one rewrite, all or nothing.${
      grouping.needs === undefined
        ? ""
        : ` Disk beside what is there, and WAL as well: about ${formatBytes(grouping.needs.disk)}.`
    }</p>`;
}

function stepSection(step: SqlStepPlan): Html {
  const tables = step.tables.map((table) => [
    html`<code>${table.name}</code>`,
    formatCount(table.rows),
    formatBytes(table.bytes),
    table.lock,
    table.rewrite ? html`<span class="warn">rewritten</span>` : "",
  ]);
  const consequences = step.consequences.map(({ kind, table, detail, rows }) => [
    html`<span class="${IRREVERSIBLE.includes(kind) ? "bad" : "dim"}">${kind.replace("_", " ")}</span>`,
    html`<code>${table}</code>`,
    detail,
    rows === 0 ? "" : formatCount(rows),
  ]);
  return html`<h3>${step.id} ${step.name}</h3><p>${step.description}</p>${
    tables.length === 0
      ? ""
      : htmlTable(["Table", "Rows", "Size", "Strongest lock", "Data"], tables, { numbers: ["Rows", "Size"] })
  }${
    consequences.length === 0
      ? ""
      : htmlTable(["Consequence", "Table", "Detail", "Rows"], consequences, { numbers: ["Rows"] })
  }<details><summary>${formatCounted(step.statements.length, "statement")}</summary>${
    step.statements.map((statement) => html`<pre>${statement.trim()}</pre>`)
  }</details>`;
}

function redisSection(migration: RedisMigrationPlan): Html {
  const scope = Object.entries(migration.scope).filter(([kind]) => kind !== "invalid").map((
    [kind, count],
  ) => [kind, formatCount(count)]);
  return html`<h3>${migration.id}</h3><p>${migration.description}</p><p>${
    formatCounted(migration.estimatedItems, "record")
  }</p>${scope.length === 0 ? "" : htmlTable(["Records", "Count"], scope, { numbers: ["Count"] })}${
    migration.examples.map(({ key, before, after }) =>
      html`<p>For example <code>${key}</code></p>${
        htmlTable(["Before", "After"], [[
          html`<code>${before}</code>`,
          html`<code>${after}</code>`,
        ]])
      }`
    )
  }${invalidSection(migration)}`;
}

function invalidSection({ invalidItems, invalid }: RedisMigrationPlan): Html {
  if (invalidItems === 0) return html``;
  const shown = invalid.map((
    { key, field, value },
  ) => [html`<code>${key}</code>`, field, html`<code>${value}</code>`]);
  const some = invalidItems > invalid.length ? `, of which ${invalid.length} are shown` : "";
  return html`<p class="bad">${
    formatCounted(invalidItems, "record")
  } cannot be converted${some}. ${INVALID_ADVICE}</p>${
    htmlTable(["Key", "Field", "Value"], shown, { numbers: [] })
  }`;
}
