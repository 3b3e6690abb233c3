import { describe, expect, it } from 'vitest';
import { findFunction, findType } from '../src/analytics/query/functions.js';
import { tokenize } from '../src/analytics/query/lexer.js';
import type { Place } from '../src/analytics/query/sources.js';
import { translate } from '../src/analytics/query/statement.js';

const place: Place = {
  database: 'kassa',
  tables: new Map([
    [
      'postings',
      {
        name: 'postings',
        columns: [
          ['tenant', 'LowCardinality(String)'],
          ['lsn', 'UInt64'],
          ['code', 'LowCardinality(String)'],
          ['sum', 'SimpleAggregateFunction(sum, Int128)'],
        ],
      },
    ],
  ]),
  functions: new Set(['file', 'sum', 'code', 'hostname']),
};
const own = (conditions = '') =>
  'SELECT `lsn`, CAST(`code` AS String) AS `code`, CAST(`sum` AS Int128) AS `sum` FROM `kassa`.`postings` ' +
  `WHERE tenant = {tenant:String}${conditions} LIMIT 18446744073709551615`;
const write = (sql: string) => translate(sql, place, 11).sql;

describe('a statement is written anew', () => {
  it.each([
    ['select lsn from postings', `SELECT \`lsn\` FROM (${own()}) AS \`postings\` LIMIT 11`],
    ['SELECT 1 /* a */ -- b', 'SELECT 1 LIMIT 11'],
    ["SELECT 'a''b\\n\\\\' AS x", "SELECT 'a\\'b\\x0a\\\\' AS `x` LIMIT 11"],
    ['SELECT 1 AS "a`b\\\\c"', 'SELECT 1 AS `a\\`b\\\\c` LIMIT 11'],
    ['SELECT 1 - -1 AS x', 'SELECT (1 - (-1)) AS `x` LIMIT 11'],
    [
      'SELECT 1 IN (lsn) AS x FROM postings AS p',
      `SELECT (1 = \`lsn\`) AS \`x\` FROM (${own()}) AS \`p\` LIMIT 11`,
    ],
    ['SELECT 1 AS x LIMIT 5', 'SELECT 1 AS `x` LIMIT 5'],
    ['SELECT 1 AS x UNION ALL SELECT 2', '(SELECT 1 AS `x`) UNION ALL (SELECT 2)'],
    ['WITH a AS (SELECT 1 AS x) SELECT x FROM a AS b', 'SELECT `x` FROM (SELECT 1 AS `x`) AS `b` LIMIT 11'],
    [
      'SELECT SUM ( lsn ) AS x, substr(code, 1) AS y FROM postings',
      `SELECT sum(\`lsn\`) AS \`x\`, substring(\`code\`, 1) AS \`y\` FROM (${own()}) AS \`postings\` LIMIT 11`,
    ],
    [
      'SELECT x::int AS y FROM (SELECT 1 AS x)',
      'SELECT CAST(`x` AS Int32) AS `y` FROM (SELECT 1 AS `x`) LIMIT 11',
    ],
  ])('%s', (sql, text) => expect(write(sql)).toBe(text));
});

describe('plain conditions', () => {
  const inner = (sql: string) => /= \{tenant:String\}(.*?) LIMIT 1844/.exec(write(sql))![1];

  it.each([
    [
      "SELECT lsn FROM postings WHERE lsn = 5 AND code >= 'a' AND lsn + 1 > 2 AND lsn = 7",
      " AND `lsn` = 5 AND `code` >= 'a'",
    ],
    ['SELECT lsn FROM postings AS p WHERE p.lsn > 5 ORDER BY lsn', ' AND `lsn` > 5'],
    ['SELECT count() FROM (SELECT lsn FROM postings WHERE lsn < 5)', ' AND `lsn` < 5'],
    ["SELECT lsn FROM postings WHERE code = '1\\' OR 1=1 --'", " AND `code` = '1\\' OR 1=1 --'"],
  ])('go into the reading: %s', (sql, text) => expect(inner(sql)).toBe(text));

  it.each([
    'SELECT lsn FROM postings WHERE lsn = 5 OR code = 1',
    'SELECT lsn FROM postings WHERE lsn = 5 AND lsn = 6 OR code = 1',
    'SELECT lsn FROM postings WHERE lsn = 5 ? 1 : 0',
    'SELECT lsn FROM postings WHERE lsn = 5 + 1',
    'SELECT lsn FROM postings WHERE lsn = 5 = 0',
    'SELECT lsn FROM postings WHERE NOT lsn = 5',
    'SELECT lsn FROM postings WHERE lsn != 5',
    'SELECT lsn FROM postings WHERE lsn = code',
    'SELECT lsn FROM postings WHERE (lsn = 5)',
    "SELECT lsn FROM postings WHERE tenant = 'other'",
    "SELECT lsn FROM postings WHERE nosuch = 'other'",
    'SELECT lsn + 1 AS lsn FROM postings WHERE lsn = 5',
    'WITH 1 AS lsn SELECT 2 FROM postings WHERE lsn = 5',
    'SELECT p.lsn FROM postings AS p LEFT JOIN (SELECT 1 AS lsn) AS q ON p.lsn = q.lsn WHERE p.lsn = 5',
    'SELECT lsn FROM postings ARRAY JOIN [1, 2] AS x WHERE lsn = 5',
    'SELECT lsn FROM postings HAVING lsn = 5',
  ])('do not: %s', (sql) => expect(inner(sql)).toBe(''));
});

describe('tokens', () => {
  const kinds = (sql: string) =>
    tokenize(sql).map(({ kind, text }) => (kind === 'end' ? '.' : `${kind}:${text}`));

  it('are words, names, strings, numbers and signs', () => {
    expect(kinds('a "b""c" `d` \'e\'\'f\' 1.5e3 .5 0xFF t.1.2 x::y')).toEqual([
      ...['word:a', 'quoted:b"c', 'quoted:d', "string:e'f", 'number:1.5e3', 'number:0.5', 'number:0xFF'],
      ...['word:t', 'sign:.', 'number:1', 'sign:.', 'number:2', 'word:x', 'sign:::', 'word:y', '.'],
    ]);
  });

  it.each([
    '1a',
    '1..2',
    '0xZ',
    '1_000',
    'a $ b',
    '{',
    '}',
    '@',
    '#',
    '!',
    '|',
    '&',
    '~',
    '^',
    '\\',
    '\u00e4',
    '\u0000',
    '1e',
    '"\n"',
    '``',
    "'\\xff'",
  ])('%j is none', (text) => expect(() => tokenize(text)).toThrow(/at character/));
});

describe('names of functions and types', () => {
  it('are found in any case, with what may stand behind an aggregate', () => {
    expect(
      ['COUNT', 'sumIf', 'SUMIFORNULL', 'Substr', 'groupArrayDistinct', 'argMaxIf'].map(
        (name) => findFunction(name)?.name,
      ),
    ).toEqual([...['count', 'sumIf', 'sumIfOrNull', 'substring', 'groupArrayDistinct', 'argMaxIf']]);
    expect(
      ['sumState', 'lengthIf', 'nosuch', 'OrNull', '', 'sumIfIfIfIf', '__proto__', 'constructor'].map(
        findFunction,
      ),
    ).toEqual(Array(8).fill(undefined));
    expect(
      ['STRING', 'bigint', 'AggregateFunction', 'JSON', 'Dynamic', 'Object', 'constructor'].map(findType),
    ).toEqual([...['String', 'Int64', undefined, undefined, undefined, undefined, undefined]]);
  });
});
