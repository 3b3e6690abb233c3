import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openLedger } from '../src/ledger.js';
import { ImportError } from '../src/transfer/import.js';
import { NotForUseError } from '../wal/unfinished.js';
import { verify } from '../wal/verify.js';
import { must, until } from './support/ledger.js';
import { replayedHash } from './support/recovery.js';
import { trade } from './support/traded.js';
import { exported, imported, linesOf } from './support/transfer.js';
import { temporaryDirectory } from './support/wal.js';

const DOC = fileURLToPath(new URL('../../docs/export-format.md', import.meta.url));

function newPlace(): string {
  return join(temporaryDirectory(), 'place');
}

/** A file from elsewhere, of one tenant. */
function file(...lines: readonly object[]): string {
  return [{ kassa_export: 1, tenant: 'riga' }, ...lines].map((line) => `${JSON.stringify(line)}\n`).join('');
}

const A = { op: 'account', id: 'a', currency: 'EUR', type: 'asset', min_balance: null };
const B = { op: 'account', id: 'b', currency: 'EUR', type: 'asset' };
const USD = { op: 'account', id: 'usd', currency: 'USD', type: 'equity' };
const SALE = { op: 'transaction', id: 'sale', debit: 'b', credit: 'a', amount: 100 };
const HOLD = {
  op: 'transaction',
  id: 'hold',
  debit: 'b',
  credit: 'a',
  amount: 10,
  pending: { expires_in: 60 },
};

/** How an import of this text ends. */
async function failure(data: string, text: string): Promise<ImportError> {
  const error = await imported(data, text).then(
    () => new Error('it was imported'),
    (error: Error) => error,
  );
  if (!(error instanceof ImportError)) throw error;
  return error;
}

