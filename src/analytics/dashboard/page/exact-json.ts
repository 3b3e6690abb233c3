/** An amount as it comes: a bigint where a number would lose digits. */
export type Amount = number | bigint;

/** 16 digits are where integers beyond 2^53 begin. */
const LONG_INTEGER = /\d{16}/;
const TOKEN = /\s*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;

/**
 * JSON.parse, but integers beyond 2^53 come as bigint.
 * @throws SyntaxError
 */
export function parseExact(text: string): unknown {
  return LONG_INTEGER.test(text) ? new Reader(text).document() : JSON.parse(text);
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): unknown {
    const value = this.#value(this.#next());
    if (this.#text.slice(this.#at).trim() !== '') throw new SyntaxError('text behind the JSON value');
    return value;
  }

  #next(): string {
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.#text);
    if (match === null) throw new SyntaxError(`not JSON at ${this.#at}`);
    this.#at = TOKEN.lastIndex;
    return match[1] ?? match[2] ?? match[3] ?? match[4]!;
  }

  #value(token: string): unknown {
    if (token === '{') return this.#object();
    if (token === '[') return this.#array();
    if (/^-?\d+$/.test(token)) {
      const number = Number(token);
      return Number.isSafeInteger(number) ? number : BigInt(token);
    }
    // A string, another number, a word; anything else is refused here.
    return JSON.parse(token);
  }

  #object(): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    let token = this.#next();
    while (token !== '}') {
      const name = JSON.parse(token) as unknown;
      if (typeof name !== 'string') throw new SyntaxError('a name is not a string');
      this.#expect(this.#next(), ':');
      entries.push([name, this.#value(this.#next())]);
      token = this.#next();
      if (token === '}') break;
      this.#expect(token, ',');
      token = this.#next();
    }
    return Object.fromEntries(entries);
  }

  #array(): unknown[] {
    const values: unknown[] = [];
    let token = this.#next();
    while (token !== ']') {
      values.push(this.#value(token));
      token = this.#next();
      if (token === ']') break;
      this.#expect(token, ',');
      token = this.#next();
    }
    return values;
  }

  #expect(token: string, wanted: string): void {
    if (token !== wanted) throw new SyntaxError(`${token} where ${wanted} belongs`);
  }
}
