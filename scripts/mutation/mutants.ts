/**
 * Small faults that can be put into a file: one change each, as a person makes them by mistake.
 *
 * @module
 */

import ts from "typescript";

/** One fault: a part of the file's text, and what takes its place. */
export interface Mutant {
  /** What kind of fault it is, such as `await dropped`. */
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

/** All faults of a file of TypeScript, those in the Lua and SQL of its templates included, in the order of the text. */
export function mutantsOf(path: string, text: string): Mutant[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: Mutant[] = [];
  const add = (kind: string, node: ts.Node, replacement: string) => {
    found.push({ kind, start: node.getStart(source), end: node.end, replacement });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node) || ts.isInterfaceDeclaration(node)) return;
    if (ts.isBinaryExpression(node)) {
      const other = OPERATORS[node.operatorToken.getText(source)];
      if (other !== undefined && !isAmongNullish(node)) add("operator", node.operatorToken, other);
    } else if (ts.isAwaitExpression(node) && !ts.isVariableDeclaration(node.parent)) {
      add("await dropped", node, node.expression.getText(source));
    } else if (ts.isNumericLiteral(node)) {
      add("constant", node, node.text === "0" ? "1" : `(${node.getText(source)} + 1)`);
    } else if (node.kind === ts.SyntaxKind.TrueKeyword) add("constant", node, "false");
    else if (node.kind === ts.SyntaxKind.FalseKeyword) add("constant", node, "true");
    else if (ts.isIfStatement(node) || ts.isWhileStatement(node)) flip(node.expression);
    else if (ts.isConditionalExpression(node)) flip(node.condition);
    else if (ts.isExpressionStatement(node)) add("statement removed", node, ";");
    else if (ts.isReturnStatement(node) && node.expression === undefined) add("statement removed", node, ";");
    else if (ts.isThrowStatement(node)) add("statement removed", node, ";");
    else if (ts.isBlock(node) && isBodyOfNothing(node)) add("returned early", node, "{}");
    else if (ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateExpression(node)) template(node);
    ts.forEachChild(node, visit);
  };
  const flip = (condition: ts.Expression) =>
    add("condition flipped", condition, `!(${condition.getText(source)})`);
  const template = (node: ts.Node) => {
    const [start, own] = [node.getStart(source), node.getText(source)];
    const [language, rules] = /\b(redis\.call|local \w+)/.test(own)
      ? ["Lua", LUA]
      : /\b(SELECT|INSERT|UPDATE|DELETE|ALTER|CREATE|WHERE)\b/.test(own)
      ? ["SQL", SQL]
      : ["", []];
    // What is put into a template is TypeScript, and has faults of its own.
    const holes = ts.isTemplateExpression(node)
      ? node.templateSpans.map(({ expression }) => [expression.pos - start, expression.end - start] as const)
      : [];
    for (const [pattern, replacement] of rules) {
      for (const match of own.matchAll(pattern)) {
        if (holes.some(([from, to]) => match.index < to && match.index + match[0].length > from)) continue;
        const at = start + match.index;
        found.push({ kind: language, start: at, end: at + match[0].length, replacement });
      }
    }
  };
  visit(source);
  return found.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** One `??` of several, among which another operator is no program any more. */
function isAmongNullish(node: ts.BinaryExpression): boolean {
  const isNullish = (other: ts.Node) =>
    ts.isBinaryExpression(other) && other.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken;
  return isNullish(node) && [node.parent, node.left, node.right].some(isNullish);
}

/** The body of a function that returns nothing, with something in it. */
function isBodyOfNothing(node: ts.Block): boolean {
  const { parent } = node;
  if (node.statements.length < 2) return false;
  if (!ts.isFunctionDeclaration(parent) && !ts.isMethodDeclaration(parent)) return false;
  return /^(void|Promise<void>)$/.test(parent.type?.getText() ?? "");
}

const OPERATORS: Readonly<Record<string, string>> = {
  "===": "!==",
  "!==": "===",
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "&&": "||",
  "||": "&&",
  "+": "-",
  "-": "+",
  "*": "/",
  "??": "&&",
};

type Rule = readonly [pattern: RegExp, replacement: string];

const LUA: readonly Rule[] = [
  [/(?<=\s)==(?=\s)/g, "~="],
  [/~=/g, "=="],
  [/(?<=\s)<(?=\s)/g, "<="],
  [/(?<=\s)>(?=\s)/g, ">="],
  [/\band\b/g, "or"],
  [/\bor\b/g, "and"],
  [/\bnot /g, ""],
  [/\btrue\b/g, "false"],
  [/\bfalse\b/g, "true"],
  [/^ *(?:redis\.)?call\([^\n]*\)$/gm, ""],
  [/(?<=\s[+-] )1\b/g, "2"],
];

const SQL: readonly Rule[] = [
  [/\bAND\b/g, "OR"],
  [/\bOR\b/g, "AND"],
  [/\bIS NULL\b/g, "IS NOT NULL"],
  [/\bIS NOT NULL\b/g, "IS NULL"],
  [/\bNOT EXISTS\b/g, "EXISTS"],
  [/(?<=\s)=(?=\s)/g, "<>"],
  [/(?<=\s)<>(?=\s)/g, "="],
  [/\bLEFT JOIN\b/g, "JOIN"],
  [/\b(?:ASC|DESC)\b/g, ""],
  [/\bDISTINCT\b/g, ""],
];