describe('an import of an export', () => {
  it('is the same ledger, to the byte of its export', async () => {
    const data = temporaryDirectory();
    const lsn = await trade(data, [0, 1, 2, 3]);
    const text = await exported(data);
    const copy = newPlace();
    expect(await imported(copy, text)).toMatchObject({ lsn, imported: lsn, known: 0 });
    expect(await exported(copy)).toBe(text);
    expect(replayedHash(copy)).toBe(replayedHash(data));
    expect((await verify({ data: copy })).findings).toEqual([]);
  });

  it('of an empty ledger is that ledger', async () => {
    const data = temporaryDirectory();
    const { id } = await openLedger({ data }).then(async (ledger) => {
      await ledger.close();
      return ledger;
    });
    const copy = newPlace();
    expect(await imported(copy, await exported(data))).toMatchObject({ ledger: id, lsn: 0, imported: 0 });
    expect(await exported(copy)).toBe(await exported(data));
  });

  it('keeps what is odd: quotes, metadata, the largest amounts, requests that lines cannot tell', async () => {
    const data = temporaryDirectory();
    const ledger = await openLedger({ data, shards: 2 });
    const session = ledger.as({
      tenant: 'a.b:c',
      by: 'O"Neill \\ Söhne'.replace('ö', 'o'),
      terminal: '{"t":1}',
    });
    const metadata = JSON.parse(
      '{"ž":"\\u2028\\n","2":1,"10":[null,{"__proto__":{"x":1.5e-7}}],"__proto__":0,"n":-9007199254740991}',
    );
    for (const id of ['a', 'b', '{s}c']) {
      must(
        await session.createAccount({
          id,
          currency: 'EUR',
          type: 'equity',
          max_balance: null,
          min_balance: -(2n ** 63n - 1n),
          metadata,
        }),
      );
    }
    const max = 2n ** 63n - 2n ** 60n;
    must(
      await session.transaction({
        id: 'max',
        debit: 'a',
        credit: 'b',
        amount: max,
        reference: '"\\"',
        metadata,
      }),
    );
    must(
      await session.reverse('max', {
        id: 'back',
        postings: [
          { account: 'b', credit: 2n ** 53n },
          { account: 'a', debit: 2n ** 53n },
        ],
      }),
    );
    must(await session.reverse('back', { id: 'again' }));
    const legs = [
      { account: 'b', debit: 30, tag: 'x' },
      { account: '{s}c', credit: 20 },
      { account: '{s}c', credit: 10 },
    ];
    for (const id of ['odd', 'plain', 'whole', 'gone', 'timed']) {
      must(
        await session.transaction({
          id,
          postings: legs,
          pending: id === 'timed' ? { expires_in: 1 } : { approval: true },
        }),
      );
    }
    const other = ledger.as({ tenant: 'a.b:c', by: 'boss' });
    must(
      await other.post('odd', {
        postings: [
          { account: '{s}c', credit: 21 },
          { account: 'b', debit: 21, tag: 'x' },
        ],
        metadata,
      }),
    );
    must(
      await other.post('plain', {
        postings: [
          { account: 'b', debit: 5, tag: 'x' },
          { account: '{s}c', credit: 5 },
        ],
      }),
    );
    must(await other.post('whole', { effective_at: '2020-02-29T00:00:00Z', code: 'c' }));
    must(await session.void('gone', { reference: 'r' }));
    must(await session.void('never', { code: 'c' }));
    must(await session.updateAccount('a', { frozen: true }));
    must(await session.updateAccount('a', { closed: false, group: 'x.y', metadata: null }));
    must(
      await session.updateAccount('a', {
        frozen: false,
        closed: false,
        group: null,
        max_balance: 2n ** 63n - 1n,
        min_balance: null,
      }),
    );
    await until('expiry', async () => must(await session.status('timed')).status === 'expired');
    const before = { bodies: [] as unknown[] };
    for (const id of ['max', 'odd', 'plain', 'whole', 'gone', 'timed', 'never'])
      before.bodies.push(must(await session.status(id)));
    await ledger.close();

    const text = await exported(data);
    const lines = linesOf(text);
    expect(lines.filter((line) => 'content' in line).map(({ op, id }) => [op, id])).toEqual([
      ['reverse', 'back'],
      ['post', 'odd'],
    ]);
    expect(lines.find(({ op }) => op === 'expire')).toMatchObject({
      id: 'timed',
      postings: [{ debit: 0, released: 30 }, {}, {}],
    });
    expect(lines.find(({ id }) => id === 'max')).toMatchObject({
      reference: '"\\"',
      metadata,
      postings: [{ debit: String(max) }, {}],
    });
    expect(
      lines.filter(({ op }) => op === 'account_update').map(({ frozen, closed }) => [frozen, closed]),
    ).toEqual([
      [true, undefined],
      [undefined, false],
      [false, false],
    ]);
    const copy = newPlace();
    await imported(copy, text);
    expect(await exported(copy)).toBe(text);
    expect(replayedHash(copy)).toBe(replayedHash(data));
    const again = await openLedger({ data: copy });
    const reader = again.as({ tenant: 'a.b:c', by: 'boss' });
    const after: unknown[] = [];
    for (const id of ['max', 'odd', 'plain', 'whole', 'gone', 'timed', 'never'])
      after.push(must(await reader.status(id)));
    expect(after).toEqual(before.bodies);
    const repeated = await reader.post('odd', {
      postings: [
        { account: '{s}c', credit: 21 },
        { account: 'b', debit: 21, tag: 'x' },
      ],
      metadata,
    });
    expect(repeated).toMatchObject({ ok: true, created: false });
    await again.close();
  });

  it('may come in parts, each of which goes on behind the one before', async () => {
    const data = temporaryDirectory();
    const lsn = await trade(data, [0, 1]);
    const copy = newPlace();
    const middle = lsn >> 1;
    await imported(copy, await exported(data, { toLsn: middle }));
    const second = await exported(data, { fromLsn: middle - 4 });
    expect(await failure(newPlace(), second)).toMatchObject({
      line: 1,
      message: expect.stringMatching(/begins at LSN/),
    });
    expect(await imported(copy, second)).toMatchObject({ lsn, imported: lsn - middle, known: 5 });
    expect(await exported(copy)).toBe(await exported(data));
    expect((await verify({ data: copy })).findings).toEqual([]);
  });
});

