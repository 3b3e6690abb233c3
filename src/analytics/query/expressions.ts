import { Cursor } from './cursor.js';
import { findFunction, findType, takesLambda, UNITS } from './functions.js';
import { printName, printString, type Token } from './lexer.js';

/** Parts of a name such as `p.amount`. */
const NAME_PARTS_MAX = 4;

/**
 * Expressions: each method reads one, and gives it back in the few forms written here, with brackets around whatever could be taken apart
 * otherwise. What has no form here is refused.
 */
export abstract class Expressions extends Cursor {
  /** A SELECT or a union of them, without brackets. */
  protected abstract query(): string;
  /** Whether a bare name could be taken for a function's that is not there for analysts. */
  protected abstract isForbidden(name: string): boolean;
  /** The query that a CTE's name stands for, where there is one. */
  protected abstract cte(name: string): string | undefined;

  /** Whether a query comes, in brackets or not; `(SELECT 1) + 1` in brackets is none. */
  protected isQuery(n = 0): boolean {
    if (this.isPhrase('SELECT', n) || this.isPhrase('WITH', n)) return true;
    if (!this.isSign('(', n) || !this.isQuery(n + 1)) return false;
    if (!this.isSign('(', n + 1)) return true;
    const behind = this.behindBracket(n + 1);
    return (
      this.isSign(')', behind) || ['UNION', 'INTERSECT', 'EXCEPT'].some((word) => this.isPhrase(word, behind))
    );
  }

  protected expression(): string {
    return this.deeper(() => {
      const condition = this.or();
      if (!this.takeSign('?')) return condition;
      const yes = this.expression();
      this.needSign(':');
      return `if(${condition}, ${yes}, ${this.expression()})`;
    });
  }

  private or(): string {
    return this.chain(
      () => this.and(),
      () => (this.takePhrase('OR') ? 'OR' : undefined),
    );
  }

  private and(): string {
    return this.chain(
      () => this.not(),
      () => (this.takePhrase('AND') ? 'AND' : undefined),
    );
  }

  private not(): string {
    if (!this.takePhrase('NOT')) return this.comparison();
    return this.deeper(() => `(NOT ${this.not()})`);
  }

  private comparison(): string {
    let left = this.concatenation();
    for (;;) {
      const sign = this.takeOneOf('=', '==', '!=', '<>', '<=', '>=', '<', '>');
      if (sign !== undefined) {
        left = `(${left} ${sign} ${this.concatenation()})`;
        continue;
      }
      const test = this.test(left);
      if (test === undefined) return left;
      left = test;
    }
  }

  /** IS, IN, LIKE and BETWEEN. */
  private test(left: string): string | undefined {
    if (this.takePhrase('IS')) {
      const isNot = this.takePhrase('NOT');
      if (this.takePhrase('DISTINCT FROM')) {
        return `${isNot ? 'isNotDistinctFrom' : 'isDistinctFrom'}(${left}, ${this.concatenation()})`;
      }
      this.needPhrase('NULL');
      return `(${left} IS ${isNot ? 'NOT ' : ''}NULL)`;
    }
    const isNot =
      this.isPhrase('NOT') && ['IN', 'LIKE', 'ILIKE', 'BETWEEN'].some((word) => this.isPhrase(word, 1));
    if (isNot) this.next();
    const not = isNot ? 'NOT ' : '';
    if (this.takePhrase('IN')) return this.membership(left, not);
    for (const word of ['LIKE', 'ILIKE'] as const) {
      if (this.takePhrase(word)) return `(${left} ${not}${word} ${this.concatenation()})`;
    }
    if (!this.takePhrase('BETWEEN')) return undefined;
    const from = this.concatenation();
    this.needPhrase('AND');
    return `(${left} ${not}BETWEEN ${from} AND ${this.concatenation()})`;
  }

  /**
   * Behind IN ClickHouse takes a name for a table's, even in brackets: only lists of several, literals, and queries written here come
   * there; one expression alone is compared instead.
   */
  private membership(left: string, not: string): string {
    if (this.isName()) {
      const query = this.cte(this.token.text);
      if (query === undefined)
        this.refuse('behind IN stands a list, a query in brackets, or the name of a WITH');
      this.next();
      return `(${left} ${not}IN (${query}))`;
    }
    if (this.isSign('[')) return `${not === '' ? '' : 'NOT '}has(${this.array()}, ${left})`;
    if (!this.isSign('(')) this.fail('a list or a query in brackets is expected');
    if (this.isQuery()) return `(${left} ${not}IN ${this.subquery()})`;
    this.next();
    const isLiteral = this.isLiteral();
    const first = this.expression();
    if (this.takeSign(')')) {
      return isLiteral ? `(${left} ${not}IN (${first}))` : `(${left} ${not === '' ? '=' : '!='} ${first})`;
    }
    this.needSign(',');
    const rest = this.list(() => this.expression());
    this.needSign(')');
    return `(${left} ${not}IN (${first}, ${rest}))`;
  }

