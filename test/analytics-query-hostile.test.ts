import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../src/analytics/database.js';
import { findFunction } from '../src/analytics/query/functions.js';
import { ReportError } from '../src/analytics/report-error.js';
import { ask, type Book, openBook, SECRET, SECRET_AMOUNT, shown } from './support/analytics-sql.js';
import { HONEST } from './support/honest-sql.js';
import { HOSTILE } from './support/hostile-sql.js';

const CANARY_WORDS = 'WORDSOFTHECANARY';

let book: Book;
let database: Database;
let canary: string;
let listener: Server;
let address: string;
let calls = 0;
let before: string;

/** Every table with its rows, every name of the engine that a statement could leave behind, and the files next to it. */
async function state(): Promise<string> {
  const tables = await database.rows(
    "SELECT name, create_table_query FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') ORDER BY database, name",
  );
  const counts = await Promise.all(
    tables
      .map(([name]) => name as string)
      .filter((name) => !name.endsWith('_view'))
      .map((name) => database.rows(`SELECT '${name}', count(), sum(cityHash64(*)) FROM ${name}`)),
  );
  const others = await database.rows(
    "SELECT what, name FROM (SELECT 'database' AS what, name FROM system.databases " +
      "UNION ALL SELECT 'function', name FROM system.functions WHERE origin != 'System') ORDER BY what, name",
  );
  return JSON.stringify([tables, counts, others, readdirSync(book.directory).sort()]);
}

/** No row of another tenant, no word of the file. */
function expectOwn(text: string): void {
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain(String(SECRET_AMOUNT));
  expect(text).not.toContain(CANARY_WORDS);
}

