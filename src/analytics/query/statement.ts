import { printName } from './lexer.js';
import { OUTPUT_MAX, PLACE, type Place, type Source, Sources } from './sources.js';

/**
 * From an analyst's statement to the one that runs.
 *
 * Nothing of the text reaches ClickHouse. The statement is read here, by a grammar that holds what reports need and nothing else, and written anew:
 * names always in quotes, strings escaped anew, functions and types by the names of a list, brackets around everything. So it does not matter how
 * ClickHouse reads odd text, only how it reads the forms written here; and where a table may stand, nothing can stand but one of the queries
 * below with the tenant's own rows, a query of the statement, or the query of one of its WITHs, which is put in its place.
 *
 * Conditions of the statement work on nothing but the tenant's rows, for what goes wrong on others (a text that is no number, one that is too long)
 * would tell of them. The LIMIT within keeps them out of the reading, where ClickHouse would work them out together with the tenant's
 * own condition; and dictionaries of LowCardinality, on which functions work as a whole, are left behind. Only comparisons of a column with a
 * literal, which cannot fail on a row, go into the reading as well, so that it finds an account or a day by the table's order.
 */

/** What runs: the statement's own form, the tenant a parameter `tenant`. */
export interface Statement {
  readonly sql: string;
  /** Tables that it reads. */
  readonly tables: ReadonlySet<string>;
}

/**
 * @param sql one SELECT
 * @param rows the answer has no more
 * @throws {SqlError} for what is refused
 */
export function translate(sql: string, place: Place, rows: number): Statement {
  return new Translator(sql, place).statement(rows);
}

class Translator extends Sources {
  /** 1 in the statement itself: what it calls its columns is what the answer calls them. */
  private depthOfQueries = 0;

  statement(rows: number): Statement {
    if (!this.isQuery()) this.fail('one statement that begins with SELECT or WITH is expected');
    const query = this.query(rows);
    this.takeSign(';');
    if (this.token.kind !== 'end') this.fail('the end of the statement is expected');
    if (query.length > OUTPUT_MAX) this.refuse('the statement becomes too large');
    const sql = query.replace(PLACE, (_, number) => this.conditions[Number(number)]!);
    return { sql, tables: this.used };
  }

  /** SELECTs and what joins them. @param rows for the statement itself: a limit, where it is one SELECT without */
  protected override query(rows?: number): string {
    return this.deeper(() => {
      this.scopes.push(new Map());
      this.depthOfQueries++;
      const operands: string[] = [];
      const operators: string[] = [];
      let scalars = '';
      for (;;) {
        if (this.isSign('(')) operands.push(this.subquery());
        else {
          if (this.takePhrase('WITH'))
            scalars = [scalars, this.with()].filter((text) => text !== '').join(', ');
          operands.push(`${scalars === '' ? '' : `WITH ${scalars} `}${this.select()}`);
        }
        const operator = this.setOperator();
        if (operator === undefined) break;
        operators.push(operator);
      }
      this.scopes.pop();
      this.depthOfQueries--;
      const [first] = operands;
      if (operands.length === 1) {
        const hasLimit = this.hasLimit;
        return rows === undefined || hasLimit || first!.startsWith('(') ? first! : `${first} LIMIT ${rows}`;
      }
      return operands
        .map(
          (text, i) => `${i === 0 ? '' : `${operators[i - 1]} `}${text.startsWith('(') ? text : `(${text})`}`,
        )
        .join(' ');
    });
  }

  /** Whether the SELECT read last has a LIMIT or an OFFSET. */
  private hasLimit = false;

  private setOperator(): string | undefined {
    for (const word of ['UNION', 'INTERSECT', 'EXCEPT']) {
      if (!this.takePhrase(word)) continue;
      if (this.takePhrase('ALL')) return `${word} ALL`;
      this.takePhrase('DISTINCT');
      return `${word} DISTINCT`;
    }
    return undefined;
  }

  /** Queries become names of the scope; what is left are expressions with names. */
  private with(): string {
    if (this.isPhrase('RECURSIVE')) this.refuse('WITH RECURSIVE is not used here');
    const scalars: string[] = [];
    do {
      if (this.isName() && this.isPhrase('AS', 1) && this.isSign('(', 2) && this.isQuery(2)) {
        const name = this.needName();
        this.next();
        const before = this.reads;
        const text = this.subquery().slice(1, -1);
        const reads = this.reads - before;
        this.reads = before;
        this.scopes.at(-1)!.set(name, { text, reads });
      } else {
        const text = this.expression();
        this.needPhrase('AS');
        const name = this.needName();
        this.aliases.add(name);
        scalars.push(`${text} AS ${printName(name)}`);
      }
    } while (this.takeSign(','));
    return scalars.join(', ');
  }

