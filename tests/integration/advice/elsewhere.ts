/**
 * Advice that other tests follow, since they stage what leads to it: an outage, a cluster on the move, a race.
 *
 * @module
 */

/** By advice, the file under `tests/` and the beginning of the test's name. */
export const ELSEWHERE: Readonly<Record<string, readonly [file: string, test: string]>> = {
  // The program was stopped, or cut off.
  "Remove the cause and run {} again: what is done stays done": [
    "integration/cli/failures_test.ts",
    "a server that is out of memory stops the run, and says so; the next one goes on",
  ],
  "Remove the cause and run the same command again: what is done stays done": [
    "integration/postgres/concurrent_step_test.ts",
    "up() says that what ran before a failure stays, and does the rest once the cause is gone",
  ],
  "Run the same command again: it does the rest": [
    "integration/postgres/concurrent_step_test.ts",
    "up() continues a step without a transaction that was killed at any statement",
  ],
  "What was not committed is undone: run the same command again": [
    "integration/postgres/crash_test.ts",
    "up() leaves nothing of a step that was killed on its way",
  ],
  "Finish it with {}": [
    "integration/postgres/concurrent_step_test.ts",
    "up() runs a step without a transaction, recorded before and after, and down() takes it back",
  ],
  "Run the same command again: what is done stays done": [
    "faults/faults_test.ts",
    "under random faults, exit 0 means that all is done, and after every other exit a plain run does it",
  ],
  "See what Redis says in its own log, then run the same command again: what is done stays done": [
    "faults/faults_test.ts",
    "under random faults, exit 0 means that all is done, and after every other exit a plain run does it",
  ],
  "Give Redis more memory (maxmemory), then run the same command again: what is done stays done": [
    "integration/redis/room_test.ts",
    "a server at its limit that refuses writes fails a run honestly, and can be cleaned up",
  ],
  "Nothing was deleted. Run the same command again when the replicas follow": [
    "integration/redis/failover_test.ts",
    "cleanup() deletes nothing before the replicas have confirmed the copies",
  ],
  "End the move (redis-cli --cluster fix HOST:PORT), then run the same command again: what is done stays done":
    [
      "integration/redis/open_slots_test.ts",
      "apply() converts what can be of a slot left halfway, looks once, and fails with the slot's number",
    ],
  "Run the same command again when the resharding is over: what is done stays done": [
    "integration/redis/cluster_test.ts",
    "apply() migrates every record of all masters while slots move between them",
  ],
  // Somebody else did something in the meantime.
  "Look at what is there now with {}": [
    "integration/engine/engine_test.ts",
    "force() does nothing when somebody else was faster than the answer, or a newer release at work",
  ],
  "Look at what is there now with {}, and name the version to go to: {}": [
    "integration/engine/engine_test.ts",
    "down() does nothing when somebody else was faster than the answer",
  ],
  "Run the same command again: they are then changed in place, step by step": [
    "integration/postgres/fold_test.ts",
    "Steps run one by one where anything of an operator's would be lost, and the plan says why",
  ],
  "Stop the application, or let it write less, and run the same command again: nothing is lost": [
    "integration/postgres/prepare_busy_test.ts",
    "A switch that writers outrun in every moment ends, says so, and is had once they stop",
  ],
  "Run the same command again: it shows what is left to be done": [
    "integration/cli/agreed_test.ts",
    "apply ends with 5 and does nothing where somebody else did a part of what was shown",
  ],
  "Look at it again with {}": [
    "integration/postgres/variant_test.ts",
    "apply() does nothing when a step would run in another way than the plan showed",
  ],
  "Something hangs on the table or the column: see with {} what it is": [
    "integration/postgres/preflight_test.ts",
    "up() speaks of what hangs on a column, and of no standby, where the server says so after all",
  ],
  "A long transaction holds the table: end it, or allow more time or more tries for locks": [
    "integration/postgres/outage_test.ts",
    "up() gives up after its last retry, undone and with the way out",
  ],
  "Wait until it is done, or clear it all the same with {}": [
    "integration/lock/clear_lock_test.ts",
    "clearLock() refuses while the holder's heartbeat is fresh, unless forced",
  ],
  "Stop whoever writes it, and look whether this is the Redis that is meant": [
    "security/redis_test.ts",
    "unlock gives up on a Redis whose lock is there however often it is deleted",
  ],
  "Row level security hides rows of that table from this role: connect {}": [
    "integration/postgres/hidden_rows_test.ts",
    "up() refuses where a policy hides rows of",
  ],
  // Servers of their own kind.
  "Connect to Postgres itself, or to a pool with pool_mode = session": [
    "integration/postgres/pooler_test.ts",
    "connect() migrates through a pooler in session mode",
  ],
  "Name the cluster whose replicas hold the tables; the server lists what it knows in system.clusters": [
    "integration/clickhouse/cluster_test.ts",
    "what is known beforehand to stand in the way is named",
  ],
  "Replace it by a replicated table on every server, or name no cluster where there is one server": [
    "integration/clickhouse/cluster_test.ts",
    "what is known beforehand to stand in the way is named",
  ],
  "Have it send what it holds (SYSTEM FLUSH DISTRIBUTED), take it away, and make it anew for the new columns afterwards":
    [
      "integration/clickhouse/dependants_test.ts",
      "blockers() names what passes on rows to a column that a step of ClickHouse takes away",
    ],
  "Attach it (ALTER TABLE {} ATTACH PARTITION ID '{}'); if its rows are not wanted, take them out of the folder \"detached\"":
    [
      "integration/clickhouse/dependants_test.ts",
      "blockers() names what is detached from a table that loses a column",
    ],
  "Give the ClickHouse user the rights that {} shows": [
    "integration/clickhouse/backend_test.ts",
    "a right that the server refuses is named, and what migrate grants prints is what it reads",
  ],
  "One of the two has not the columns that it is made with: give them back, or take it out of a backup": [
    "integration/clickhouse/backend_test.ts",
    "read(), plan() and verify() lead to the bookkeeping where that lacks a column",
  ],
  "Check the user and its password": [
    "integration/clickhouse/backend_test.ts",
    "read() says that the store refuses, or cannot be reached",
  ],
  "Check the parameters of the Postgres URL: what no client knows is taken for a setting of the server, and this is none":
    [
      "integration/cli/postgres_client_test.ts",
      "a parameter of the URL that is no setting of the server is told as that",
    ],
  "Check the name of the database": [
    "integration/clickhouse/backend_test.ts",
    "read() says that the store refuses, or cannot be reached",
  ],
  "Remove the cause and apply again: the step continues, each of its statements may be repeated": [
    "integration/clickhouse/backend_test.ts",
    "up() continues a step that was cut off at any statement",
  ],
  "Look with this query what is left, and run the same command again: it goes on from there": [
    "integration/clickhouse/live_test.ts",
    "up() and down() cut off again and again, each time later, end as if they had not been",
  ],
  // Of the library and of folders of steps, which the program does not let come that far.
  "judge() and decide() have to answer null for what is a copy": [
    "integration/redis/own_answers_test.ts",
    "apply() refuses to make copies of copies",
  ],
  "judge() and decide() have to answer null for a key to leave alone": [
    "integration/redis/own_answers_test.ts",
    "plan() and apply() refuse what a migration must not answer, and change nothing",
  ],
  "ownerOf() has to answer null for a hash that lists anything but records": [
    "integration/redis/own_answers_test.ts",
    "apply() says what recordOf() leaves open of a list",
  ],
  "It has to answer at once: it may be asked about each record": [
    "integration/redis/own_answers_test.ts",
    "list() and apply() say that a migration cannot tell whether it applies",
  ],
  "It has to answer why there is nothing to do, or null when it applies": [
    "integration/redis/own_answers_test.ts",
    "list() and apply() say that a migration cannot tell whether it applies",
  ],
  "stateKey() has to give each migration a key of its own, and the lock and its fence have others": [
    "integration/redis/own_answers_test.ts",
    "createEngine() refuses two keys of one name",
  ],
  "It has to answer null for what is as it should be: read the fields that it sets, and look at them": [
    "integration/redis/own_answers_test.ts",
    "plan() and apply() refuse what a migration must not answer, and change nothing",
  ],
  "It has to answer fields, each followed by its value, as bytes; null for nothing to do; or which field is invalid":
    [
      "integration/redis/own_answers_test.ts",
      "plan() and apply() refuse what a migration must not answer, and change nothing",
    ],
  "Pass a Redis or a Cluster of ioredis": ["unit/engine/redis/client_test.ts", "admitClient() takes Redis"],
  "Pass a client of its own without that option": [
    "unit/engine/redis/client_test.ts",
    "admitClient() refuses options that change keys, commands or replies, or read from replicas",
  ],
  "Undo by hand what it did, then set the version: {}": [
    "integration/engine/ley_project_test.ts",
    "A file of ley that fails leaves nothing behind, and its table as it was",
  ],
  "Only the files of the released steps belong into that folder": [
    "unit/engine/sql/ley_test.ts",
    "runThroughLey() runs nothing when the folder and the registry disagree",
  ],
  "Steps are applied in order, one after the other": [
    "contract/sql_contract.ts",
    "up() applies the next step alone, and records when",
  ],
  "Steps are taken back in order, the newest first": [
    "contract/sql_contract.ts",
    "down() takes the newest step back alone, down to nothing",
  ],
  // What is prepared beside the application.
  "Next: outpost migrate apply  once the old server is stopped: it only switches": [
    "integration/cli/prepare_test.ts",
    "prepare, status, plan and apply tell one story",
  ],
  "Next: outpost migrate {}  what is prepared stands in the way": [
    "integration/cli/prepare_test.ts",
    "plan leads through what is prepared in part, or of no use, to what can be applied",
  ],
  "Go on with {}, or take away what is prepared with {}": [
    "integration/cli/prepare_test.ts",
    "prepare, status, plan and apply tell one story",
  ],
  "Nothing of it takes long: {} does it": [
    "integration/cli/prepare_test.ts",
    "prepare, status, plan and apply tell one story",
  ],
  "Do first what takes no time: {}": [
    "integration/cli/prepare_test.ts",
    "prepare says what has to be done before it, and what is left for it to do",
  ],
  "Nothing else takes long: {} does it": [
    "integration/cli/prepare_test.ts",
    "prepare says what has to be done before it, and what is left for it to do",
  ],
  "Take it away with {}, and prepare anew": [
    "integration/postgres/prepare_test.ts",
    "An application goes on while its tables are prepared, killed, taken away and prepared again",
  ],
  "Finish it with {}, or do without it: {}": [
    "integration/postgres/prepare_refusals_test.ts",
    "What is not finished is refused by the session itself, and so is a database without an encoding",
  ],
  "Take it away with {}, or in one go with {}": [
    "integration/cli/prepare_test.ts",
    "apply --no-prepared takes away what is prepared and does all of the work",
  ],
  "Remove it, or do without what is prepared: {}": [
    "integration/cli/prepare_test.ts",
    "apply --no-prepared takes away what is prepared and does all of the work",
  ],
};