describe('an import that was interrupted', () => {
  it('goes on where it was, and no server starts on the directory before it is done', async () => {
    const data = temporaryDirectory();
    const lsn = await trade(data, [0, 1, 2, 3, 4]);
    const text = await exported(data);
    const copy = newPlace();
    const options = { segmentBytes: 1 << 16 };
    async function* broken(): AsyncGenerator<Uint8Array> {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length * 0.8; at += 997) yield bytes.subarray(at, at + 997);
      throw new Error('the power is gone');
    }
    await expect(imported(copy, text, { ...options, file: broken() })).rejects.toThrow('the power is gone');
    await expect(openLedger({ data: copy })).rejects.toThrow(NotForUseError);
    const report = await imported(copy, text, options);
    expect(report.lsn).toBe(lsn);
    expect(report.known).toBeGreaterThan(0);
    expect(report.imported).toBeGreaterThan(0);
    expect(report.known + report.imported).toBe(lsn);
    expect(await exported(copy)).toBe(text);
    expect(await imported(copy, text)).toMatchObject({ imported: 0, known: lsn });
    await (await openLedger({ data: copy })).close();
  });

  it('does not go on with another file', async () => {
    const data = newPlace();
    await imported(data, file(A, B, SALE));
    const error = await failure(data, file(A, B, { ...SALE, amount: 99 }, HOLD));
    expect(error).toMatchObject({ line: 4, code: 'other_record' });
    expect(await imported(data, file(A, B, SALE, HOLD))).toMatchObject({ imported: 1, known: 3 });
    const other = temporaryDirectory();
    await trade(other, [0]);
    expect(await failure(data, await exported(other))).toMatchObject({
      line: 1,
      message: expect.stringMatching(/is of ledger .* and .* holds/),
    });
    // A file that never fitted leaves a ledger that can be used.
    await (await openLedger({ data })).close();
  });
});

describe('a file that is not as it was exported', () => {
  it('is noticed when it is cut off, changed or goes on', async () => {
    const data = temporaryDirectory();
    await trade(data, [0]);
    const text = await exported(data);
    const lines = text.trimEnd().split('\n');
    const cut = newPlace();
    const joined = (parts: readonly string[]) => `${parts.join('\n')}\n`;
    expect(await failure(cut, joined(lines.slice(0, -1)))).toMatchObject({ code: 'cut_off' });
    await expect(openLedger({ data: cut })).rejects.toThrow(/did not come to its end/);
    expect(await failure(newPlace(), text.slice(0, text.length >> 1))).toMatchObject({
      code: 'invalid_request',
    });
    const without = lines.filter((_, i) => i !== lines.length - 2);
    expect(await failure(newPlace(), joined(without))).toMatchObject({ code: 'not_as_exported' });
    const changed = text.replace('"by":"bea"', '"by":"eve"');
    expect(changed).not.toBe(text);
    expect(await failure(newPlace(), changed)).toMatchObject({ code: 'not_as_exported' });
    expect(await failure(newPlace(), text + lines[1])).toMatchObject({
      message: expect.stringMatching(/nothing comes after/),
    });
    expect(await failure(newPlace(), '')).toMatchObject({ code: 'cut_off' });
    // What was cut off goes on with the whole.
    expect(await imported(cut, text)).toMatchObject({ imported: 0 });
    expect(await exported(cut)).toBe(text);
  });
});