  /** Whether one literal stands alone before a bracket's end. */
  private isLiteral(): boolean {
    const at = this.isSign('-') ? 1 : 0;
    const { kind } = this.ahead(at);
    return (kind === 'number' || (kind === 'string' && at === 0)) && this.isSign(')', at + 1);
  }

  private concatenation(): string {
    const items = [this.sum()];
    while (this.takeSign('||')) items.push(this.sum());
    return items.length === 1 ? items[0]! : `concat(${items.join(', ')})`;
  }

  private sum(): string {
    return this.chain(
      () => this.product(),
      () => this.takeOneOf('+', '-'),
    );
  }

  private product(): string {
    return this.chain(
      () => this.unary(),
      () => this.takeOneOf('*', '/', '%') ?? ['DIV', 'MOD'].find((word) => this.takePhrase(word)),
    );
  }

  /** Operands of the same strength, from left to right, in one pair of brackets. */
  private chain(operand: () => string, operator: () => string | undefined): string {
    let text = operand();
    let isChain = false;
    for (let sign = operator(); sign !== undefined; sign = operator()) {
      text += ` ${sign} ${operand()}`;
      isChain = true;
    }
    return isChain ? `(${text})` : text;
  }

  private takeOneOf(...signs: readonly string[]): string | undefined {
    return signs.find((sign) => this.takeSign(sign));
  }

  private unary(): string {
    if (this.takeSign('+')) return this.deeper(() => this.unary());
    if (!this.takeSign('-')) return this.member();
    if (this.token.kind === 'number' && !this.isSign('::', 1)) return `(-${this.next().text})`;
    return this.deeper(() => `negate(${this.unary()})`);
  }

  /** An operand with casts, indices and parts behind it. */
  private member(): string {
    let text = this.primary();
    for (;;) {
      if (this.takeSign('::')) text = `CAST(${text} AS ${this.type()})`;
      else if (this.takeSign('[')) {
        text = `arrayElement(${text}, ${this.expression()})`;
        this.needSign(']');
      } else if (this.takeSign('.')) text = `tupleElement(${text}, ${this.part()})`;
      else return text;
    }
  }

  private part(): string {
    if (this.token.kind === 'number') return this.next().text;
    return printString(this.needName());
  }

  private primary(): string {
    const { token } = this;
    switch (token.kind) {
      case 'number':
        return this.next().text;
      case 'string':
        return printString(this.next().text);
      case 'quoted':
        return this.column();
      case 'word':
        return this.wordly();
      case 'sign':
        if (token.text === '(') return this.isQuery() ? this.subquery() : this.bracket();
        if (token.text === '[') return this.array();
    }
    return this.fail('an expression is expected');
  }

  /** A query in brackets. */
  protected subquery(): string {
    this.needSign('(');
    const text = this.deeper(() => this.query());
    this.needSign(')');
    return `(${text})`;
  }

  /** One expression in brackets, or a tuple. */
  private bracket(): string {
    this.needSign('(');
    const items = [this.expression()];
    let isTuple = false;
    while (this.takeSign(',')) {
      isTuple = true;
      if (this.isSign(')')) break;
      items.push(this.expression());
    }
    this.needSign(')');
    return isTuple ? `tuple(${items.join(', ')})` : items[0]!;
  }

  private array(): string {
    this.needSign('[');
    const items = this.isSign(']') ? '' : this.list(() => this.expression());
    this.needSign(']');
    return `[${items}]`;
  }

