/**
 * Text for people as Markdown, for a pull request or a change ticket.
 *
 * @module
 */

/**
 * A heading, the text as it would stand on a terminal, and what comes next. The fence is longer than any in the text, so that
 * nothing in it, such as a key that somebody else chose, is taken for Markdown.
 *
 * @param text Without colours.
 */
export function fencedMarkdown(title: string, text: string, next: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(Math.max(3, longest + 1));
  return `### ${title}\n\n${fence}text\n${text}\n${fence}\n\n${next}\n`;
}