/** Advice that no test follows, with the reason. */
export const NOT_TRIED: Readonly<Record<string, string>> = {
  "Say in which cluster they are, so that inserts at every replica are waited for":
    "the ClickHouse of the tests replicates no table",
  "Make room on the disks of the table": "the ClickHouse of the tests has the machine's disk, whole",
  "Remove the cause, or end it with KILL MUTATION, and run the same command again":
    "the ClickHouse of the tests finishes a mutation before it answers",
  "Give createEngine() a Postgres or a ClickHouse": "the program refuses earlier",
  "The server's disk is full: make room for a second copy of the tables and for the WAL, and run the same again":
    "a file system of its own cannot be had everywhere",
  "If the server is a standby, connect to the primary: target_session_attrs=read-write finds it. Else somebody has made the server or the database read-only (default_transaction_read_only), perhaps because its disk is full":
    "a standby is told when it is connected to, and steps ask for a transaction that writes",
  "The server has no memory left: give it more, or lower work_mem and maintenance_work_mem, and run the same again":
    "the memory of the machine would be gone for every test",
  "Somebody uses the table or the database at this moment: run the same again when it is over":
    "no statement of a step meets it; it is told for what an operator may have added",
  "Rows are in the way that the new form of the table does not allow: see with {} what it is":
    "the rows of every release fit; it is told for constraints that an operator may have added",
  "{}: the server undid it for somebody else's sake": "deadlocks are tried again before they are told",
  "A limit of the server is reached: raise it, and run the same again":
    "limits that are compiled into the server",
  "The server is shutting down or was told to stop: run the same again when it is back":
    "the connection is gone by then, which is told instead",
  "The server's machine is at fault: see the server's log": "it takes a broken machine",
  "The server found a fault of its own, or damaged data: see the server's log before anything is tried again":
    "it takes a broken server",
};
