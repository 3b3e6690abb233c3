import { type Token, tokenize } from './lexer.js';
import { SqlError } from './sql-error.js';

/** Tokens of one statement; ClickHouse would take more, an analyst would not write more. */
const TOKENS_MAX = 20_000;
/** Characters of an expression that names a column. */
const SOURCE_MAX = 100;
/** Brackets and subqueries within each other. */
const DEPTH_MAX = 80;

/** Words that are no names when they stand without quotes: a name in their place would be a clause that was not meant. */
const RESERVED = new Set(
  (
    'ALL AND ANTI ANY ARRAY AS ASC ASOF BETWEEN BY CASE CROSS DESC DISTINCT ELSE END EXCEPT FETCH FINAL FORMAT FROM FULL GLOBAL HAVING IN INNER ' +
    'INTERSECT INTO IS JOIN LEFT LIKE ILIKE LIMIT NOT OFFSET ON OR OUTER OVER PARALLEL PASTE PREWHERE QUALIFY RECURSIVE RIGHT SAMPLE SELECT SEMI SETTINGS ' +
    'THEN UNION USING WHEN WHERE WINDOW WITH NULL TRUE FALSE'
  ).split(' '),
);

/** A way through the tokens of a statement. Keywords are told in any case. */
export class Cursor {
  private readonly tokens: readonly Token[];
  private index = 0;
  private depth = 0;

  constructor(private readonly sql: string) {
    this.tokens = tokenize(sql);
    if (this.tokens.length > TOKENS_MAX) throw new SqlError(`more than ${TOKENS_MAX} words`, 0);
  }

  protected get token(): Token {
    return this.tokens[this.index]!;
  }

  /** The token `n` behind the current one. */
  protected ahead(n: number): Token {
    return this.tokens[Math.min(this.index + n, this.tokens.length - 1)]!;
  }

  protected next(): Token {
    const { token } = this;
    if (token.kind !== 'end') this.index++;
    return token;
  }

  protected isSign(text: string, n = 0): boolean {
    const token = this.ahead(n);
    return token.kind === 'sign' && token.text === text;
  }

  /** Whether the words of a phrase such as `GROUP BY` come next. */
  protected isPhrase(phrase: string, n = 0): boolean {
    return phrase.split(' ').every((word, i) => {
      const token = this.ahead(n + i);
      return token.kind === 'word' && token.text.toUpperCase() === word;
    });
  }

  protected takeSign(text: string): boolean {
    if (!this.isSign(text)) return false;
    this.index++;
    return true;
  }

  protected takePhrase(phrase: string): boolean {
    if (!this.isPhrase(phrase)) return false;
    this.index += phrase.split(' ').length;
    return true;
  }

  protected needSign(text: string): void {
    if (!this.takeSign(text)) this.fail(`${JSON.stringify(text)} is expected`);
  }

  protected needPhrase(phrase: string): void {
    if (!this.takePhrase(phrase)) this.fail(`${phrase} is expected`);
  }

  /** Whether a name comes next: in quotes, or a word that is no keyword here. */
  protected isName(n = 0): boolean {
    const token = this.ahead(n);
    if (token.kind === 'quoted') return true;
    if (token.kind !== 'word' || RESERVED.has(token.text.toUpperCase())) return false;
    // `group` is a column; `GROUP BY` is not, wherever it stands.
    return !(
      this.isPhrase('GROUP BY', n) ||
      this.isPhrase('ORDER BY', n) ||
      this.isPhrase('PARTITION BY', n)
    );
  }

  protected needName(): string {
    if (!this.isName()) this.fail('a name is expected');
    return this.next().text;
  }

  /** Where it goes on behind the bracket that opens `n` ahead. */
  protected behindBracket(n: number): number {
    let open = 0;
    for (let i = n; this.ahead(i).kind !== 'end'; i++) {
      if (this.isSign('(', i)) open++;
      else if (this.isSign(')', i) && --open === 0) return i + 1;
    }
    return this.tokens.length;
  }

  /** `one`, as often as commas follow. */
  protected list(one: () => string): string {
    const items = [one()];
    while (this.takeSign(',')) items.push(one());
    return items.join(', ');
  }

  /** What was written between a token and the current one, on one line and not too long. */
  protected sourceFrom(start: Token): string {
    const last = this.tokens[this.index - 1]!;
    const end = last.kind === 'string' || last.kind === 'quoted' ? this.token.at : last.at + last.text.length;
    const text = this.sql
      .slice(start.at, end)
      .replace(/[\s\p{Cc}]+/gu, ' ')
      .trim();
    return text.length > SOURCE_MAX ? `${text.slice(0, SOURCE_MAX - 1)}…` : text;
  }

  /** Within one more bracket or subquery. */
  protected deeper<T>(work: () => T): T {
    if (++this.depth > DEPTH_MAX) this.fail(`more than ${DEPTH_MAX} brackets within each other`);
    try {
      return work();
    } finally {
      this.depth--;
    }
  }

  protected fail(reason: string, at = this.token): never {
    const found = at.kind === 'end' ? 'the end' : JSON.stringify(at.text.slice(0, 40));
    throw new SqlError(`${reason}, found ${found}`, at.at);
  }

  protected refuse(reason: string, at = this.token): never {
    throw new SqlError(reason, at.at);
  }
}
