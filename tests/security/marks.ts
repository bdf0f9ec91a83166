/**
 * Marked secrets, and the search for any piece of them.
 *
 * @module
 */

/** Characters in a row that give a secret away. */
const TELLING = 6;
const LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";

/** Random choices that a seed repeats. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.next() * from.length)]!;
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  word(length: number): string {
    return Array.from({ length }, () => this.pick([...LETTERS])).join("");
  }
}

/** Secrets with a core that nothing else holds. */
export class Marks {
  readonly #dice: Dice;
  readonly #pieces = new Map<string, string>();

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** A new secret. Around its core stands what is hard to encode. */
  make(name: string, odd: readonly string[] = ODD): string {
    const core = this.#dice.word(14);
    for (const form of formsOf(core)) {
      for (let at = 0; at + TELLING <= form.length; at++) {
        this.#pieces.set(form.slice(at, at + TELLING), name);
      }
    }
    return `${this.#dice.pick(odd)}${core}${this.#dice.pick(odd)}`;
  }

  /** Names of the secrets of which a text holds a piece. */
  find(text: string): readonly string[] {
    const found = new Set<string>();
    for (let at = 0; at + TELLING <= text.length; at++) {
      const name = this.#pieces.get(text.slice(at, at + TELLING));
      if (name !== undefined) {
        found.add(`${name}: ${JSON.stringify(text.slice(Math.max(0, at - 40), at + 40))}`);
      }
    }
    return [...found];
  }
}

const ODD: readonly string[] = [
  ...[
    "",
    "",
    "",
    "p",
    "ä",
    "%",
    "%41",
    "@",
    "/",
    "?",
    "#",
    ":",
    "&",
    "=",
    "+",
    " ",
    '"',
    "'",
    "\\",
    "`",
    "$",
    "{",
    "}",
  ],
  ...["null", "<b>", "漢", "🙂", "\u202e", "\u200b", ";", "|", "--", "::", "[", "]", ",", "^"],
];

/** The core reversed and in hexadecimal, Base64 and with spread letters are out of reach of any filter; these are not. */
function formsOf(core: string): readonly string[] {
  return [core, btoa(core).slice(0, -4)];
}

/** What no output of a pipe may hold that the program did not write itself. */
export function steeringIn(text: string): string | null {
  const control = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.exec(text);
  if (control !== null) return `a control character: ${JSON.stringify(around(text, control.index))}`;
  const command = /^[ \t]*::|##\[|##vso\[/m.exec(text);
  return command === null ? null : `a command to a CI: ${JSON.stringify(around(text, command.index))}`;
}

function around(text: string, at: number): string {
  return text.slice(Math.max(0, at - 60), at + 60);
}