describe('a line is refused, and what came before it stays', () => {
  const post = { op: 'post', id: 'hold' };
  const cases: readonly (readonly [what: string, lines: readonly object[], code: string, reason: RegExp])[] =
    [
      [
        'that does not balance',
        [
          {
            op: 'transaction',
            id: 'x',
            postings: [
              { account: 'a', debit: 2 },
              { account: 'b', credit: 1 },
            ],
          },
        ],
        'unbalanced',
        /debits and credits/,
      ],
      [
        'whose currencies do not balance',
        [
          USD,
          {
            op: 'transaction',
            id: 'x',
            postings: [
              { account: 'a', debit: 2 },
              { account: 'usd', credit: 2 },
            ],
          },
        ],
        'unbalanced',
        /./,
      ],
      [
        'that breaks a limit',
        [{ ...SALE, id: 'x', debit: 'a', credit: 'b', amount: 101 }],
        'insufficient_funds',
        /account b: available 100, required 101, short of 1/,
      ],
      [
        'on an account that is not there',
        [{ ...SALE, id: 'x', debit: 'nobody' }],
        'account_not_found',
        /nobody/,
      ],
      [
        'on a frozen account',
        [
          { op: 'account_update', id: 'b', frozen: true },
          { ...SALE, id: 'x' },
        ],
        'account_frozen',
        /b/,
      ],
      ['with an id that was used', [{ ...SALE, amount: 1 }], 'id_reused', /./],
      ['with an id and content that were there', [SALE], 'duplicate', /at LSN 3/],
      ['of an account that is there', [A], 'duplicate', /there already/],
      [
        'that goes back in time',
        [
          { ...SALE, id: 'x', committed_at: '2020-01-01T00:00:00Z' },
          { ...SALE, id: 'y', committed_at: '2019-12-31T23:59:59.999Z' },
        ],
        'invalid_request',
        /goes back in time/,
      ],
      [
        'that lies in the future',
        [{ ...SALE, id: 'x', committed_at: '2999-01-01T00:00:00Z' }],
        'invalid_request',
        /in the future/,
      ],
      [
        'with another LSN than the next',
        [{ ...SALE, id: 'x', lsn: 5 }],
        'invalid_request',
        /LSN 5 where LSN 4 is next/,
      ],
      ['with a field that is not known', [{ ...SALE, id: 'x', colour: 'red' }], 'invalid_request', /colour/],
      [
        'with an operation that is not known',
        [{ op: 'gift', id: 'x' }],
        'invalid_request',
        /no operation "gift"/,
      ],
      ['with an amount of 0', [{ ...SALE, id: 'x', amount: 0 }], 'invalid_amount', /\/amount/],
      [
        'with a content hash of another ledger',
        [{ ...SALE, id: 'x', content: '0011223344556677' }],
        'invalid_request',
        /\/content/,
      ],
      ['that ends what is not there', [{ op: 'void', id: 'ghost' }], 'transaction_not_found', /./],
      ['that ends what was never pending', [{ op: 'post', id: 'sale' }], 'not_pending', /./],
      ['that ends what has ended', [HOLD, post, { op: 'void', id: 'hold' }], 'already_posted', /./],
      ['that posts more than is held', [HOLD, { ...post, amount: 11 }], 'exceeds_original', /./],
      [
        'that states other postings than come of it',
        [
          HOLD,
          {
            ...post,
            part: 'amount',
            postings: [
              { account: 'b', debit: 4, released: 5 },
              { account: 'a', credit: 4, released: 6 },
            ],
          },
        ],
        'invalid_request',
        /other postings/,
      ],
      [
        'that expires a hold before its time',
        [
          { ...HOLD, committed_at: '2020-01-01T00:00:00Z' },
          { op: 'expire', id: 'hold', committed_at: '2020-01-01T00:00:59.999Z' },
        ],
        'not_pending',
        /it expires at 2020-01-01T00:01:00.000Z/,
      ],
      [
        'that ends a hold long after it expired',
        [
          { ...HOLD, committed_at: '2020-01-01T00:00:00Z' },
          { ...post, committed_at: '2020-01-01T02:00:00Z' },
        ],
        'expired',
        /./,
      ],
      [
        'that promises another expiry than its seconds',
        [
          {
            ...HOLD,
            committed_at: '2020-01-01T00:00:00Z',
            pending: { expires_in: 5, expires_at: '2020-01-01T00:00:06Z' },
          },
        ],
        'invalid_request',
        /expires_at/,
      ],
      [
        'of an approval by its creator',
        [
          { ...HOLD, pending: { approval: true }, by: 'ann' },
          { ...post, by: 'ann' },
        ],
        'forbidden',
        /./,
      ],
      [
        'that reverses more than there was',
        [
          { op: 'reverse', id: 'r', original: 'sale', amount: 60 },
          { op: 'reverse', id: 's', original: 'sale', amount: 41 },
        ],
        'exceeds_original',
        /./,
      ],
      [
        'that reverses what was not posted',
        [HOLD, { op: 'reverse', id: 'r', original: 'hold' }],
        'not_posted',
        /./,
      ],
      [
        'that reverses what is not there',
        [{ op: 'reverse', id: 'r', original: 'ghost' }],
        'transaction_not_found',
        /ghost/,
      ],
      ['of a tombstone for an id that was seen', [{ op: 'tombstone', id: 'sale' }], 'id_reused', /at LSN 3/],
      ['without a tenant', [{ ...SALE, id: 'x', tenant: 5 }], 'invalid_request', /\/tenant/],
      ['that is no object', [[] as unknown as object], 'invalid_request', /JSON object/],
    ];

  it.each(cases)('%s', async (_what, lines, code, reason) => {
    const data = newPlace();
    const early = { committed_at: '2019-12-01T00:00:00Z' };
    const before = [
      { ...A, ...early },
      { ...B, ...early },
      { ...SALE, ...early },
    ];
    const error = await failure(data, file(...before, ...lines));
    expect(error).toMatchObject({
      code,
      line: 4 + lines.length,
      lsn: 2 + lines.length,
      message: expect.stringMatching(reason),
    });
    const report = await imported(data, file(...before, ...lines.slice(0, -1)));
    expect(report).toMatchObject({ imported: 0, known: 2 + lines.length });
    expect((await verify({ data })).findings).toEqual([]);
  });

  it('by its number, when it is not JSON, and in the head', async () => {
    expect(await failure(newPlace(), `${file(A)}{"op":"account",\n`)).toMatchObject({
      line: 3,
      message: expect.stringMatching(/not valid JSON/),
    });
    expect(await failure(newPlace(), `${file(A)}{"op":"account","op":"account"}\n`)).toMatchObject({
      line: 3,
      message: expect.stringMatching(/key occurs twice/),
    });
    expect(await failure(newPlace(), '{"op":"account"}\n')).toMatchObject({
      line: 1,
      message: expect.stringMatching(/must be a head/),
    });
    expect(await failure(newPlace(), '{"kassa_export":2}\n')).toMatchObject({
      line: 1,
      message: expect.stringMatching(/reads format 1/),
    });
    const endless = `${file(A)}${' '.repeat(3 << 20)}`;
    expect(await imported(newPlace(), endless, {}, 1 << 19).catch((error: unknown) => error)).toMatchObject({
      line: 3,
      code: 'too_large',
    });
    const nowhere = newPlace();
    await failure(nowhere, '{"kassa_export":1,"colour":1}\n');
    expect(existsSync(join(nowhere, 'log'))).toBe(false);
  });
});

