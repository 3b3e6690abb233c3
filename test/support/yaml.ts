/**
 * YAML as Kassa's own files use it: maps and lists by indentation, one-line lists in brackets, quoted and plain words, comments on lines
 * of their own. Anything else throws, so that a file that this does not understand is not taken for a good one.
 */
export type Yaml = string | number | boolean | null | readonly Yaml[] | { readonly [key: string]: Yaml };

interface Line {
  readonly indent: number;
  readonly text: string;
  readonly number: number;
}

export function parseYaml(source: string): Yaml {
  const lines = source
    .split('\n')
    .map((text, i) => ({ indent: text.length - text.trimStart().length, text: text.trim(), number: i + 1 }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'));
  const tabs = source.split('\n').findIndex((line) => line.includes('\t'));
  if (tabs >= 0) throw new Error(`line ${tabs + 1}: a tab`);
  const [value, rest] = block(lines, lines[0]?.indent ?? 0);
  if (rest.length > 0) throw new Error(`line ${rest[0]!.number}: indented wrongly`);
  return value;
}

/** The value whose lines have this indentation, and the lines behind it. */
function block(lines: readonly Line[], indent: number): [Yaml, readonly Line[]] {
  if (lines[0]!.text.startsWith('- ')) return list(lines, indent);
  const map: { [key: string]: Yaml } = {};
  let rest = lines;
  while (rest.length > 0 && rest[0]!.indent === indent) {
    const [line, ...below] = rest as [Line, ...Line[]];
    const match = /^([\w.-]+):(?: (.*))?$/.exec(line.text);
    if (match === null) throw new Error(`line ${line.number}: no key`);
    const key = match[1]!;
    if (key in map) throw new Error(`line ${line.number}: ${key} is there twice`);
    if (match[2] !== undefined) {
      map[key] = scalar(match[2], line);
      rest = below;
    } else if (below.length > 0 && below[0]!.indent > indent) {
      [map[key], rest] = block(below, below[0]!.indent);
    } else {
      map[key] = null;
      rest = below;
    }
  }
  if (rest.length > 0 && rest[0]!.indent > indent)
    throw new Error(`line ${rest[0]!.number}: indented wrongly`);
  return [map, rest];
}

function list(lines: readonly Line[], indent: number): [Yaml, readonly Line[]] {
  const items: Yaml[] = [];
  let rest = lines;
  while (rest.length > 0 && rest[0]!.indent === indent && rest[0]!.text.startsWith('- ')) {
    const [line, ...below] = rest as [Line, ...Line[]];
    const text = line.text.slice(2);
    if (/^[\w.-]+:(?: |$)/.test(text)) {
      const inner = { indent: indent + 2, text, number: line.number };
      const [item, behind] = block([inner, ...below], indent + 2);
      items.push(item);
      rest = behind;
    } else {
      items.push(scalar(text, line));
      rest = below;
    }
  }
  return [items, rest];
}

function scalar(text: string, line: Line): Yaml {
  if (text.startsWith('[') || text.startsWith('"')) return JSON.parse(text) as Yaml;
  if (/^['{>|&*!%@`]/.test(text) || / #/.test(text) || /: /.test(text)) {
    throw new Error(`line ${line.number}: not understood: ${text}`);
  }
  if (text === 'true' || text === 'false') return text === 'true';
  if (text === 'null' || text === '~') return null;
  return /^-?\d+$/.test(text) ? Number(text) : text;
}
