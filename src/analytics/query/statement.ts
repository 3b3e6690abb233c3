import { Expressions } from './expressions.js';
import { findFunction } from './functions.js';
import { printName, printString, type Token } from './lexer.js';

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
 * own condition; and dictionaries of LowCardinality, on which functions work as a whole, are left behind.
 */

/** A table, its columns by name and type. */
export interface Table {
  readonly name: string;
  readonly columns: readonly (readonly [name: string, type: string])[];
}

const TENANT = 'tenant';
/** Where conditions go. No text that is written has control characters otherwise. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is why it is one
const PLACE = /\x01(\d+)\x01/g;
const NO_LIMIT = '18446744073709551615';
/** How often tables are read, those in WITH as often as it is named: ClickHouse works a WITH out anew for each. */
const TABLE_READS_MAX = 64;
/** Characters of what is written. */
const OUTPUT_MAX = 1_000_000;

/** A WITH of a query, and how many tables it reads. */
interface Named {
  readonly text: string;
  readonly reads: number;
}

/** What there is on the side of ClickHouse. */
export interface Place {
  /** Where the tables are. */
  readonly database: string;
  /** Those that may be read. */
  readonly tables: ReadonlyMap<string, Table>;
  /** Names of all functions of ClickHouse and of its users, in lower case. */
  readonly functions: ReadonlySet<string>;
}

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

/** A source behind FROM, by the name it goes by in its query. */
interface Source {
  readonly name: string;
  readonly text: string;
  /** Where it is one of the tables. */
  readonly table?: Table & { readonly place: number };
}

const COMPARISONS = new Set(['=', '==', '<', '<=', '>', '>=']);
/** What may stand behind a WHERE. */
const ENDS = [
  'GROUP BY',
  'HAVING',
  'WINDOW',
  'QUALIFY',
  'ORDER BY',
  'LIMIT',
  'OFFSET',
  'UNION',
  'INTERSECT',
  'EXCEPT',
];

/** A column as a value of its own. */
function plainColumn([name, type]: readonly [string, string]): string {
  const plain = /^(?:LowCardinality\((.*)\)|SimpleAggregateFunction\(\w+, (.*)\))$/.exec(type);
  const column = printName(name);
  return plain === null ? column : `CAST(${column} AS ${plain[1] ?? plain[2]}) AS ${column}`;
}

class Translator extends Expressions {
  private readonly scopes: Map<string, Named>[] = [];
  private readonly used = new Set<string>();
  /** What is asked of each table besides the tenant, by the number that stands in its place until all is read. */
  private readonly conditions: string[] = [];
  private readonly aliases = new Set<string>();
  private reads = 0;

  constructor(
    sql: string,
    private readonly place: Place,
  ) {
    super(sql);
  }

  statement(rows: number): Statement {
    if (!this.isQuery()) this.fail('one statement that begins with SELECT or WITH is expected');
    const query = this.query(rows);
    this.takeSign(';');
    if (this.token.kind !== 'end') this.fail('the end of the statement is expected');
    if (query.length > OUTPUT_MAX) this.refuse('the statement becomes too large');
    const sql = query.replace(PLACE, (_, number) => this.conditions[Number(number)]!);
    return { sql, tables: this.used };
  }

  /**
   * Where ClickHouse finds no column of a name, it may take a function of that name. Names of columns are let through: no function that
   * matters is called so.
   */
  protected override isForbidden(name: string): boolean {
    if (!this.place.functions.has(name.toLowerCase()) || findFunction(name) !== undefined) return false;
    for (const { columns } of this.place.tables.values()) {
      if (columns.some(([column]) => column === name && column !== TENANT)) return false;
    }
    return true;
  }

  protected override cte(name: string): string | undefined {
    const named = this.scopes.findLast((scope) => scope.has(name))?.get(name);
    if (named === undefined) return undefined;
    this.count(named.reads, named.text.length);
    return named.text;
  }

  private count(reads: number, length: number): void {
    this.reads += reads;
    this.written += length;
    if (this.reads > TABLE_READS_MAX) this.refuse(`tables are read more than ${TABLE_READS_MAX} times`);
    if (this.written > OUTPUT_MAX) this.refuse('the statement becomes too large');
  }

  private written = 0;
  /** 1 in the statement itself: what it calls its columns is what the answer calls them. */
  private depthOfQueries = 0;

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