  private select(): string {
    this.needPhrase('SELECT');
    let text = `SELECT ${this.takePhrase('DISTINCT') ? 'DISTINCT ' : ''}${this.list(() => this.item())}`;
    let only: Source | undefined;
    if (this.takePhrase('FROM')) {
      const sources = this.sources();
      text += ` FROM ${sources.text}`;
      only = sources.only;
    }
    if (this.takePhrase('WHERE')) {
      if (only?.table !== undefined)
        this.conditions[only.table.place] = this.plainConditions(only.name, only.table);
      text += ` WHERE ${this.expression()}`;
    }
    if (this.takePhrase('GROUP BY')) text += ` GROUP BY ${this.groups()}`;
    if (this.takePhrase('HAVING')) text += ` HAVING ${this.expression()}`;
    if (this.takePhrase('WINDOW')) {
      text += ` WINDOW ${this.list(() => {
        const name = printName(this.needName());
        this.needPhrase('AS');
        return `${name} AS ${this.window()}`;
      })}`;
    }
    if (this.takePhrase('QUALIFY')) text += ` QUALIFY ${this.expression()}`;
    if (this.takePhrase('ORDER BY')) text += ` ${this.order()}`;
    return text + this.limits();
  }

  private item(): string {
    if (this.takeSign('*')) return `*${this.without()}`;
    if (this.isName() && this.isSign('.', 1) && this.isSign('*', 2)) {
      const name = printName(this.needName());
      this.next();
      this.next();
      return `${name}.*${this.without()}`;
    }
    const start = this.token;
    const text = this.expression();
    const alias = this.alias();
    if (alias !== '' || this.depthOfQueries > 1 || /^[`.\w]+$/.test(text)) return text + alias;
    return `${text} AS ${printName(this.sourceFrom(start))}`;
  }

  /** `* EXCEPT (a, b)`; followed by a SELECT, EXCEPT is something else. */
  private without(): string {
    if (
      !this.isPhrase('EXCEPT') ||
      this.isPhrase('EXCEPT ALL') ||
      this.isPhrase('EXCEPT DISTINCT') ||
      this.isQuery(1)
    )
      return '';
    this.next();
    if (!this.takeSign('(')) return ` EXCEPT (${printName(this.needName())})`;
    const names = this.list(() => printName(this.needName()));
    this.needSign(')');
    return ` EXCEPT (${names})`;
  }

  private groups(): string {
    if (this.takePhrase('ALL')) return 'ALL';
    if (this.takePhrase('GROUPING SETS')) {
      this.needSign('(');
      const sets = this.list(() => {
        this.needSign('(');
        const set = this.isSign(')') ? '' : this.list(() => this.expression());
        this.needSign(')');
        return `(${set})`;
      });
      this.needSign(')');
      return `GROUPING SETS (${sets})`;
    }
    for (const word of ['ROLLUP', 'CUBE']) {
      if (!this.isPhrase(word) || !this.isSign('(', 1)) continue;
      this.next();
      this.needSign('(');
      const list = this.list(() => this.expression());
      this.needSign(')');
      return `${word}(${list})`;
    }
    const list = this.list(() => this.expression());
    for (const phrase of ['WITH ROLLUP', 'WITH CUBE'])
      if (this.takePhrase(phrase)) return `${list} ${phrase}`;
    if (this.isPhrase('WITH TOTALS')) this.refuse('WITH TOTALS is not used here; WITH ROLLUP is');
    return list;
  }

  private limits(): string {
    let text = '';
    this.hasLimit = false;
    while (this.takePhrase('LIMIT')) {
      let count = this.wholeNumber();
      let offset: string | undefined;
      if (this.takeSign(',')) {
        offset = count;
        count = this.wholeNumber();
      } else if (this.takePhrase('OFFSET')) offset = this.wholeNumber();
      text += ` LIMIT ${count}${offset === undefined ? '' : ` OFFSET ${offset}`}`;
      if (this.takePhrase('BY')) text += ` BY ${this.list(() => this.expression())}`;
      else {
        if (this.takePhrase('WITH TIES')) text += ' WITH TIES';
        this.hasLimit = true;
        return text;
      }
    }
    if (this.takePhrase('OFFSET')) {
      text += ` OFFSET ${this.wholeNumber()}`;
      this.takePhrase('ROWS');
      this.hasLimit = true;
    }
    return text;
  }
}
