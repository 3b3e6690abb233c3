import { RecordKind } from '../../engine/record.js';
import type { TransactionInput } from '../../engine/types.js';
import { ROLES } from '../../src/gateway/roles.js';
import { type Ledger, openLedger } from '../../src/ledger.js';
import type { Caller } from '../../src/session.js';
import { until } from '../support/ledger.js';
import { readLog } from '../support/log-records.js';
import type { Command } from '../support/model.js';
import type { Call, What } from './call.js';
import { History } from './history.js';
import { type Tape, tapeOf } from './tape.js';

export const ANN: Caller = { tenant: 'dev', by: 'ann' };
export const PAT: Caller = { tenant: 'dev', by: 'pat', terminal: 'desk', permissions: ROLES.approver };

type Said = Command extends infer C ? (C extends Command ? Omit<C, 'caller'> : never) : never;

/** Tells a ledger a short story and tapes it. */
class Story {
  readonly history = new History();
  readonly names = new Map<Call, string>();
  readonly audits: Tape['audits'] = [];
  private ledger: Ledger | undefined;

  constructor(private readonly data: string) {}

  async open(): Promise<void> {
    const ledger = await openLedger({ data: this.data, shards: 2 });
    this.ledger = ledger;
    const durable = () => ledger.stats().durableLsn;
    this.history.connect({
      as: (caller) => ledger.as(caller),
      now: () => Date.now(),
      durable,
      clockErrorMs: 500,
    });
  }

  /** Says several things at once and hears all answers. */
  async say(said: Readonly<Record<string, Said | What>>, caller = ANN): Promise<void> {
    for (const [name, what] of Object.entries(said)) this.start(name, what, caller);
    await until(Object.keys(said).join(), () => this.history.inFlight === 0);
  }

  private start(name: string, what: Said | What, caller: Caller): void {
    const whole: What = 'kind' in what ? what : { kind: 'map', command: { ...what, caller } as Command };
    this.names.set(this.history.start(0, caller, whole), name);
  }

  sale(
    id: string,
    debit: string,
    credit: string,
    amount: number,
    more: Partial<TransactionInput> = {},
  ): Said {
    return { op: 'transaction', body: { id, debit, credit, amount, ...more } };
  }

  /** The ledger goes down; what was not answered is lost. */
  async down(): Promise<void> {
    await this.ledger!.close();
    const { calls, answers } = this.history;
    this.audits.push({ afterCalls: calls.length, afterAnswers: answers.length, records: readLog(this.data) });
    this.history.disconnect();
  }

  async untilExpiry(): Promise<void> {
    await until('expiry', () => readLog(this.data).some(({ record }) => record[4] === RecordKind.expire));
  }
}

/** A shop's day in short: some of everything, one after the other but for what is said together. */
export async function tapedStory(data: string): Promise<Tape> {
  const story = new Story(data);
  await story.open();
  const account = (id: string, type: 'asset' | 'equity', more = {}): Said => {
    return { op: 'createAccount', body: { id, currency: 'EUR', type, ...more } };
  };
  await story.say({ house: account('house', 'equity'), till: account('till', 'asset') });
  await story.say({
    gift: account('{g}:gift', 'asset', { max_balance: 100 }),
    usd: account('spare', 'equity'),
  });
  await story.say({
    sale: story.sale('s1', 'till', 'house', 50),
    other: story.sale('s2', '{g}:gift', 'house', 30),
  });
  await story.say({
    copy: story.sale('s1', 'till', 'house', 50),
    broke: story.sale('s3', 'house', 'till', 80),
  });
  await story.say({ old: { op: 'balance', id: 'till' }, unseen: { op: 'status', id: 's4' } });
  await story.say({ approval: story.sale('h2', 'house', 'till', 10, { pending: { approval: true } }) });
  await story.say({ capture: { op: 'post', id: 'h2', body: { amount: 6 } } }, PAT);
  const refund = (id: string, amount: number): Said => ({
    op: 'reverse',
    original: 's2',
    body: { id, amount },
  });
  await story.say({ refund: refund('r1', 10) });
  await story.say({ second: refund('r2', 15), standing: { op: 'status', id: 's2' } });
  await story.say({ toomuch: refund('r3', 20) });
  await story.say({ tombstone: { op: 'void', id: 's9' } });
  await story.say({ late: story.sale('s9', 'till', 'house', 5) });
  await story.say({ limit: { op: 'updateAccount', id: 'till', body: { max_balance: 200, min_balance: 3 } } });
  const body: TransactionInput = { id: 's5', debit: 'till', credit: 'house', amount: 7 };
  const frame = [story.history.nextCall, 's5', 'till', 'house', 7];
  await story.say({ compact: { kind: 'compact', frame, body } });
  const bodies = ['b1', 'b2'].map((id) => ({ id, debit: '{g}:gift', credit: 'till', amount: 2 }));
  await story.say({ batch: { kind: 'batch', bodies } });
  // Said right before its expiry is awaited: however slow the machine, nothing else comes after that.
  await story.say({ hold: story.sale('h1', 'house', 'till', 20, { pending: { expires_in: 1 } }) });
  await story.untilExpiry();
  await story.say({ new: { op: 'balance', id: 'till' } });
  await story.say({ ended: { op: 'status', id: 'h1' } });
  await story.say({ last: story.sale('s7', 'till', 'house', 1) });
  await story.down();
  await story.open();
  await story.say({ again: story.sale('s7', 'till', 'house', 1), seen: { op: 'account', id: 'till' } });
  await story.say({ after: story.sale('s8', 'till', 'house', 2) });
  await story.down();
  return tapeOf(story.history, story.names, story.audits);
}
