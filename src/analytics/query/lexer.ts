import { SqlError } from './sql-error.js';

/**
 * word: an identifier or keyword as it stands. quoted: an identifier in `` or "", by its value. string: by its value. number: checked text.
 * sign: one of the punctuation marks below. end: behind the last one.
 */
export interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'sign' | 'end';
  readonly text: string;
  readonly at: number;
}

/** Longest first. Whatever is not here (braces, `@`, `$`, `#`, `\`, `!` alone …) is in no statement that is taken. */
const SIGNS = '== != <> <= >= || :: -> ( ) [ ] , . ; : ? + - * / % = < >'.split(' ');

const SPACE = /[ \t\r\n]+/y;
const LINE_COMMENT = /--[^\n]*/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /(?:0x[0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![A-Za-z0-9_.])/y;
const POSITION = /\d+/y;

/** Longest name of a column, an alias, a CTE. */
const NAME_LENGTH_MAX = 200;

const ESCAPES: { readonly [letter: string]: string } = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  a: '\x07',
  e: '\x1b',
  '0': '\0',
};

/**
 * Cuts a statement into tokens; comments and space are gone behind it.
 * @throws {SqlError} for a character that no statement has outside quotes, and quotes or comments without end
 */
export function tokenize(sql: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(sql)?.[0];
  };
  while (at < sql.length) {
    const blank = match(SPACE) ?? match(LINE_COMMENT);
    if (blank !== undefined) {
      at += blank.length;
      continue;
    }
    if (sql.startsWith('/*', at)) {
      const end = sql.indexOf('*/', at + 2);
      if (end < 0) throw new SqlError('a comment without end', at);
      at = end + 2;
      continue;
    }
    const c = sql[at]!;
    const last = tokens.at(-1);
    const start = at;
    if (c === "'" || c === '"' || c === '`') {
      const { value, end } = readQuoted(sql, at, c);
      if (c !== "'") checkName(value, at);
      tokens.push({ kind: c === "'" ? 'string' : 'quoted', text: value, at });
      at = end;
      continue;
    }
    const word = match(WORD);
    if (word !== undefined) {
      checkName(word, at);
      tokens.push({ kind: 'word', text: word, at });
      at += word.length;
      continue;
    }
    // `t.1` is the first of a tuple, not a number behind `t`.
    const isMember = last?.kind === 'sign' && last.text === '.';
    const ofSomething =
      c === '.' && last !== undefined && last.at + last.text.length === at && /^[\w)\]]$/.test(sql[at - 1]!);
    const number = isMember ? match(POSITION) : ofSomething ? undefined : match(NUMBER);
    if (number !== undefined) {
      tokens.push({ kind: 'number', text: number.startsWith('.') ? `0${number}` : number, at });
      at += number.length;
      continue;
    }
    const sign = SIGNS.find((text) => sql.startsWith(text, at));
    if (sign === undefined) {
      throw new SqlError(
        `${JSON.stringify(String.fromCodePoint(sql.codePointAt(at)!))} is not used here`,
        start,
      );
    }
    tokens.push({ kind: 'sign', text: sign, at });
    at += sign.length;
  }
  tokens.push({ kind: 'end', text: '', at });
  return tokens;
}

function readQuoted(sql: string, from: number, quote: string): { value: string; end: number } {
  let value = '';
  for (let i = from + 1; i < sql.length; i++) {
    const c = sql[i]!;
    if (c === quote) {
      if (sql[i + 1] !== quote) return { value, end: i + 1 };
      value += quote;
      i++;
    } else if (c === '\\') {
      const next = sql[++i] ?? '';
      if (next === 'x') {
        const byte = /^[0-7][0-9a-fA-F]/.exec(sql.slice(i + 1, i + 3));
        if (byte === null)
          throw new SqlError('an escape that is not used here: write the character itself', i - 1);
        value += String.fromCharCode(Number.parseInt(byte[0], 16));
        i += 2;
      } else if (next === 'N') {
        throw new SqlError('an escape that is not used here: write NULL', i - 1);
      } else {
        // As in ClickHouse: what it does not know, such as \d of a pattern, keeps its backslash.
        value += ESCAPES[next] ?? (`\\'"\`/=`.includes(next) ? next : `\\${next}`);
      }
    } else value += c;
  }
  throw new SqlError('quotes without end', from);
}

function checkName(name: string, at: number): void {
  if (name === '') throw new SqlError('an empty name', at);
  if (name.length > NAME_LENGTH_MAX) {
    throw new SqlError(`a name is longer than ${NAME_LENGTH_MAX} characters`, at);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(name)) throw new SqlError('a name has control characters', at);
  // Names of this side's own, and those by which ClickHouse calls what it has analysed.
  if (/^(kassa_|__)/i.test(name))
    throw new SqlError(`names do not begin with ${name.startsWith('_') ? '__' : 'kassa_'}`, at);
}

/** A string literal: every character that could mean something is escaped. */
export function printString(value: string): string {
  return `'${escapeFor(value, "'")}'`;
}

/** An identifier, always in quotes. */
export function printName(name: string): string {
  return `\`${escapeFor(name, '`')}\``;
}

function escapeFor(value: string, quote: string): string {
  let text = '';
  for (const c of value) {
    const code = c.codePointAt(0)!;
    if (c === '\\' || c === quote) text += `\\${c}`;
    else if (code < 0x20 || code === 0x7f) text += `\\x${code.toString(16).padStart(2, '0')}`;
    else text += c;
  }
  return text;
}
