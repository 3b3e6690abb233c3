import { type Asked, big, iso, msOf, normal, optional, type Report, tableOf } from './asked.js';
import { readCursor, writeCursor } from './cursor.js';
import { both, NO_FILTER, narrowed, where, withLeg } from './filters.js';
import { accountSource, inMinutes, rawRange, source } from './source.js';
import { openSpan, untilAt } from './spans.js';

const LIMIT_MAX = 1_000;

/** Accounts as they stand, in order of their id; with a tag, code or terminal those that have such postings, and the balance of these. */
export async function accounts(asked: Asked): Promise<Report> {
  const { parameters } = asked;
  const { span } = untilAt(asked);
  const limit = parameters.integer('limit', 1, LIMIT_MAX) ?? 100;
  const cursor = readCursor(parameters, ['string']);
  // By effective time, who has postings at a moment may have been opened later.
  const known = asked.basis === 'committed' ? rawRange(asked, span) : [];
  const range = both(
    narrowed(parameters, ['prefix']),
    cursor === undefined
      ? NO_FILTER
      : { conditions: ['account > {after:String}'], params: { after: cursor[0] as string } },
  );
  // By what the account is, not by what it was at a posting.
  const standing = narrowed(parameters, ['group', 'type', 'currency']);
  const words = narrowed(parameters, ['tag', 'code', 'terminal']);
  const isDetailed = words.conditions.length > 0;
  const moved = isDetailed
    ? [`account IN (SELECT account FROM ${source(asked, span, { filter: words })} WHERE count > 0)`]
    : [];
  const latest = ['type', 'currency', '`group`', 'frozen', 'closed'].map(
    (column) =>
      `argMax(${column === 'frozen' || column === 'closed' ? column : `toString(${column})`}, accounts.lsn) AS ${column}`,
  );
  const rows = await asked.rows(
    `SELECT account, type, currency, \`group\`, frozen, closed FROM (SELECT account, ${latest.join(', ')} FROM accounts ` +
      `${where(range, ...known, ...moved)} GROUP BY account) ` +
      `${standing.conditions.length === 0 ? '' : `WHERE ${standing.conditions.join(' AND ')} `}ORDER BY account LIMIT ${limit + 1}`,
    { ...range.params, ...standing.params, ...words.params },
  );
  const page = rows.slice(0, limit);
  const some = both(
    {
      conditions: ['account IN {page:Array(String)}'],
      params: { page: page.map(([account]) => account as string) },
    },
    words,
  );
  const sides = accountSource(asked, [inMinutes(asked, span)], {
    filter: some,
    columns: ['account', 'debits', 'credits'],
    detailed: isDetailed,
  });
  const [sums, times] = await Promise.all([
    asked.rows(`SELECT account, sum(debits), sum(credits) FROM ${sides} GROUP BY account`, some.params),
    asked.rows(
      `SELECT account, toUnixTimestamp64Milli(max(effective_at)) FROM postings ${where(some, 'amount > 0', ...rawRange(asked, span))} GROUP BY account`,
      some.params,
    ),
  ]);
  const sidesBy = new Map(
    sums.map(([account, debits, credits]) => [account, [big(debits), big(credits)] as const]),
  );
  const timeBy = new Map(times.map(([account, time]) => [account, msOf(time)]));
  const list = page.map(([account, type, currency, group, frozen, closed]) => {
    const [debits, credits] = sidesBy.get(account) ?? [0n, 0n];
    const last = timeBy.get(account);
    return {
      ...{ id: account as string, type, currency },
      ...optional('group', group),
      balance: normal(type as string, debits, credits),
      ...{ frozen, closed },
      ...(last !== undefined && { last_effective_at: iso(last) }),
    };
  });
  const next = rows.length > limit ? writeCursor([list.at(-1)!.id]) : undefined;
  const columns = ['id', 'type', 'currency', 'group', 'balance', 'frozen', 'closed', 'last_effective_at'];
  return { body: { accounts: list, cursor: next }, table: tableOf(columns, list, next) };
}

const STATUSES = ['posted', 'pending', 'voided', 'expired'] as const;
const END_STATUS: { readonly [kind: string]: string } = { post: 'posted', void: 'voided', expire: 'expired' };
const MADE = "kind IN ('posted', 'pending', 'reversal', 'tombstone')";