  /** What begins with a word: a literal, a form of its own, a call, or a column. */
  private wordly(): string {
    for (const literal of ['NULL', 'TRUE', 'FALSE']) {
      if (this.takePhrase(literal)) return literal.toLowerCase();
    }
    if (this.takePhrase('CASE')) return this.cases();
    if (this.isPhrase('INTERVAL') && !this.isSign('(', 1)) {
      const next = this.ahead(1);
      if (next.kind === 'number' || next.kind === 'string' || this.isSign('-', 1)) return this.interval();
    }
    if (this.ahead(1).kind === 'string') {
      if (this.takePhrase('DATE')) return `toDate(${printString(this.next().text)})`;
      if (this.takePhrase('TIMESTAMP')) return `toDateTime(${printString(this.next().text)})`;
    }
    if (!this.isSign('(', 1)) return this.column();
    if (this.isPhrase('EXISTS')) {
      this.next();
      if (!this.isQuery()) this.fail('a query is expected');
      return `EXISTS ${this.subquery()}`;
    }
    if (this.isPhrase('CAST')) return this.cast();
    if (this.isPhrase('EXTRACT') && this.isPhrase('FROM', 3)) return this.extract();
    return this.call();
  }

  private column(): string {
    const { token } = this;
    const names = [printName(this.needName())];
    if (!this.isSign('.') && this.isForbidden(token.text)) {
      this.refuse(
        `the name ${JSON.stringify(token.text)} is a function's that is not there for analysts`,
        token,
      );
    }
    while (this.isSign('.') && this.isNameBehindDot()) {
      this.next();
      names.push(printName(this.next().text));
      if (names.length > NAME_PARTS_MAX) this.refuse('a name has too many parts');
    }
    return names.join('.');
  }

  /** Behind a dot any word is a name. */
  private isNameBehindDot(): boolean {
    const { kind } = this.ahead(1);
    return kind === 'word' || kind === 'quoted';
  }

  private cases(): string {
    let text = 'CASE';
    if (!this.isPhrase('WHEN')) text += ` ${this.expression()}`;
    while (this.takePhrase('WHEN')) {
      text += ` WHEN ${this.expression()}`;
      this.needPhrase('THEN');
      text += ` THEN ${this.expression()}`;
    }
    if (this.takePhrase('ELSE')) text += ` ELSE ${this.expression()}`;
    this.needPhrase('END');
    return `${text} END`;
  }

  private interval(): string {
    this.next();
    const sign = this.takeSign('-') ? '-' : '';
    const token = this.next();
    const match = /^(-?\d{1,9})(?: ([a-z]+))?$/i.exec(token.text);
    if (match === null) this.refuse('INTERVAL takes a whole number and a unit', token);
    const unit = UNITS.get((match[2] ?? this.next().text).toLowerCase());
    if (unit === undefined) this.refuse('no unit of time', token);
    return `${unit.interval}(${sign}${match[1]})`;
  }

  private cast(): string {
    this.next();
    this.needSign('(');
    const text = this.expression();
    if (this.isSign(',')) this.refuse('write CAST(x AS Type) or x::Type');
    this.needPhrase('AS');
    const type = this.type();
    this.needSign(')');
    return `CAST(${text} AS ${type})`;
  }

  private extract(): string {
    this.next();
    this.needSign('(');
    const unit = UNITS.get(this.token.text.toLowerCase());
    if (unit === undefined) this.refuse('no unit of time');
    this.next();
    this.needPhrase('FROM');
    const text = `${unit.part}(${this.expression()})`;
    this.needSign(')');
    return text;
  }

  private type(): string {
    return this.deeper(() => {
      const { token } = this;
      const name = token.kind === 'word' ? findType(token.text) : undefined;
      if (name === undefined) this.refuse(`no cast to the type ${JSON.stringify(token.text)} here`);
      this.next();
      if (!this.takeSign('(')) return name;
      const parameters = this.list(() => {
        if (this.token.kind === 'number') return this.next().text;
        return this.token.kind === 'string' ? printString(this.next().text) : this.type();
      });
      this.needSign(')');
      return `${name}(${parameters})`;
    });
  }

  private call(): string {
    const written = this.next();
    const known = findFunction(written.text);
    if (known === undefined) {
      this.refuse(`the function ${JSON.stringify(written.text)} is not there for analysts`, written);
    }
    const { name, isAggregate } = known;
    let text = this.callArguments(name, isAggregate);
    if (this.isSign('(')) {
      if (!isAggregate || !text.isLiterals)
        this.refuse('only an aggregate takes parameters, and they are literals');
      text = { ...this.callArguments(name, true), parameters: `(${text.values})` };
    }
    let call = `${name}${text.parameters ?? ''}(${text.values})`;
    if (!isAggregate) return call;
    if (this.takePhrase('FILTER')) {
      this.needSign('(');
      this.needPhrase('WHERE');
      call += ` FILTER (WHERE ${this.expression()})`;
      this.needSign(')');
    }
    for (const phrase of ['IGNORE NULLS', 'RESPECT NULLS']) if (this.takePhrase(phrase)) call += ` ${phrase}`;
    if (!this.takePhrase('OVER')) return call;
    return `(${call} OVER ${this.isSign('(') ? this.window() : printName(this.needName())})`;
  }

