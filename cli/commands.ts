/**
 * All commands, in the order in which help lists them.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { completeFrom, completions } from "./completions.ts";
import { config } from "./config.ts";
import { applyCommand } from "./migrate/apply.ts";
import { cleanupCommand } from "./migrate/cleanup.ts";
import { downCommand } from "./migrate/down.ts";
import { forceCommand } from "./migrate/force.ts";
import { grantsCommand } from "./migrate/grants.ts";
import { initCommand } from "./migrate/init.ts";
import { listCommand } from "./migrate/list.ts";
import { newCommand } from "./migrate/new.ts";
import { planCommand } from "./migrate/plan.ts";
import { prepareCommand } from "./migrate/prepare.ts";
import { resolveCommand } from "./migrate/resolve.ts";
import { statusCommand } from "./migrate/status.ts";
import { unlockCommand } from "./migrate/unlock.ts";
import { verifyCommand } from "./migrate/verify.ts";
import { serve } from "./serve/serve.ts";

/** Every command. */
export const COMMANDS: readonly Command[] = [
  initCommand,
  listCommand,
  statusCommand,
  planCommand,
  prepareCommand,
  applyCommand,
  verifyCommand,
  cleanupCommand,
  resolveCommand,
  downCommand,
  forceCommand,
  unlockCommand,
  grantsCommand,
  newCommand,
  serve,
  config,
  completions,
  completeFrom(() => COMMANDS),
];
