/**
 * `outpost completions`, and the hidden command that the shells call with the words typed so far.
 *
 * @module
 */

import { type Command, type CommandInput, defineCommand } from "./command.ts";
import { UsageError } from "./errors.ts";
import { EXIT } from "./output/error_catalogue.ts";
import { closest } from "./line/suggest.ts";

const SHELLS = ["bash", "zsh", "fish"];

/** Prints the script that teaches a shell. */
export const completions: Command = defineCommand(
  {
    path: "completions",
    summary: "Print the script that completes commands, options and migration IDs in bash, zsh or fish",
    details: ["Completing contacts no store."],
    examples: [
      { command: "source <(outpost completions bash)", does: "in ~/.bashrc" },
      { command: "source <(outpost completions zsh)", does: "in ~/.zshrc, after compinit" },
      { command: "outpost completions fish | source", does: "in ~/.config/fish/config.fish" },
    ],
    arguments: [{ name: "<shell>", description: "bash, zsh or fish", completes: "shell" }],
    needs: "none",
  },
  readShell,
  async (context, shell) => {
    const { completionScript } = await import("./line/completion_script.ts");
    const script = await completionScript(shell, context.host.programWords);
    context.output.result({ shell, script }, () => script);
    return EXIT.done;
  },
);

/** Makes the command that prints what may come next. @param commands All there are, asked for when it runs. */
export const completeFrom = (commands: () => readonly Command[]): Command =>
  defineCommand(
    {
      path: "complete",
      summary: "Print what may come next, for shells",
      examples: [{ command: "outpost complete -- migrate pl", does: "what a shell asks" }],
      arguments: [{ name: "[words...]", description: "The words typed so far" }],
      needs: "none",
      hidden: true,
    },
    (input: CommandInput) => input.args,
    async (context, words) => {
      const { suggestions } = await import("./line/completion_script.ts");
      context.output.text(await suggestions(words, commands()));
      return EXIT.done;
    },
  );

function readShell(input: CommandInput): string {
  const [shell = ""] = input.args;
  if (SHELLS.includes(shell)) return shell;
  const meant = closest(shell, SHELLS, 1);
  throw new UsageError(`There are no completions for "${shell}"`, {
    hint: meant === null ? `Known are ${SHELLS.join(", ")}` : `Did you mean ${meant}?`,
  });
}
