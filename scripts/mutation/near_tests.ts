/**
 * Which tests on real servers are about which files of the product, for faults to be put before those first.
 *
 * @module
 */

/** Beginnings of paths, and files of tests in the order in which they are asked. The first row that fits holds. */
const NEAR: readonly (readonly [path: string, tests: string])[] = [
  ["engine/redis/copy/across_nodes", "redis/across_nodes redis/changing_records redis/cluster"],
  [
    "engine/redis/copy/cleanup",
    "redis/backend redis/deleting redis/hash_tags redis/newer_copies redis/changing_records redis/two_forms",
  ],
  [
    "engine/redis/copy/content",
    "redis/newer_copies redis/large_records redis/backend redis/two_forms redis/across_nodes",
  ],
  [
    "engine/redis/copy/delete_proven",
    "redis/deleting redis/backend redis/hash_tags redis/newer_copies redis/changing_records redis/two_forms",
  ],
  [
    "engine/redis/copy/dead_lists",
    "redis/two_forms redis/hash_tags redis/named_records scoreboard/two_forms",
  ],
  ["engine/redis/copy/judgement", "redis/newer_copies redis/two_forms redis/backend"],
  ["engine/redis/copy/resolve", "redis/resolve redis/two_forms"],
  ["engine/redis/copy/verdict", "redis/newer_copies redis/two_forms redis/resolve redis/backend"],
  ["engine/redis/backend", "contract/redis redis/backend redis/one_pass redis/bookkeeping cli/walk"],
  ["engine/redis/bookkeeping", "redis/bookkeeping contract/redis redis/backend"],
  ["engine/redis/bulk_reads", "redis/bulk_reads redis/named_records redis/backend"],
  ["engine/redis/client", "redis/connect redis/another_copy"],
  ["engine/redis/ends", "redis/ends redis/older_server redis/field_ends redis/backend"],
  ["engine/redis/errors", "redis/connect cli/failures cli/grants cli/permissions"],
  ["engine/redis/lock/fence", "lock/fence lock/acquire_lock redis/cluster"],
  ["engine/redis/lock/", "lock/acquire_lock lock/clear_lock lock/connections lock/silent_redis lock/fence"],
  [
    "engine/redis/lookalikes",
    "redis/lookalikes redis/hash_tags redis/markers redis/named_records redis/backend",
  ],
  ["engine/redis/migration", "redis/backend redis/one_pass redis/bookkeeping"],
  ["engine/redis/pass", "redis/one_pass redis/backend redis/named_records"],
  ["engine/redis/rights", "cli/grants redis/connect redis/markers cli/failures"],
  [
    "engine/redis/scripts/copying",
    "redis/backend redis/field_writes redis/newer_copies redis/changing_records redis/large_records",
  ],
  ["engine/redis/scripts/deleting", "redis/deleting redis/backend redis/newer_copies redis/changing_records"],
  ["engine/redis/scripts/listing", "redis/deletion redis/two_forms redis/hash_tags redis/named_records"],
  ["engine/redis/scripts/reading", "redis/bulk_reads redis/named_records redis/backend"],
  ["engine/redis/scripts/script", "redis/ends redis/field_ends redis/older_server redis/backend"],
  [
    "engine/redis/scripts/settling",
    "redis/deleting redis/two_forms redis/resolve redis/newer_copies redis/changing_records",
  ],
  [
    "engine/redis/scripts/writing",
    "redis/recording redis/field_writes redis/field_ends redis/backend redis/changing_records",
  ],
  ["engine/redis/store", "redis/by_node redis/backend redis/cluster"],
  ["engine/redis/stored_state", "redis/bookkeeping redis/backend contract/redis"],
  ["engine/redis/topology", "redis/cluster redis/failover redis/open_slots"],
  [
    "engine/redis/transform/",
    "redis/backend redis/one_pass redis/resolve redis/changing_records redis/bookkeeping redis/two_forms",
  ],
  ["engine/redis/verification", "contract/redis redis/backend redis/sample"],
  ["engine/redis/walk/key_search", "redis/walk redis/named_records redis/sample cli/forms"],
  ["engine/redis/walk/draw", "redis/sample redis/walk redis/named_records"],
  ["engine/redis/walk/sample", "redis/sample redis/walk redis/named_records redis/backend"],
  ["engine/redis/walk/walk.ts", "redis/open_slots redis/walk redis/backend redis/cluster"],
  ["engine/redis/walk/walk_group", "redis/walk redis/one_pass redis/backend engine/fleet"],
  ["engine/redis/walk/progress", "redis/walk redis/backend contract/redis"],
  ["engine/redis/walk/pacing", "redis/walk redis/backend"],
  ["engine/redis/walk/", "redis/walk redis/failover redis/cluster redis/backend redis/sample"],
  [
    "engine/clickhouse/cluster",
    "clickhouse/cluster contract/clickhouse clickhouse/backend scoreboard/clickhouse",
  ],
  [
    "engine/clickhouse/",
    "contract/clickhouse clickhouse/backend clickhouse/cluster scoreboard/clickhouse cli/failures",
  ],
  [
    "engine/sql/standing",
    "contract/postgres postgres/bookkeeping contract/clickhouse postgres/quarantine cli/forms",
  ],
  [
    "engine/sql/step_backend",
    "contract/postgres postgres/plan postgres/ways postgres/trusted_tables cli/prepare contract/clickhouse engine/ley_project",
  ],
  ["engine/sql/step.ts", "contract/postgres postgres/bookkeeping engine/library"],
  ["engine/sql/fold_plan", "postgres/plan postgres/fold contract/postgres"],
  ["engine/sql/ways", "postgres/ways postgres/plan postgres/fold postgres/variant contract/postgres"],
  ["engine/sql/rewrite", "postgres/fold postgres/ways postgres/data postgres/prepare"],
  ["engine/sql/schema_changes", "postgres/schema postgres/bookkeeping contract/postgres"],
  ["engine/postgres/prepare/describe", "postgres/prepare postgres/prepare_refusals cli/prepare"],
  ["engine/postgres/prepare/dwindling", "postgres/prepare_busy postgres/prepare"],
  ["engine/postgres/prepare/intake", "postgres/prepare_busy postgres/prepare"],
  [
    "engine/postgres/prepare/",
    "postgres/prepare postgres/prepare_refusals cli/prepare postgres/prepare_busy",
  ],
  ["engine/postgres/foldable", "postgres/fold postgres/ways postgres/plan postgres/hidden_rows"],
  ["engine/postgres/fold.ts", "postgres/ways postgres/fold postgres/plan contract/postgres"],
  ["engine/postgres/fold_runner", "postgres/ways postgres/fold postgres/plan contract/postgres"],
  [
    "engine/postgres/activity",
    "cli/live_steps postgres/preflight postgres/plan cli/forms postgres/held_tables",
  ],
  ["engine/postgres/beforehand", "postgres/beforehand postgres/concurrent_step"],
  ["engine/postgres/chosen_way", "postgres/variant postgres/beforehand postgres/ways"],
  [
    "engine/postgres/bookkeeping",
    "postgres/bookkeeping engine/ley_project contract/postgres postgres/trusted_tables postgres/frozen_run",
  ],
  ["engine/postgres/clean_up", "postgres/trusted_tables postgres/quarantine postgres/data"],
  ["engine/postgres/counter", "postgres/plan postgres/ways"],
  ["engine/postgres/ley_project", "engine/ley_project"],
  ["engine/postgres/lock.ts", "lock/postgres_lock contract/postgres postgres/trusted_tables"],
  [
    "engine/postgres/lock_holders",
    "postgres/held_tables postgres/outage postgres/table_locks postgres/preflight scoreboard/locks",
  ],
  ["engine/postgres/patience", "postgres/outage postgres/table_locks postgres/held_tables"],
  [
    "engine/postgres/pinned_connection",
    "postgres/late_cancel postgres/outage postgres/query cli/standby postgres/crash lock/postgres_lock",
  ],
  ["engine/postgres/session", "contract/postgres postgres/ways postgres/prepare postgres/outage"],
  ["engine/postgres/standing", "contract/postgres postgres/bookkeeping postgres/crash"],
  [
    "engine/postgres/step_records",
    "contract/postgres postgres/bookkeeping postgres/trusted_tables postgres/frozen_run",
  ],
  [
    "engine/postgres/transaction",
    "contract/postgres postgres/outage postgres/table_locks postgres/ways postgres/held_tables",
  ],
  ["engine/postgres/trusted_tables", "postgres/trusted_tables"],
  ["engine/postgres/write_bookkeeping", "postgres/bookkeeping contract/postgres postgres/crash"],
  [
    "engine/lock/acquire",
    "lock/acquire_lock lock/connections engine/confirmed lock/postgres_lock lock/processes",
  ],
  ["engine/lock/clear", "lock/clear_lock lock/connections cli/failures"],
  ["engine/lock/", "engine/fleet lock/acquire_lock lock/connections"],
  ["engine/apply_run", "cli/invalid_records cli/walk cli/forms engine/engine engine/library"],
  ["engine/apply.ts", "cli/agreed cli/dirty_store cli/forms engine/engine postgres/quarantine cli/failures"],
  ["engine/choose_sql_store", "cli/forms engine/library engine/engine cli/failures"],
  ["engine/cleanup", "cli/walk engine/engine engine/confirmed engine/library"],
  ["engine/create_engine", "engine/library cli/live_steps cli/forms engine/engine engine/fleet"],
  ["engine/engine.ts", "engine/library engine/engine cli/walk"],
  ["engine/errors", "cli/forms cli/failures"],
  ["engine/init", "cli/new engine/engine cli/deployments cli/process cli/walk"],
  ["engine/migration", "cli/forms engine/engine"],
  ["engine/pause", "lock/acquire_lock redis/walk redis/connect"],
  ["engine/plan", "cli/agreed cli/forms engine/engine engine/library cli/walk"],
  ["engine/saved_plan", "cli/agreed engine/engine engine/library cli/failures"],
  ["engine/stores", "cli/missing_stores engine/engine cli/forms"],
  ["engine/timestamp", "redis/backend"],
  ["engine/unlock", "lock/lock_owner lock/clear_lock engine/engine cli/failures"],
  ["migrations/find_deployments", "cli/deployments"],
  ["migrations/redis/00", "redis/backend redis/one_pass contract/redis"],
  ["migrations/redis/", "redis/hash_tags redis/markers redis/named_records redis/backend"],
  ["migrations/sql/clickhouse/", "clickhouse/backend contract/clickhouse clickhouse/live"],
  ["migrations/sql/quarantine", "postgres/quarantine postgres/data postgres/plan postgres/prepare"],
  ["migrations/sql/postgres/000008", "postgres/beforehand postgres/variant postgres/schema"],
  ["migrations/sql/postgres", "postgres/preflight postgres/plan postgres/schema contract/postgres"],
];

/** Where the folders of the table are. */
const FOLDERS: Readonly<Record<string, string>> = {
  contract: "tests/contract",
  scoreboard: "tests/scoreboard",
};

/** @returns Paths of files of tests; none for a file that no row names. */
export function nearTests(file: string): readonly string[] {
  const [, tests] = NEAR.find(([path]) => file.startsWith(path)) ?? ["", ""];
  return tests.split(" ").filter((test) => test !== "").map((test) => {
    const [folder, name] = test.split("/") as [string, string];
    return `${FOLDERS[folder] ?? `tests/integration/${folder}`}/${name}_test.ts`;
  });
}