/** Transactions with how they stand, newest first. */
export async function transactions(asked: Asked): Promise<Report> {
  const { parameters } = asked;
  const span = openSpan(asked);
  const limit = parameters.integer('limit', 1, LIMIT_MAX) ?? 100;
  const cursor = readCursor(parameters, ['number', 'number']);
  const status = parameters.choice('status', STATUSES);
  const behind =
    cursor === undefined
      ? []
      : [`(lsn, index) < (toUInt64(${cursor[0]}), toUInt16(${cursor[1]}))`, `lsn <= ${cursor[0]}`];
  const filter = narrowed(parameters, ['code', 'terminal', 'reference', 'by', 'currency']);
  // Transactions with a leg such as this.
  const legs = narrowed(parameters, ['account', 'tag', 'group', 'prefix', 'type']);
  const within = rawRange(asked, span);
  const known = asked.basis === 'committed' ? [`lsn <= ${asked.lsn}`] : [];
  const conditions = [
    MADE,
    ...within,
    ...behind,
    ...withLeg(legs, ...within, ...behind),
    ...(status === undefined ? [] : statusCondition(status, known)),
  ];
  const rows = await asked.rows(
    'SELECT lsn, index, transaction, toString(kind), original, legs, amount, toString(currency), toString(code), reference, ' +
      'toString(who), toString(terminal), toUnixTimestamp64Milli(effective_at), toUnixTimestamp64Milli(committed_at) ' +
      `FROM transactions ${where(filter, ...conditions)} ORDER BY lsn DESC, index DESC LIMIT ${limit + 1}`,
    { ...filter.params, ...legs.params },
  );
  const page = rows.slice(0, limit);
  const ends = await endsOf(
    asked,
    page.filter(([, , , kind]) => kind === 'pending').map(([lsn]) => msOf(lsn)),
    known,
  );
  const list = page.map((row) => {
    const [
      lsn,
      ,
      transaction,
      kind,
      original,
      legCount,
      amount,
      currency,
      code,
      reference,
      who,
      terminal,
      effective,
      committed,
    ] = row;
    const end = ends.get(msOf(lsn));
    return {
      ...{ id: transaction, lsn: msOf(lsn), status: end?.status ?? firstStatus(kind as string), kind },
      ...{ amount: big(amount), currency, legs: legCount },
      ...optional('code', code),
      ...optional('reference', reference),
      ...optional('by', who),
      ...optional('terminal', terminal),
      ...{ effective_at: iso(msOf(effective)), committed_at: iso(msOf(committed)) },
      ...optional('reverses', original),
      ...(end !== undefined && { end }),
    };
  });
  const last = page.at(-1);
  const next =
    rows.length > limit && last !== undefined ? writeCursor([msOf(last[0]), Number(last[1])]) : undefined;
  const columns = [
    ...['lsn', 'id', 'status', 'kind', 'amount', 'currency', 'legs', 'code', 'reference', 'by', 'terminal'],
    ...['effective_at', 'committed_at', 'reverses'],
  ];
  return { body: { transactions: list, cursor: next }, table: tableOf(columns, list, next) };
}

function statusCondition(status: (typeof STATUSES)[number], known: readonly string[]): string[] {
  const ended = (kinds: string) =>
    `(SELECT created_lsn FROM transactions ${where(NO_FILTER, `kind IN (${kinds})`, ...known)})`;
  if (status === 'pending') return ["kind = 'pending'", `lsn NOT IN ${ended("'post', 'void', 'expire'")}`];
  if (status === 'expired') return ["kind = 'pending'", `lsn IN ${ended("'expire'")}`];
  if (status === 'voided')
    return [`(kind = 'tombstone' OR (kind = 'pending' AND lsn IN ${ended("'void'")}))`];
  return [`(kind IN ('posted', 'reversal') OR (kind = 'pending' AND lsn IN ${ended("'post'")}))`];
}

function firstStatus(kind: string): string {
  if (kind === 'tombstone') return 'voided';
  return kind === 'pending' ? 'pending' : 'posted';
}

/** How holds ended, by the LSN of the hold. */
async function endsOf(asked: Asked, lsns: readonly number[], known: readonly string[]) {
  if (lsns.length === 0) return new Map<number, never>();
  const rows = await asked.rows(
    'SELECT created_lsn, toString(kind), lsn, toUnixTimestamp64Milli(committed_at), amount FROM transactions ' +
      where(
        NO_FILTER,
        `created_lsn IN (${lsns.join(', ')})`,
        `lsn > ${Math.min(...lsns)}`,
        "kind IN ('post', 'void', 'expire')",
        ...known,
      ),
  );
  return new Map(
    rows.map(([created, kind, lsn, committed, amount]) => [
      msOf(created),
      {
        status: END_STATUS[kind as string]!,
        lsn: msOf(lsn),
        committed_at: iso(msOf(committed)),
        ...(kind === 'post' && { amount: big(amount) }),
      },
    ]),
  );
}
