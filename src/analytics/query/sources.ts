import { Expressions } from './expressions.js';
import { findFunction } from './functions.js';
import { printName, printString, type Token } from './lexer.js';

/** A table, its columns by name and type. */
export interface Table {
  readonly name: string;
  readonly columns: readonly (readonly [name: string, type: string])[];
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

const TENANT = 'tenant';
/** Where conditions go. No text that is written has control characters otherwise. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is why it is one
export const PLACE = /\x01(\d+)\x01/g;
const NO_LIMIT = '18446744073709551615';
/** How often tables are read, those in WITH as often as it is named: ClickHouse works a WITH out anew for each. */
const TABLE_READS_MAX = 64;
/** Characters of what is written. */
export const OUTPUT_MAX = 1_000_000;

/** A WITH of a query, and how many tables it reads. */
export interface Named {
  readonly text: string;
  readonly reads: number;
}

/** A source behind FROM, by the name it goes by in its query. */
export interface Source {
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

/**
 * What stands where a table may stand: the tenant's rows of one, a query, or that of a WITH. The design is in the head comment of statement.ts.
 */
export abstract class Sources extends Expressions {
  protected readonly scopes: Map<string, Named>[] = [];
  protected readonly used = new Set<string>();
  /** What is asked of each table besides the tenant, by the number that stands in its place until all is read. */
  protected readonly conditions: string[] = [];
  protected readonly aliases = new Set<string>();
  protected reads = 0;
  private written = 0;

  constructor(
    sql: string,
    private readonly place: Place,
  ) {
    super(sql);
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

  /** Adds nothing where no alias follows. */
  protected alias(): string {
    if (!this.takePhrase('AS') && !this.isName()) return '';
    const name = this.needName();
    this.aliases.add(name);
    return ` AS ${printName(name)}`;
  }

  /** What stands behind FROM; `only`: where it is one source. */
  protected sources(): { readonly text: string; readonly only?: Source } {
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
  protected plainConditions(source: string, { columns }: Table): string {
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
}
