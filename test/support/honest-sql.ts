/** Statements that analysts write, and the first rows of their answers over the book of support/analytics-sql.ts. */
export const HONEST: readonly (readonly [sql: string, rows: readonly (readonly unknown[])[]])[] = [
  ['SELECT count() FROM postings', [[1000]]],
  ['select COUNT(*) from postings;', [[1000]]],
  ["SELECT sum(amount) FROM postings WHERE side = 'debit'", [[300000]]],
  [
    'SELECT account, sum(amount) AS total FROM postings GROUP BY account ORDER BY total DESC',
    [
      ['sales', 300500],
      ['till:1', 300000],
    ],
  ],
  [
    "SELECT group, index, leg FROM postings WHERE `group` LIKE 'riga.%' ORDER BY lsn LIMIT 1",
    [['riga.store1', 0, 0]],
  ],
  ['SELECT lsn FROM postings ORDER BY lsn DESC LIMIT 2 OFFSET 1', [[999], [998]]],
  ['SELECT lsn FROM postings ORDER BY lsn LIMIT 10, 2', [[11], [12]]],
  [
    'SELECT account, lsn FROM postings ORDER BY lsn DESC LIMIT 1 BY account',
    [
      ['sales', 1000],
      ['till:1', 999],
    ],
  ],
  ['SELECT DISTINCT code FROM postings ORDER BY code LIMIT 2', [['0'], ['1']]],
  [
    'SELECT toDate(effective_at) AS day, count() FROM postings GROUP BY day ORDER BY day',
    [['2026-01-01', 1000]],
  ],
  [
    'SELECT toStartOfHour(effective_at) AS hour, sum(amount) FROM postings GROUP BY hour ORDER BY hour LIMIT 1',
    [['2026-01-01 00:00:00', 7830]],
  ],
  [
    "SELECT count() FROM postings WHERE effective_at >= '2026-01-01 01:00:00' AND effective_at < '2026-01-01 02:00:00'",
    [[60]],
  ],
  [
    "SELECT count() FROM postings WHERE effective_at BETWEEN toDateTime64('2026-01-01 00:00:00', 3, 'UTC') AND toDateTime64('2026-01-01 00:10:00', 3, 'UTC')",
    [[11]],
  ],
  ['SELECT max(effective_at) - INTERVAL 1 DAY FROM postings', [['2025-12-31 16:39:00.000']]],
  ["SELECT dateDiff('minute', min(effective_at), max(effective_at)) FROM postings", [[999]]],
  ["SELECT formatDateTime(min(effective_at), '%d.%m.%Y') FROM postings", [['01.01.2026']]],
  [
    "SELECT EXTRACT(HOUR FROM max(effective_at)), DATE '2026-02-28' + INTERVAL 1 DAY FROM postings",
    [[16, '2026-03-01']],
  ],
  [
    'SELECT p.lsn, t.transaction FROM postings AS p JOIN transactions AS t ON p.lsn = t.lsn ORDER BY p.lsn LIMIT 1',
    [[1, 't0']],
  ],
  ['SELECT count() FROM postings p LEFT JOIN accounts a ON p.account = a.account AND a.lsn <= 2', [[1000]]],
  ['SELECT count() FROM postings INNER JOIN transactions USING (lsn)', [[1000]]],
  ['SELECT count() FROM transactions AS t LEFT ANTI JOIN postings AS p ON t.lsn = p.lsn', [[0]]],
  ['SELECT count() FROM accounts AS a, rates AS r', [[4]]],
  ['SELECT count() FROM accounts CROSS JOIN rates', [[4]]],
  [
    'SELECT p.lsn, r.rate FROM postings AS p ASOF JOIN rates AS r ON p.currency = r.source AND p.effective_at >= r.at ORDER BY p.lsn LIMIT 1',
    [[1, '1.5']],
  ],
  [
    'WITH days AS (SELECT toHour(effective_at) AS h, sum(amount) AS s FROM postings GROUP BY h) ' +
      'SELECT h, s, sum(s) OVER (ORDER BY h ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running FROM days ORDER BY h LIMIT 2',
    [
      [0, 7830, 7830],
      [1, 11430, 19260],
    ],
  ],
  ['WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT a.x, b.y FROM a, b', [[1, 2]]],
  ['WITH 500 AS bound SELECT count() FROM postings WHERE amount > bound', [[600]]],
  ['WITH (SELECT max(amount) FROM postings) AS most SELECT most', [[1100]]],
  ['WITH a AS (SELECT 1 AS x) SELECT sum(x) FROM (SELECT x FROM a UNION ALL SELECT x + 1 FROM a)', [[3]]],
  [
    'SELECT row_number() OVER w AS n, amount FROM postings WINDOW w AS (PARTITION BY account ORDER BY lsn) ORDER BY n, amount LIMIT 2',
    [
      [1, 101],
      [1, 102],
    ],
  ],
  [
    "SELECT lsn, lagInFrame(amount, 1, 0) OVER (ORDER BY lsn) AS before FROM postings WHERE account = 'till:1' ORDER BY lsn LIMIT 2",
    [
      [1, 0],
      [3, 101],
    ],
  ],
  [
    'SELECT amount FROM postings QUALIFY rank() OVER (ORDER BY amount DESC) <= 2 ORDER BY amount',
    [[1099], [1100]],
  ],
  [
    'SELECT amount > (SELECT avg(amount) FROM postings) AS above, count() FROM postings GROUP BY above ORDER BY above',
    [
      [0, 500],
      [1, 500],
    ],
  ],
  ['SELECT count() FROM postings WHERE lsn IN (SELECT lsn FROM transactions WHERE lsn <= 10)', [[10]]],
  ["SELECT count() FROM postings WHERE (account, lsn) IN (('till:1', 1), ('sales', 2))", [[2]]],
  [
    "SELECT count() FROM postings WHERE code NOT IN ('1', '2') AND account NOT LIKE 'x%' AND reference IS NOT NULL",
    [[800]],
  ],
  ['WITH few AS (SELECT lsn FROM postings LIMIT 5) SELECT count() FROM transactions WHERE lsn IN few', [[5]]],
  ['SELECT count() FROM postings WHERE EXISTS (SELECT 1 FROM accounts)', [[1000]]],
  [
    "SELECT CASE WHEN amount > 600 THEN 'much' ELSE 'little' END AS size, count() FROM postings GROUP BY size ORDER BY size",
    [
      ['little', 500],
      ['much', 500],
    ],
  ],
  ["SELECT CASE code WHEN '0' THEN 'none' ELSE code END AS c FROM postings ORDER BY lsn LIMIT 1", [['none']]],
  [
    "SELECT if(side = 'debit', 1, -1) * amount, side = 'debit' ? 'in' : 'out' FROM postings ORDER BY lsn LIMIT 2",
    [
      [101, 'in'],
      [-102, 'out'],
    ],
  ],
  [
    "SELECT sumIf(amount, side = 'debit') - sumIf(amount, side = 'credit') AS difference FROM postings",
    [[-500]],
  ],
  ["SELECT sum(amount) FILTER (WHERE side = 'debit') FROM postings", [[300000]]],
  [
    'SELECT quantile(0.5)(amount), median(amount), quantiles(0.1, 0.9)(amount) FROM postings',
    [[600.5, 600.5, [200.9, 1000.1]]],
  ],
  ['SELECT count(DISTINCT code), uniqExact(code, account) FROM postings', [[10, 10]]],
  [
    'SELECT arrayMap(x -> x * 2, groupArray(3)(amount)) FROM (SELECT amount FROM postings ORDER BY lsn)',
    [[[202, 204, 206]]],
  ],
  ['SELECT arraySum(arrayMap((x, y) -> x * y, [1, 2], [3, 4])), [5, 6][2], length([])', [[11, 6, 0]]],
  [
    'SELECT arrayJoin([1, 2]) AS x, x + 1 ORDER BY x',
    [
      [1, 2],
      [2, 3],
    ],
  ],
  ['SELECT n FROM (SELECT [7, 8] AS list) ARRAY JOIN list AS n', [[7], [8]]],
  ["SELECT map('a', 1)['a'], (1, 'x').2, tuple(1, 2).1", [[1, 'x', 1]]],
  ["SELECT JSONExtractInt(metadata, 'shelf') AS shelf, count() FROM postings GROUP BY shelf", [[3, 1000]]],
  [
    "SELECT splitByChar('.', group)[1] AS town, upper(town) || '!' FROM postings LIMIT 1",
    [['riga', 'RIGA!']],
  ],
  ["SELECT replaceRegexpOne('till:17', '^\\w+:(\\d+)$', '\\1'), match('abc', '^a.c$')", [['17', 1]]],
  [
    'SELECT code, account, sum(amount) FROM postings GROUP BY code, account WITH ROLLUP ORDER BY 3 DESC LIMIT 1',
    [['', '', 600500]],
  ],
  [
    'SELECT code, sum(amount) AS s FROM postings GROUP BY GROUPING SETS ((code), ()) ORDER BY s DESC LIMIT 1',
    [['', 600500]],
  ],
  ['SELECT code, count() FROM postings GROUP BY ALL HAVING count() > 99 ORDER BY ALL LIMIT 1', [['0', 100]]],
  ['WITH a AS (SELECT 7 AS x) SELECT x FROM a UNION DISTINCT SELECT x FROM a', [[7]]],
  ['(SELECT 1 AS n) EXCEPT (SELECT 2)', [[1]]],
  ['SELECT lsn FROM postings INTERSECT SELECT 7 ORDER BY 1', [[7]]],
  ['SELECT sum(debits), sum(credits), sum(count) FROM sums_day', [[300000, 300500, 1000]]],
  [
    'SELECT bucket, sum(credits) AS c FROM sums_hour GROUP BY bucket ORDER BY bucket LIMIT 1',
    [['2026-01-01 00:00:00.000', 3930]],
  ],
  ['SELECT argMax(currency, lsn) FROM accounts', [['EUR']]],
  [
    'SELECT toInt128(9007199254740993) * 1000000000000000000, toUInt64(18446744073709551615)',
    [[9007199254740993000000000000000000n, 18446744073709551615n]],
  ],
  [
    "SELECT '12'::Int64 + CAST('3' AS Nullable(UInt8)), toDecimal64('1.10', 2), 0x10, 1e3, .5",
    [[15, '1.1', 16, 1000, 0.5]],
  ],
  ['SELECT ((SELECT 1) + 1) * 2, -(-3), 7 % 4, 7 DIV 2, 1 + 2 * 3 - 4 / 2, NOT 1', [[4, 3, 3, 3, 5, 0]]],
  ["SELECT 'it''s' AS `a name`, \"a name\" = 'it\\'s', 'naïve – 漢字'", [["it's", 1, 'naïve – 漢字']]],
  ['SELECT p.* EXCEPT (metadata) FROM postings AS p ORDER BY lsn LIMIT 0', []],
  [
    'SELECT coalesce(NULL, 1), NULL IS NULL, true AND false, greatest(1, 2), round(2.567, 1)',
    [[1, 1, false, 2, 2.6]],
  ],
  // Conditions that also go into the reading of the table.
  ['SELECT amount + 1 AS amount FROM postings WHERE amount = 102', [[102]]],
  ["SELECT count() FROM postings WHERE code = '1' OR code = '2'", [[200]]],
  ["SELECT count() FROM postings WHERE code = '1' ? 1 : code = '2'", [[200]]],
  [
    "SELECT count() FROM postings WHERE side = 'debit' AND effective_at >= '2026-01-01 01:00:00' AND account = 'till:1'",
    [[470]],
  ],
  [
    "SELECT count() FROM postings AS p WHERE p.lsn <= 500 AND p.lsn > 10 AND p.code != '1' AND lsn < 20",
    [[8]],
  ],
  [
    "SELECT count() FROM transactions AS t LEFT JOIN accounts AS a ON t.lsn = a.lsn WHERE a.currency = ''",
    [[998]],
  ],
  [
    "WITH x AS (SELECT lsn FROM postings WHERE account = 'sales') SELECT count(), min(lsn) FROM x WHERE lsn > 500",
    [[250, 502]],
  ],
  ['WITH 3 AS lsn SELECT count() FROM postings WHERE lsn = 3', [[1000]]],
  [
    'SELECT (SELECT count() FROM postings WHERE lsn < 11) + (SELECT count() FROM postings WHERE lsn < 21)',
    [[30]],
  ],
];
