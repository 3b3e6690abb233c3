import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TransactionInput } from '../engine/types.js';
import { commandOf, Doctor, dataOf, indexOf, renumber, setAmount } from './sim/doctor.js';
import { ANN, PAT, tapedStory } from './sim/story.js';
import { playTape, type Tape } from './sim/tape.js';
import type { Command } from './support/model.js';

/**
 * The auditor finds what it is there to find. One history of the real ledger, with a restart, is played to it as it was, and then with one thing
 * doctored at a time: in what was said, in what was answered, or in the log.
 */

const DOCTORED: readonly [what: string, found: RegExp, change: (doctor: Doctor) => void][] = [
  [
    'an LSN exchanged for another',
    /is nobody's/,
    (d) => {
      const [sale, other] = [d.body('sale'), d.body('other')];
      [sale['lsn'], other['lsn']] = [other['lsn'], sale['lsn']];
      for (const name of ['sale', 'other']) d.call(name).answer!.durable = 6;
    },
  ],
  [
    'a record missing',
    /accepted, and not in the log|was told and is gone/,
    (d) =>
      d.log((records) => {
        records.splice(indexOf(records, 'posted', 's7'), 1);
        renumber(records);
      }),
  ],
  [
    'a balance off by one',
    /balance is 51, and 50 is due/,
    (d) => Object.assign(d.body('old'), { balance: 51n }),
  ],
  [
    'a balance in the answer to a sale off by one',
    /the balance of till is 50, and 49 is shown/,
    (d) =>
      Object.assign(d.body('sale'), { balances: { ...(d.body('sale')['balances'] as object), till: 49n } }),
  ],
  ['pending sums off', /debits_pending/, (d) => Object.assign(d.body('new'), { debits_pending: 20n })],
  [
    'a refusal of what was done',
    /is nobody's/,
    (d) => d.refuse('sale', 'account_frozen', { account: 'till' }),
  ],
  [
    'a refusal that was not true',
    /insufficient_funds is due/,
    (d) => d.refuse('broke', 'limit_exceeded', { account: 'till' }),
  ],
  [
    'the figures of a shortage wrong',
    /available is 49, and 50 is due/,
    (d) =>
      d.refuse('broke', 'insufficient_funds', {
        account: 'till',
        available: 49n,
        required: 80n,
        shortage: 31n,
      }),
  ],
  [
    'a shortage of another account',
    /house does not lack funds/,
    (d) =>
      d.refuse('broke', 'insufficient_funds', {
        account: 'house',
        available: 50n,
        required: 80n,
        shortage: 30n,
      }),
  ],
  [
    'a copy applied again',
    /LSN \d+ \(posted dev\/s1 by ann\) is nobody's/,
    (d) => {
      d.lose('copy');
      d.log((records) => {
        const at = indexOf(records, 'posted', 's2') + 1;
        records.splice(at, 0, records[indexOf(records, 'posted', 's1')]!);
        renumber(records);
      });
    },
  ],
  [
    'a copy told as new',
    /accepted, and not in the log|is nobody's/,
    (d) => {
      const { duplicate: _, ...body } = d.body('copy');
      d.call('copy').answer!.outcome = { ok: true, created: true, body };
    },
  ],
  ['a sale told as a copy', /is nobody's/, (d) => Object.assign(d.body('last'), { duplicate: true })],
  [
    'a hold expired early',
    /due at/,
    (d) =>
      d.log((records) => {
        const at = indexOf(records, 'expire', 'h1');
        records[at] = { ...records[at]!, timeMs: records[at - 1]!.timeMs };
      }),
  ],
  [
    'a hold expired twice',
    /expired/,
    (d) =>
      d.log((records) => {
        const at = indexOf(records, 'expire', 'h1');
        records.splice(at, 0, records[at]!);
        renumber(records);
      }),
  ],
  [
    'a hold that was due and stands',
    /was due at/,
    (d) => {
      // The story ends before the expiry, which never comes.
      const cut = d.tape.calls.findIndex((call) => call.name === 'new');
      d.tape.calls.length = cut;
      const [first] = d.tape.audits.splice(0);
      const records = first!.records.slice(0, indexOf(first!.records, 'expire', 'h1'));
      const restAt = Number.MAX_SAFE_INTEGER;
      d.tape.audits.push({ afterCalls: cut, afterAnswers: cut, records, restAt });
    },
  ],
  [
    'another time of expiry',
    /expires_at is/,
    (d) =>
      d.record('pending', 'h1', (_, view) => {
        const at = view.idAt + view.idLength;
        dataOf(view).setFloat64(at, view.expiresAt + 1000, true);
      }),
  ],
  [
    'a reversal above its original',
    /exceeds_original .*was due/,
    (d) => {
      const body = { id: 'r2', amount: 25 };
      d.call('second').what = { kind: 'map', command: { op: 'reverse', caller: ANN, original: 's2', body } };
      d.record('reversal', 'r2', (_, view) => {
        setAmount(view, 0, 25n);
        setAmount(view, 1, 25n);
      });
    },
  ],
  [
    'a reversal that takes from the wrong leg',
    /takes 10 of leg 1/,
    (d) =>
      d.record('reversal', 'r1', (bytes, view) => {
        bytes[view.accountAt[0]! + view.accountLength[0]!] = 1;
      }),
  ],
  [
    'a read that goes back',
    /LSN \d+ changed the account/,
    (d) => {
      d.call('new').answer!.outcome = d.call('old').answer!.outcome!;
    },
  ],
  [
    'an account shown as it was, with a newer LSN',
    /balance is 50/,
    (d) => Object.assign(d.body('new'), { ...d.body('old'), lsn: d.body('new')['lsn'] }),
  ],
  [
    'a hold that stands, after its expiry was told',
    /is due/,
    (d) => {
      const { end: _, ...body } = d.body('ended');
      d.call('ended').answer!.outcome = { ok: true, created: false, body: { ...body, status: 'pending' } };
    },
  ],
  [
    'a transaction not found, after it was told',
    /ok is due/,
    (d) => d.refuse('ended', 'transaction_not_found'),
  ],
  [
    'a refusal that the next one takes back',
    /true at LSN \d+, before what explains an answer/,
    (d) => {
      // The account is there for the first, and not yet for the second, who asks when the first has been told.
      const spare = { id: 'spare', currency: 'USD', type: 'asset' } as const;
      d.insert('usd', [
        [{ op: 'createAccount', caller: ANN, body: spare }, 'account_exists'],
        [{ op: 'balance', caller: ANN, id: 'spare' }, 'account_not_found'],
      ]);
    },
  ],
  [
    'a record that was told and is gone after a restart',
    /was told and is gone|the log ends at/,
    (d) => {
      d.tape.audits[1]!.records.length = d.tape.audits[0]!.records.length - 1;
    },
  ],
  [
    'a record that changed in a restart',
    /is another record than it was/,
    (d) => {
      const last = d.tape.audits[1]!.records[3]!.record;
      last[last.length - 1]! ^= 1;
    },
  ],
  [
    'a record out of balance',
    /the record has/,
    (d) => d.record('posted', 's2', (_, view) => setAmount(view, 0, 31n)),
  ],
  [
    'half of a transaction that nobody heard of',
    /the record has/,
    (d) => {
      d.lose('after');
      d.record('posted', 's8', (_, view) => setAmount(view, 1, 1n));
    },
  ],
  [
    'another content than was sent',
    /the record has/,
    (d) => {
      d.call('sale').what = { kind: 'map', command: { op: 'transaction', caller: ANN, body: SALE_OF_51 } };
      d.call('copy').what = d.call('sale').what;
    },
  ],
  [
    'another one who did it',
    /the record is by Ann@/,
    (d) =>
      d.record('posted', 's1', (bytes, view) => {
        bytes[view.byAt] = 'A'.charCodeAt(0);
      }),
  ],
  [
    'another terminal',
    /the record is by pat@Desk/,
    (d) =>
      d.record('post', 'h2', (bytes, view) => {
        bytes[view.terminalAt] = 'D'.charCodeAt(0);
      }),
  ],
  [
    'a hold approved by its creator',
    /forbidden was due/,
    (d) => {
      const { what } = d.call('capture');
      const caller = { ...PAT, by: 'ann' };
      Object.assign(d.call('capture'), {
        caller,
        what: { kind: 'map', command: { ...commandOf(what), caller } },
      });
      d.record('post', 'h2', (bytes, view) => bytes.set(Buffer.from('ann'), view.byAt));
    },
  ],
  [
    'a limit that the account breaks',
    /limit_exceeded was due/,
    (d) => {
      const command = commandOf(d.call('limit').what) as Command & { op: 'updateAccount' };
      d.call('limit').what = {
        kind: 'map',
        command: { ...command, body: { ...command.body, min_balance: 500 } },
      };
    },
  ],
  [
    'an answer before its record was durable',
    /shows LSN \d+, durable is/,
    (d) => {
      d.call('last').answer!.durable -= 1;
    },
  ],
  [
    'a commit older than the one before',
    /is older than the one before/,
    (d) =>
      d.log((records) => {
        records[5] = { ...records[5]!, timeMs: records[4]!.timeMs - 1 };
      }),
  ],
  [
    'a commit long before it was asked for',
    /committed at/,
    (d) =>
      d.log((records) => {
        for (let i = 0; i < 8; i++) records[i] = { ...records[i]!, timeMs: 1000 };
      }),
  ],
  [
    'entries of a batch out of order',
    /entry 0 has LSN/,
    (d) => {
      const results = d.body('batch')['results'] as { lsn: number }[];
      const [first, second] = results.map(({ lsn }) => lsn) as [number, number];
      [results[0]!.lsn, results[1]!.lsn] = [second, first];
    },
  ],
  [
    'a record that nobody asked for',
    /tombstone dev\/s0 by ann\) is nobody's/,
    (d) =>
      d.record('tombstone', 's9', (bytes, view) => {
        bytes[view.idAt + 1] = '0'.charCodeAt(0);
      }),
  ],
  [
    'a tombstone told as known',
    /tombstone dev\/s9 by ann\) is nobody's/,
    (d) => {
      d.call('tombstone').answer!.outcome = { ok: true, created: false, body: d.body('tombstone') };
    },
  ],
  [
    'an end told as something new',
    /told as new/,
    (d) => {
      d.call('capture').answer!.outcome = { ok: true, created: true, body: d.body('capture') };
    },
  ],
  [
    'a late copy that was done',
    /no LSN from \d+ to \d+ explains|not in the log/,
    (d) => {
      d.call('late').answer!.outcome = { ok: true, created: true, body: d.body('sale') };
    },
  ],
  [
    'another LSN in a compact answer',
    /is nobody's/,
    (d) => {
      d.call('compact').answer!.compact!.lsn -= 1;
    },
  ],
  [
    'another time of the commit',
    /committed_at is/,
    (d) => Object.assign(d.body('sale'), { committed_at: '2026-01-01T00:00:00.000Z' }),
  ],
  [
    'an end without its postings',
    /end is/,
    (d) => {
      const { postings: _, ...end } = d.body('capture')['end'] as { readonly postings: unknown };
      Object.assign(d.body('capture'), { end });
    },
  ],
];

const SALE_OF_51: TransactionInput = { id: 's1', debit: 'till', credit: 'house', amount: 51 };

describe('the auditor', () => {
  let tape: Tape;

  beforeAll(async () => {
    const data = await mkdtemp(join(tmpdir(), 'kassa-test-'));
    tape = await tapedStory(data);
    await rm(data, { recursive: true, force: true });
  });

  test('finds nothing wrong with what happened', async () => {
    await playTape(structuredClone(tape));
  });

  test.each(DOCTORED)('finds %s', async (_, found, change) => {
    const doctor = new Doctor(structuredClone(tape));
    change(doctor);
    await expect(playTape(doctor.tape)).rejects.toThrow(found);
  });
});
