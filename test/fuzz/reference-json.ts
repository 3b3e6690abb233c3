/**
 * A naive reader of JSON, written from RFC 8259 and from what the server promises about numbers, keys and nesting: one character after the
 * other, no library. Slow, and meant to be.
 */

export type Reading =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly why: string };

const DEPTH_MAX = 32;
const NUMBER = /-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const ESCAPES: { readonly [letter: string]: string } = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  '"': '"',
  '\\': '\\',
  '/': '/',
};

export function readJsonNaively(bytes: Uint8Array): Reading {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { ok: false, why: 'UTF-8' };
  }
  const reader = new Reader(text);
  try {
    const value = reader.value(0);
    reader.gap();
    if (reader.at !== text.length) throw new Error('more');
    return { ok: true, value };
  } catch (error) {
    return { ok: false, why: (error as Error).message };
  }
}

class Reader {
  at = 0;

  constructor(private readonly text: string) {}

  gap(): void {
    while (' \t\n\r'.includes(this.text[this.at] ?? 'x')) this.at++;
  }

  value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new Error('depth');
    this.gap();
    const c = this.text[this.at];
    if (c === '{') return this.object(depth + 1);
    if (c === '[') return this.array(depth + 1);
    if (c === '"') return this.string();
    for (const [word, value] of [
      ['null', null],
      ['true', true],
      ['false', false],
    ] as const) {
      if (!this.text.startsWith(word, this.at)) continue;
      this.at += word.length;
      return value;
    }
    return this.number();
  }

  private expect(c: string): void {
    this.gap();
    if (this.text[this.at] !== c) throw new Error(`no ${c}`);
    this.at++;
  }

  private isNext(c: string): boolean {
    this.gap();
    if (this.text[this.at] !== c) return false;
    this.at++;
    return true;
  }

  private object(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new Error('depth');
    const members = new Map<string, unknown>();
    this.expect('{');
    if (this.isNext('}')) return members;
    do {
      this.gap();
      const key = this.string();
      if (members.has(key)) throw new Error('twice');
      this.expect(':');
      members.set(key, this.value(depth));
    } while (this.isNext(','));
    this.expect('}');
    return members;
  }

  private array(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new Error('depth');
    const items: unknown[] = [];
    this.expect('[');
    if (this.isNext(']')) return items;
    do items.push(this.value(depth));
    while (this.isNext(','));
    this.expect(']');
    return items;
  }

  private string(): string {
    if (this.text[this.at] !== '"') throw new Error('no string');
    let out = '';
    for (this.at++; ; this.at++) {
      const c = this.text[this.at];
      if (c === undefined || c < ' ') throw new Error('string');
      if (c === '"') break;
      if (c !== '\\') {
        out += c;
        continue;
      }
      const letter = this.text[++this.at] ?? '';
      const hex = this.text.slice(this.at + 1, this.at + 5);
      if (letter === 'u' && /^[0-9a-fA-F]{4}$/.test(hex)) {
        out += String.fromCharCode(Number.parseInt(hex, 16));
        this.at += 4;
      } else if (ESCAPES[letter] !== undefined) out += ESCAPES[letter];
      else throw new Error('escape');
    }
    this.at++;
    if (!out.isWellFormed()) throw new Error('surrogate');
    return out;
  }

  private number(): unknown {
    NUMBER.lastIndex = this.at;
    const token = NUMBER.exec(this.text)?.[0];
    if (token === undefined) throw new Error('nothing');
    this.at += token.length;
    return expectedNumber(token);
  }
}

/**
 * What a number must come as: the same whatever stands beside it. Integers of up to 32 characters exactly, other tokens as the double that they are,
 * unless it is an integer that the token may not mean: then NaN, which no field takes.
 */
function expectedNumber(token: string): number | bigint {
  const double = Number(token);
  if (/^-?\d+$/.test(token)) {
    if (Number.isSafeInteger(double)) return double;
    return token.length > 32 ? Number.NaN : BigInt(token);
  }
  if (token.length <= 15 || !Number.isInteger(double)) return double;
  return Number.isSafeInteger(double) && /^-?\d{1,16}\.0+$/.test(token) ? double : Number.NaN;
}
