/**
 * Runs a command to its end.
 *
 * @module
 */

import { inheritedEnv } from "../../support/environment.ts";

/** What a command left. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command and keeps what it says. Of the environment it gets what is named, and what each process needs. */
export async function outcomeOf(command: string, options: Deno.CommandOptions): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    stdin: "null",
    ...options,
    clearEnv: true,
    env: options.clearEnv === true ? options.env ?? {} : { ...inheritedEnv(), ...options.env },
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Whether a program is on PATH. */
export async function hasProgram(name: string): Promise<boolean> {
  try {
    await new Deno.Command(name, { args: ["--version"], stdout: "null", stderr: "null" }).output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