describe('a file from elsewhere', () => {
  it('may be as short as the documentation shows', async () => {
    const example = /```json\n(\{"kassa_export":1,"tenant"[\s\S]*?)```/.exec(readFileSync(DOC, 'utf8'))![1]!;
    const data = newPlace();
    expect(await imported(data, example)).toMatchObject({ imported: 6, known: 0 });
    const ledger = await openLedger({ data });
    const session = ledger.as({ tenant: 'riga', by: 'ann' });
    expect(must(await session.balance('till:1'))).toMatchObject({ balance: 25_000n });
    expect(must(await session.balance('opening'))).toMatchObject({ balance: 20_000n });
    expect(must(await session.status('opening:gift:4711'))).toMatchObject({
      by: 'migration',
      effective_at: '2026-12-31T23:59:59.000Z',
    });
    const copy = {
      id: 'opening:till:1',
      debit: 'till:1',
      credit: 'opening',
      amount: 25_000,
      effective_at: '2026-12-31T23:59:59Z',
    };
    expect(await session.transaction(copy)).toMatchObject({
      ok: true,
      created: false,
      body: { duplicate: true },
    });
    await ledger.close();
    const text = await exported(data);
    const other = newPlace();
    await imported(other, text);
    expect(await exported(other)).toBe(text);
  });

  it('may say requests as a client does, with times of its own', async () => {
    const data = newPlace();
    const at = (time: string, line: object) => ({ ...line, committed_at: `2021-03-04T${time}Z` });
    const text = file(
      at('08:00:00', A),
      B,
      at('09:00:00', HOLD),
      { op: 'post', id: 'hold', amount: 4, by: 'bea', terminal: 't1' },
      at('09:30:00', { ...HOLD, id: 'late' }),
      { op: 'tombstone', id: 'never' },
      at('09:31:00', { op: 'expire', id: 'late' }),
      {
        op: 'reverse',
        id: 'back',
        original: 'hold',
        postings: [
          { account: 'b', debit: 1 },
          { account: 'a', credit: 1 },
        ],
      },
      { op: 'reverse', id: 'rest', original: 'hold' },
      { op: 'account_update', id: 'b', max_balance: 5, closed: true },
    );
    await imported(data, `\n${text.replaceAll('\n', '\r\n\r\n')}`, {}, 7);
    const lines = linesOf(await exported(data));
    expect(lines.map(({ lsn }) => lsn)).toEqual(lines.map((_, i) => i + 1));
    expect(lines[2]).toMatchObject({
      by: 'import',
      pending: { expires_in: 60, expires_at: '2021-03-04T09:01:00.000Z' },
    });
    expect(lines[3]).toEqual({
      lsn: 4,
      committed_at: '2021-03-04T09:00:00.000Z',
      op: 'post',
      tenant: 'riga',
      by: 'bea',
      terminal: 't1',
      id: 'hold',
      part: 'amount',
      postings: [
        { account: 'b', debit: 4, released: 6 },
        { account: 'a', credit: 4, released: 6 },
      ],
    });
    expect(lines[8]).toMatchObject({
      op: 'reverse',
      part: 'whole',
      postings: [
        { account: 'b', credit: 3, leg: 0 },
        { account: 'a', debit: 3, leg: 1 },
      ],
    });
    expect((await verify({ data })).findings).toEqual([]);
  });

  it('takes the time of its first lines from the head, and else from the import', async () => {
    const head = { kassa_export: 1, tenant: 'riga', committed_at: '2020-01-01T00:00:00Z' };
    const later = { ...SALE, committed_at: '2020-01-02T00:00:00Z' };
    const lines = [head, A, B, later, { ...SALE, id: 'x' }]
      .map((line) => `${JSON.stringify(line)}\n`)
      .join('');
    const data = newPlace();
    await imported(data, lines);
    const times = linesOf(await exported(data)).map((line) => line['committed_at']);
    expect(times.map((time) => String(time).slice(0, 10))).toEqual([
      '2020-01-01',
      '2020-01-01',
      '2020-01-02',
      '2020-01-02',
    ]);
    const error = await failure(newPlace(), file(A, B, later));
    expect(error).toMatchObject({
      line: 4,
      message: expect.stringMatching(/the committed_at of the head or now/),
    });
  });

  it('shares commits by time, whatever the size', async () => {
    const data = newPlace();
    const sales = Array.from({ length: 40_000 }, (_, i) => ({ ...SALE, id: `s${i}` }));
    const back = [
      { op: 'reverse', id: 'r1', original: 's0' },
      { op: 'reverse', id: 'r2', original: 's39999' },
    ];
    const report = await imported(data, file(A, B, ...sales, ...back), { segmentBytes: 1 << 21 }, 1 << 16);
    expect(report).toMatchObject({ lsn: 40_004 });
    const { findings, segments, batches } = await verify({ data });
    expect(findings).toEqual([]);
    expect(segments).toBeGreaterThan(1);
    expect(batches).toBeLessThan(10);
  });
});

describe('an export', () => {
  it('of a range holds these lines of the whole', async () => {
    const data = temporaryDirectory();
    const lsn = await trade(data, [0, 1]);
    const whole = (await exported(data)).split('\n').slice(1, -2);
    const part = await exported(data, { fromLsn: 7, toLsn: lsn - 3 });
    expect(part.split('\n').slice(1, -2)).toEqual(whole.slice(6, -3));
    expect(JSON.parse(part.split('\n')[0]!)).toMatchObject({ from_lsn: 7, to_lsn: lsn - 3 });
    expect(JSON.parse(part.split('\n').at(-2)!)).toMatchObject({ records: lsn - 9 });
    await expect(exported(data, { toLsn: lsn + 1 })).rejects.toThrow(/ends at LSN/);
    await expect(exported(data, { fromLsn: 9, toLsn: 7 })).rejects.toThrow(/comes after LSN 7/);
    expect((await exported(data, { fromLsn: lsn + 1 })).split('\n')).toHaveLength(3);
    await expect(exported(newPlace())).rejects.toThrow(/there is no ledger/);
  });
});