beforeAll(async () => {
  book = await openBook();
  database = book.database;
  canary = join(book.directory, 'canary.txt');
  writeFileSync(canary, `${CANARY_WORDS}\n`);
  listener = createServer((_, response) => {
    calls++;
    response.end(CANARY_WORDS);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  // Merges would change how many rows a view's table has.
  await database.command('SYSTEM STOP MERGES');
  before = await state();
});

afterAll(async () => {
  listener.close();
  await book.close();
});

describe('the traps would go off', () => {
  it('the engine itself reads the file, calls the listener, and sees the other tenants', async () => {
    expect(await database.rows(`SELECT * FROM file('${canary}', 'LineAsString')`)).toEqual([[CANARY_WORDS]]);
    expect(await database.rows(`SELECT * FROM url('${address}', 'LineAsString')`)).toEqual([[CANARY_WORDS]]);
    expect(calls).toBeGreaterThan(0);
    calls = 0;
    expect(
      await database.rows(`SELECT uniqExact(tenant) FROM postings WHERE reference = '${SECRET}'`),
    ).toEqual([[expect.anything()]]);
    // A condition of the statement, worked out together with the tenant's: why the tables are read behind a LIMIT.
    await expect(
      database.rows(
        "SELECT count() FROM (SELECT * FROM postings WHERE tenant = 'mine') WHERE toInt64(reference) >= 0",
      ),
    ).rejects.toThrow(SECRET);
    // The bare name of a function where a lambda stands.
    expect(await database.rows(`SELECT arrayMap(file, ['${canary}'])`)).toEqual([[[`${CANARY_WORDS}\n`]]]);
    // Dictionaries that hold words of all tenants: why columns are not LowCardinality.
    await expect(
      database.rows(
        "SELECT count() FROM (SELECT * FROM postings WHERE tenant = 'mine' LIMIT 10000) WHERE length(toFixedString(who, 1)) = 1",
      ),
    ).rejects.toThrow('too long');
  });
});

describe(`${HOSTILE.length} hostile statements`, () => {
  it('are at least 100', () => expect(HOSTILE.length).toBeGreaterThanOrEqual(100));

  it.each(HOSTILE)('$fate: $sql', async ({ sql, fate }) => {
    const outcome = await ask(database, sql.replaceAll('CANARY', canary).replaceAll('LISTENER', address));
    expectOwn(shown(outcome).replace(sql, ''));
    if (fate === 'own') expect(outcome).not.toBeInstanceOf(ReportError);
    else expect(outcome).toMatchObject({ code: 'invalid_request', pointer: '/sql' });
  });

  it('leave tables, functions, databases and files as they were, and call nobody', async () => {
    expect(JSON.parse(await state())).toEqual(JSON.parse(before));
    expect(calls).toBe(0);
    expect(readFileSync(canary, 'utf8')).toBe(`${CANARY_WORDS}\n`);
  });
});

describe('the second wall', () => {
  it('filters a table whoever reads it', async () => {
    const settings = { readonly: 1, additional_table_filters: "{'kassa.postings': 'tenant = \\'mine\\''}" };
    expect(await database.rows('SELECT groupUniqArray(tenant) FROM postings', {}, { settings })).toEqual([
      [['mine']],
    ]);
    await expect(database.rows("SELECT * FROM file('x')", {}, { settings })).rejects.toThrow('readonly');
  });

  it('holds for tenants whose names look like SQL', async () => {
    for (const tenant of ["a' OR 1=1 --", "\\' OR 1", '{tenant:String}', "'"]) {
      const { runQuery } = await import('../src/analytics/query/query.js');
      const body = { sql: 'SELECT count() FROM postings' };
      const answer = await runQuery({ database, tenant, body, signal: new AbortController().signal });
      expect(answer.rows, tenant).toEqual([[0]]);
    }
  });
});

describe('functions', () => {
  it('that know more than their arguments are none of the list, in any case and with any ending', () => {
    const never = [
      'file',
      'url',
      's3',
      'remote',
      'merge',
      'joinGet',
      'joinGetOrNull',
      'dictGet',
      'dictGetOrDefault',
      'dictHas',
      'getSetting',
      'currentUser',
      'user',
      'hostName',
      'hostname',
      'FQDN',
      'version',
      'uptime',
      'currentDatabase',
      'database',
      'schema',
      'sleep',
      'sleepEachRow',
      'in',
      'notIn',
      'globalIn',
      'nullIn',
      'hasColumnInTable',
      'catboostEvaluate',
      'addressToLine',
      'addressToSymbol',
      'demangle',
      'aiGenerate',
      'AIGenerate',
      'aiClassify',
      'aiEmbed',
      'arrayReduce',
      'arrayReduceInRanges',
      'arrayFold',
      'finalizeAggregation',
      'initializeAggregation',
      'runningAccumulate',
      'sumState',
      'sumMerge',
      'sumSimpleState',
      'sumStateIf',
      'sumMergeState',
      'throwIf',
      'formatRow',
      'formatQuery',
      'getServerSetting',
      'globalVariable',
      'showCertificate',
      'filesystemAvailable',
      'queryID',
      'currentRoles',
      'serverUUID',
      'zookeeperSessionUptime',
      'generateRandomStructure',
      'regionToName',
      'JSONExtract',
      'accurateCast',
      'reinterpret',
      'editDistance',
      'levenshteinDistance',
      'aggThrow',
      'flameGraph',
      'evalMLMethod',
      'executable',
      'nothing',
      'exists',
    ];
    for (const name of never) {
      for (const text of [name, name.toLowerCase(), name.toUpperCase(), `${name}If`, `${name}OrNull`]) {
        expect(findFunction(text), text).toBeUndefined();
      }
    }
  });

  it('call what is named only where a lambda is wanted', async () => {
    const { AGGREGATE_FUNCTIONS, PLAIN_FUNCTIONS, takesLambda } = await import(
      '../src/analytics/query/functions.js'
    );
    const callers = new Set<string>();
    for (const name of [...PLAIN_FUNCTIONS, ...AGGREGATE_FUNCTIONS]) {
      for (const list of [
        `file, ['${canary}']`,
        `file, '${canary}'`,
        `['${canary}'], file`,
        "length, ['abc']",
      ]) {
        const done = await database.rows(`SELECT ${name}(${list})`).then(
          () => true,
          () => false,
        );
        if (done) callers.add(name);
      }
    }
    expect(callers).toContain('arrayMap');
    expect([...callers].filter((name) => !takesLambda(name))).toEqual([]);
  }, 60_000);

  it('of the list are what the engine has by these names', async () => {
    const { AGGREGATE_FUNCTIONS, PLAIN_FUNCTIONS } = await import('../src/analytics/query/functions.js');
    const rows = await database.rows('SELECT name, is_aggregate FROM system.functions');
    const known = new Map(rows.map(([name, isAggregate]) => [name as string, isAggregate as number]));
    // `grouping` belongs to GROUP BY.
    expect(PLAIN_FUNCTIONS.filter((name) => known.get(name) !== 0)).toEqual(['grouping']);
    expect(AGGREGATE_FUNCTIONS.filter((name) => known.get(name) !== 1)).toEqual([]);
  });
});

describe('honest statements with hostile pieces', () => {
  const pieces = [
    ...HOSTILE.flatMap(({ sql }) => sql.split(/(?<=[ (),])/)),
    'kassa.postings',
    'system.tables',
    ' FROM kassa.postings',
    ') UNION ALL SELECT reference FROM kassa.postings --',
    "file('CANARY')",
    'tenant',
    '{tenant:String}',
    "' OR 1=1 --",
    '`',
    '"',
    "'",
    '\\',
    '/*',
    '*/',
    '--',
    ';',
    '$$',
    '(',
    ')',
    ',',
    '.',
    ' IN postings ',
    ' IN (postings) ',
    ' SETTINGS readonly=0',
    ' FORMAT CSV',
    '\n',
    '\0',
    '::String',
    '[1]',
    ' AS postings',
    ' WITH postings AS (SELECT 1) ',
    '.*',
    ' EXCEPT (lsn)',
    '*',
    ' LIMIT 1',
    ' GROUP BY 1',
    'x -> x',
    '?',
    ':',
  ];

  it('never show a row of another tenant', async () => {
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(
          ...HONEST.map(([sql]) => sql),
          ...HOSTILE.filter(({ fate }) => fate === 'own').map(({ sql }) => sql),
        ),
        fc.array(
          fc.record({
            at: fc.nat(),
            cut: fc.constantFrom(0, 0, 0, 1, 1, 2, 5),
            piece: fc.constantFrom(...pieces),
          }),
          { minLength: 1, maxLength: 2 },
        ),
        async (sql, edits) => {
          const words = sql.split(/(?<=[ (),.])|(?=[ (),.])/);
          for (const { at, cut, piece } of edits) words.splice(at % (words.length + 1), cut, piece);
          const text = words.join('');
          const outcome = await ask(
            database,
            text.replaceAll('CANARY', canary).replaceAll('LISTENER', address),
          );
          if (!(outcome instanceof ReportError)) answered++;
          const hidden = shown(outcome).replaceAll(canary, '');
          expect(hidden.includes(SECRET) && !text.includes('OTHERS')).toBe(false);
          expect(hidden.includes(String(SECRET_AMOUNT)) && !text.includes('9182')).toBe(false);
          expect(hidden).not.toContain(CANARY_WORDS);
        },
      ),
      { numRuns: 15_000, interruptAfterTimeLimit: 60_000 },
    );
    expect(answered).toBeGreaterThan(300);
    expect(JSON.parse(await state())).toEqual(JSON.parse(before));
    expect(calls).toBe(0);
  }, 120_000);
});