  /** Adds nothing where no alias follows. */
  private alias(): string {
    if (!this.takePhrase('AS') && !this.isName()) return '';
    const name = this.needName();
    this.aliases.add(name);
    return ` AS ${printName(name)}`;
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

  /** What stands behind FROM; `only`: where it is one source. */
  private sources(): { readonly text: string; readonly only?: Source } {
    const first = this.source();
    let { text } = first;
    for (let isOne = true; ; isOne = false) {
      if (this.takeSign(',')) {
        text += ` CROSS JOIN ${this.source().text}`;
        continue;
      }
      const join = this.join();
      if (join === undefined) return isOne ? { text, only: first } : { text };
      if (join.endsWith('ARRAY JOIN')) {
        text += ` ${join} ${this.list(() => this.expression() + this.alias())}`;
        continue;
      }
      text += ` ${join} ${this.source().text}`;
      if (join === 'CROSS JOIN') continue;
      if (this.takePhrase('ON')) text += ` ON ${this.expression()}`;
      else {
        this.needPhrase('USING');
        const inBrackets = this.takeSign('(');
        text += ` USING (${this.list(() => printName(this.needName()))})`;
        if (inBrackets) this.needSign(')');
      }
    }
  }

  /**
   * Conditions at the beginning of a WHERE that compare a column with a literal, for the reading of the table as well, which finds rows by
   * them. They are the same for every tenant's row: nothing of them can fail on one.
   */
  private plainConditions(source: string, { columns }: Table): string {
    if (this.hasAlternatives()) return '';
    let text = '';
    for (let n = 0; ; n += 4) {
      if (this.ahead(n).text === source && this.isSign('.', n + 1)) n += 2;
      const [column, sign, value, end] = [0, 1, 2, 3].map((i) => this.ahead(n + i)) as [
        Token,
        Token,
        Token,
        Token,
      ];
      const isColumn = columns.some(([name]) => name === column.text && name !== TENANT);
      if (!this.isName(n) || !isColumn || this.aliases.has(column.text)) return text;
      if (sign.kind !== 'sign' || !COMPARISONS.has(sign.text)) return text;
      if (value.kind !== 'string' && value.kind !== 'number') return text;
      const isLast =
        end.kind === 'end' || ENDS.some((phrase) => this.isPhrase(phrase, n + 3)) || this.isSign(')', n + 3);
      if (!isLast && !this.isPhrase('AND', n + 3)) return text;
      const literal = value.kind === 'string' ? printString(value.text) : value.text;
      text += ` AND ${printName(column.text)} ${sign.text} ${literal}`;
      if (isLast) return text;
    }
  }

  /** Whether what follows, up to the end of this query, has an OR or a `?` outside brackets. */
  private hasAlternatives(): boolean {
    let open = 0;
    for (let n = 0; this.ahead(n).kind !== 'end' && open >= 0; n++) {
      if (this.isSign('(', n) || this.isSign('[', n)) open++;
      else if (this.isSign(')', n) || this.isSign(']', n)) open--;
      else if (open === 0 && (this.isPhrase('OR', n) || this.isSign('?', n))) return true;
    }
    return false;
  }

  private join(): string | undefined {
    const words: string[] = [];
    const known = [
      'ALL',
      'ANY',
      'ASOF',
      'SEMI',
      'ANTI',
      'INNER',
      'LEFT',
      'RIGHT',
      'FULL',
      'OUTER',
      'CROSS',
      'ARRAY',
    ];
    for (;;) {
      const word = known.find((one) => this.isPhrase(one));
      if (word === undefined) break;
      this.next();
      words.push(word);
      if (words.length > 4) this.fail('JOIN is expected');
    }
    if (words.length === 0 && !this.isPhrase('JOIN')) return undefined;
    this.needPhrase('JOIN');
    const join = [...words, 'JOIN'].join(' ');
    if (
      !/^(?:((ALL|ANY|ASOF|SEMI|ANTI) )?((INNER|LEFT|RIGHT|FULL)( OUTER)? )?((ALL|ANY|ASOF|SEMI|ANTI) )?|CROSS |(LEFT )?ARRAY )JOIN$/.test(
        join,
      )
    ) {
      this.refuse(`${join} is not used here`);
    }
    return join;
  }

  private source(): Source {
    if (this.isSign('(')) {
      if (!this.isQuery()) this.fail('a table or a query is expected');
      return { name: '', text: this.subquery() + this.alias() };
    }
    const token = this.token;
    const name = this.needName();
    if (this.isSign('(')) this.refuse('table functions are not used here', token);
    if (this.isSign('.')) this.refuse('a table is named without its database', token);
    const named = this.cte(name);
    const table = named === undefined ? this.place.tables.get(name) : undefined;
    if (named === undefined && table === undefined) {
      const names = [...this.place.tables.keys()].join(', ');
      this.refuse(`there is no table ${JSON.stringify(name)}: there are ${names}`, token);
    }
    const place = this.conditions.length;
    const query = named ?? this.ownRows(table!);
    const alias = this.takePhrase('AS') || this.isName() ? this.needName() : name;
    const text = `(${query}) AS ${printName(alias)}`;
    return { name: alias, text, ...(table !== undefined && { table: { ...table, place } }) };
  }

  /** The tenant's rows of a table. */
  private ownRows({ name, columns }: Table): string {
    this.used.add(name);
    this.count(1, 0);
    const place = this.conditions.push('') - 1;
    const list = columns.filter(([column]) => column !== TENANT).map(plainColumn);
    const from = `${printName(this.place.database)}.${printName(name)}`;
    return (
      `SELECT ${list.join(', ')} FROM ${from} WHERE ${TENANT} = {tenant:String}\x01${place}\x01 ` +
      `LIMIT ${NO_LIMIT}`
    );
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
