/**
 * Shows commands as a person would type them, and runs them.
 *
 * @module
 */

import { bold, cyan, dim } from "@std/fmt/colors";
import { fromFileUrl } from "@std/path";
import { inheritedEnv } from "../tests/support/environment.ts";

/** Where the commands run. */
export interface StageOptions {
  /** The binary to run instead of this checkout. */
  readonly program: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** Where files are saved. */
  readonly folder: string;
}

/** A command at work whose output is shown when it has ended. */
export interface Running {
  /** Waits until it has said this. Ends with the command in any case. */
  saying(text: string): Promise<void>;
  /** Waits for its end and shows what it said. @throws {UnexpectedStatus} */
  end(why: string): Promise<void>;
}

/** Ends the demo: a command did not end as it should. */
export class UnexpectedStatus extends Error {}

/** Runs commands, one after the other or beside each other. */
export class Stage {
  readonly #options: StageOptions;

  constructor(options: StageOptions) {
    this.#options = options;
  }

  /** Runs `outpost`. @throws {UnexpectedStatus} */
  async run(why: string, expected: number, ...args: readonly string[]): Promise<void> {
    this.#show(why, ["outpost", ...args]);
    const { code } = await this.#command(args, "inherit").spawn().status;
    end(code, expected);
  }

  /** Runs another program, shown as a person at the server would type it. @throws {UnexpectedStatus} */
  async other(why: string, words: readonly string[], how: readonly string[]): Promise<void> {
    this.#show(why, words);
    const [program, ...args] = how;
    const { code } = await new Deno.Command(program!, { args, stdout: "inherit", stderr: "inherit" }).spawn()
      .status;
    end(code, 0);
  }

  /** Starts `outpost` as in a terminal of its own: what it says is shown in the end. */
  start(why: string, ...args: readonly string[]): Running {
    this.#show(why, ["outpost", ...args]);
    const process = this.#command(args, "piped").spawn();
    let said = "";
    const streams = [process.stdout, process.stderr].map(async (stream) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) said += text;
    });
    const over = Promise.all(streams);
    let isOver = false;
    void over.then(() => isOver = true);
    return {
      async saying(text) {
        while (!isOver && !said.includes(text)) await new Promise((resolve) => setTimeout(resolve, 20));
      },
      async end(why) {
        await over;
        const { code } = await process.status;
        print(`\n${bold(why)}\n${said.trimEnd()}`);
        end(code, 0);
      },
    };
  }

  #show(why: string, words: readonly string[]): void {
    print(`\n${bold(why)}\n${cyan("$")} ${words.join(" ")}`);
  }

  #command(args: readonly string[], output: "inherit" | "piped"): Deno.Command {
    const { program, env, folder } = this.#options;
    const [word, ...first] = program === undefined
      ? [Deno.execPath(), "run", "-A", "--quiet", fromFileUrl(new URL("../main.ts", import.meta.url))]
      : [program];
    return new Deno.Command(word!, {
      args: [...first, ...args],
      clearEnv: true,
      env: {
        ...inheritedEnv(["TERM", "NO_COLOR"]),
        CONFIG: fromFileUrl(new URL("../tests/support/empty.yaml", import.meta.url)),
        ...env,
      },
      cwd: folder,
      stdin: "null",
      stdout: output,
      stderr: output,
    });
  }
}

function end(code: number, expected: number): void {
  print(dim(`(exit status ${code})`));
  if (code !== expected) throw new UnexpectedStatus(`The demo expected exit status ${expected}.`);
}

/** Says something about the demo itself. */
export function note(text: string): void {
  print(dim(`# `) + text);
}

/** Writes a line. */
export function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
