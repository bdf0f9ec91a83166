/**
 * Every piece of advice that the program can give, found in its source.
 *
 * @module
 */

import ts from "typescript";
import { fromFileUrl, join, relative } from "@std/path";

/** One piece of advice. */
export interface SourceHint {
  /** File, from the root of the project. */
  readonly file: string;
  /** Its text, with `{}` for what is filled in. */
  readonly text: string;
}

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** All there are, each once, files in order. */
export async function sourceHints(): Promise<readonly SourceHint[]> {
  const found: SourceHint[] = [];
  for (const folder of ["engine", "cli", "migrations"]) {
    for await (const path of sources(join(ROOT, folder))) {
      const file = relative(ROOT, path);
      const source = ts.createSourceFile(file, await Deno.readTextFile(path), ts.ScriptTarget.Latest, true);
      const texts = hintsOf(source).map(textOf).filter((text) => text !== null && /\w/.test(text));
      found.push(...texts.map((text) => ({ file, text: text! })));
    }
  }
  found.sort((one, other) => (one.file < other.file ? -1 : one.file > other.file ? 1 : 0));
  return [...new Map(found.map((one) => [one.text, one] as const).reverse()).values()].reverse();
}

/** A command to run next, with why. */
interface NextLine {
  readonly command: ts.Expression;
  readonly why: ts.Expression | undefined;
}

/** Names of tables of advice. */
const TABLES = /^BY_(CODE|CLASS)$/;

/** Names that hold advice. */
const NAMES = /^hint$|HINT$|^advice$|Hint$/;

function hintsOf(source: ts.SourceFile): readonly (ts.Node | NextLine)[] {
  const found: (ts.Node | NextLine)[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isTaggedTemplateExpression(node) && node.tag.getText(source) === "hint") found.push(node.template);
    else if (ts.isPropertyAssignment(node) && node.name.getText(source) === "hint") {
      found.push(...alternatives(node.initializer));
    } else if (ts.isVariableDeclaration(node) && TABLES.test(node.name.getText(source))) {
      ts.forEachChild(node, function inside(child): void {
        if (ts.isPropertyAssignment(child)) found.push(...alternatives(child.initializer));
        else ts.forEachChild(child, inside);
      });
    } else if (ts.isVariableDeclaration(node) && NAMES.test(node.name.getText(source)) && node.initializer) {
      found.push(...alternatives(node.initializer));
    } else if (ts.isFunctionDeclaration(node) && NAMES.test(node.name?.text ?? "")) {
      ts.forEachChild(node, function inside(child): void {
        if (ts.isReturnStatement(child) && child.expression) found.push(...alternatives(child.expression));
        ts.forEachChild(child, inside);
      });
    } else if (ts.isCallExpression(node)) {
      const [, second, third, fourth] = node.arguments;
      const name = node.expression.getText(source);
      if (name === "nextCommand") {
        found.push(...alternatives(second!).map((command) => ({ command, why: third })));
      }
      if (name === "blocker") found.push(...alternatives(fourth!));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* sources(join(folder, name));
    else if (name.endsWith(".ts")) yield join(folder, name);
  }
}

/** What an expression may be. */
function alternatives(node: ts.Expression): readonly ts.Expression[] {
  if (ts.isConditionalExpression(node)) {
    return [...alternatives(node.whenTrue), ...alternatives(node.whenFalse)];
  }
  if (ts.isParenthesizedExpression(node)) return alternatives(node.expression);
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) {
    return alternatives(node.right);
  }
  return [node];
}

function textOf(node: ts.Node | NextLine): string | null {
  if ("command" in node) {
    const why = node.why === undefined ? "" : textOf(node.why) ?? "{}";
    return `Next: ${textOf(node.command) ?? "{}"}${why === "" ? "" : `  ${why}`}`;
  }
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    return (textOf(node.left) ?? "{}") + (textOf(node.right) ?? "{}");
  }
  if (!ts.isTemplateExpression(node)) return null;
  return node.head.text + node.templateSpans.map(({ literal }) => `{}${literal.text}`).join("");
}