  private callArguments(
    name: string,
    isAggregate: boolean,
  ): { values: string; isLiterals: boolean; parameters?: string } {
    this.needSign('(');
    if (this.takeSign(')')) return { values: '', isLiterals: false };
    if (this.isSign('*')) {
      if (name !== 'count' && name !== 'countIf') this.refuse('only count takes *');
      this.next();
      if (!this.takeSign(',')) {
        this.needSign(')');
        return { values: '', isLiterals: false };
      }
    }
    const distinct = isAggregate && this.takePhrase('DISTINCT') ? 'DISTINCT ' : '';
    const tokens: Token[] = [];
    let isLambda = false;
    const values = this.list(() => {
      tokens.push(this.isSign('-') ? this.ahead(1) : this.token);
      const lambda = this.lambda();
      if (tokens.length === 1) isLambda = lambda !== undefined;
      return lambda ?? this.expression();
    });
    this.needSign(')');
    if (tokens.length > 1 && takesLambda(name) && !isLambda) {
      this.refuse(`${name} takes a lambda, such as x -> x + 1`, tokens[0]);
    }
    const isLiterals = tokens.every(({ kind }) => kind === 'number' || kind === 'string');
    return { values: distinct + values, isLiterals };
  }

  /** `x -> …` and `(x, y) -> …`. */
  private lambda(): string | undefined {
    const names: string[] = [];
    if (this.isName() && this.isSign('->', 1)) {
      names.push(this.needName());
    } else if (this.isSign('(') && this.isLambdaHead()) {
      this.next();
      do names.push(this.needName());
      while (this.takeSign(','));
      this.needSign(')');
    } else return undefined;
    this.needSign('->');
    return `(${names.map(printName).join(', ')}) -> ${this.expression()}`;
  }

  private isLambdaHead(): boolean {
    let n = 1;
    for (; this.isName(n); n += 2) {
      if (this.isSign(')', n + 1)) return this.isSign('->', n + 2);
      if (!this.isSign(',', n + 1)) return false;
    }
    return false;
  }

  /** What a window function looks at, in brackets. */
  protected window(): string {
    this.needSign('(');
    const parts: string[] = [];
    const isNamed =
      !['PARTITION', 'ORDER', 'ROWS', 'RANGE'].some((word) => this.isPhrase(word)) && this.isName();
    if (isNamed) parts.push(printName(this.needName()));
    if (this.takePhrase('PARTITION BY')) parts.push(`PARTITION BY ${this.list(() => this.expression())}`);
    if (this.takePhrase('ORDER BY')) parts.push(this.order());
    for (const unit of ['ROWS', 'RANGE']) {
      if (!this.takePhrase(unit)) continue;
      if (this.takePhrase('BETWEEN')) {
        const from = this.frameEnd();
        this.needPhrase('AND');
        parts.push(`${unit} BETWEEN ${from} AND ${this.frameEnd()}`);
      } else parts.push(`${unit} ${this.frameEnd()}`);
    }
    this.needSign(')');
    return `(${parts.join(' ')})`;
  }

  private frameEnd(): string {
    if (this.takePhrase('CURRENT ROW')) return 'CURRENT ROW';
    const count = this.takePhrase('UNBOUNDED') ? 'UNBOUNDED' : this.wholeNumber();
    if (this.takePhrase('PRECEDING')) return `${count} PRECEDING`;
    this.needPhrase('FOLLOWING');
    return `${count} FOLLOWING`;
  }

  protected wholeNumber(): string {
    if (this.token.kind !== 'number' || !/^\d{1,18}$/.test(this.token.text))
      this.fail('a whole number is expected');
    return this.next().text;
  }

  /** What follows ORDER BY. */
  protected order(): string {
    if (this.isPhrase('ALL')) {
      this.next();
      return `ORDER BY ALL${this.direction()}`;
    }
    return `ORDER BY ${this.list(() => this.expression() + this.direction())}`;
  }

  private direction(): string {
    let text = '';
    if (this.takePhrase('ASC') || this.takePhrase('ASCENDING')) text = ' ASC';
    else if (this.takePhrase('DESC') || this.takePhrase('DESCENDING')) text = ' DESC';
    for (const phrase of ['NULLS FIRST', 'NULLS LAST']) if (this.takePhrase(phrase)) text += ` ${phrase}`;
    return text;
  }
}
