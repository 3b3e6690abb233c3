import { putRecord } from '../../bench/log-filler.js';
import { Has, Leg, RecordKind, RecordWriter } from '../../engine/record.js';
import { BATCH_HEADER_BYTES } from '../../wal/batch.js';
import { type LocalLog, openLog } from '../../wal/log.js';
import { Dice } from './dice.js';

/** Logs with records of every kind and at the ends of what they may hold, written by the log's own code, without a ledger that decides. */

const RECORD_ROOM = 32_768;
const CURRENCIES = ['EUR', 'USD', 'JPY', 'POINTS01'];
const TENANTS = ['shop', 'bank-2', 'T'.repeat(64)];
const AMOUNT_MAX = (1n << 63n) - 1n;
const WHENS = [-8.64e15, 8.64e15, 0, -1, Date.UTC(1900, 0, 1) - 1, Date.UTC(2299, 11, 31, 23, 59, 59, 999)];

export interface MadeLeg {
  readonly account: string;
  readonly credit: boolean;
  readonly amount: bigint;
  readonly tag?: string;
  readonly leg?: number;
  readonly released?: bigint;
}

interface MadeAccount {
  readonly tenant: string;
  readonly id: string;
  readonly currency: string;
}

interface MadeHold {
  readonly lsn: number;
  readonly tenant: string;
  readonly id: string;
  readonly legs: readonly MadeLeg[];
}

/** Fields of a record beside its kind; those that are there are written. */
export interface MadeFields {
  readonly tenant: string;
  readonly id: string;
  readonly by?: string;
  readonly terminal?: string;
  readonly currency?: string;
  readonly code?: string;
  readonly reference?: string;
  readonly effectiveAt?: number;
  readonly metadata?: string;
  readonly expiresAt?: number;
  readonly approval?: boolean;
  readonly original?: { readonly id: string; readonly lsn: number };
  readonly created?: number;
  readonly group?: string;
  readonly min?: bigint | null;
  readonly max?: bigint | null;
  readonly flags?: number;
}

/** A log that is being written, a batch at a time. */
export class MadeLog {
  private readonly log: LocalLog;
  private readonly payload = new RecordWriter();
  private readonly batch = new Uint8Array(4 << 20);
  private end = BATCH_HEADER_BYTES;
  private count = 0;

  constructor(
    data: string,
    /** Of the next batch; may be moved on. */
    public timeMs = Date.UTC(2026, 4, 30, 12),
  ) {
    this.log = openLog({ data });
    this.timeMs = Math.max(this.timeMs, this.log.last.timeMs);
  }

  /** The LSN of the record added last. */
  get lsn(): number {
    return this.log.last.lsn + this.count;
  }

  /** @param n an account's type. @returns the record's LSN */
  add(kind: number, fields: MadeFields, legs: readonly MadeLeg[] = [], n = legs.length): number {
    const { payload } = this;
    payload.start();
    for (const text of [fields.tenant, fields.by ?? '', fields.terminal ?? '', fields.id]) payload.text(text);
    const presence = this.putFields(fields);
    for (const leg of legs) {
      const flags =
        (leg.credit ? Leg.credit : 0) |
        (leg.tag === undefined ? 0 : Leg.tag) |
        (leg.leg === undefined ? 0 : Leg.leg) |
        (leg.released === undefined ? 0 : Leg.released);
      payload.u8(flags);
      payload.i64(leg.amount);
      payload.text(leg.account);
      if (leg.tag !== undefined) payload.text(leg.tag);
      if (leg.leg !== undefined) payload.u8(leg.leg);
      if (leg.released !== undefined) payload.i64(leg.released);
    }
    this.end = putRecord(this.batch, this.end, kind, n, presence, payload);
    this.count++;
    if (this.end > this.batch.length - RECORD_ROOM) this.flush();
    return this.lsn;
  }

  /** Commits what was added. */
  flush(): void {
    if (this.count > 0) this.log.append(this.batch.subarray(0, this.end), this.count, this.timeMs);
    this.end = BATCH_HEADER_BYTES;
    this.count = 0;
  }

  close(): void {
    this.flush();
    this.log.close();
  }

  private putFields(fields: MadeFields): number {
    const { payload } = this;
    let presence = 0;
    const put = <T>(bit: number, value: T | undefined, write: (value: T) => void): void => {
      if (value === undefined) return;
      presence |= bit;
      write(value);
    };
    put(Has.currency, fields.currency, (text) => payload.text(text));
    put(Has.code, fields.code, (text) => payload.text(text));
    put(Has.reference, fields.reference, (text) => payload.text(text));
    put(Has.effectiveAt, fields.effectiveAt, (ms) => payload.f64(ms));
    put(Has.metadata, fields.metadata, (text) => payload.long(Buffer.from(text)));
    put(Has.expiresAt, fields.expiresAt, (ms) => payload.f64(ms));
    if (fields.approval) presence |= Has.approval;
    put(Has.original, fields.original, ({ id, lsn }) => {
      payload.text(id);
      payload.f64(lsn);
    });
    put(Has.created, fields.created, (lsn) => payload.f64(lsn));
    put(Has.group, fields.group, (text) => payload.text(text));
    if (fields.min === null) presence |= Has.noMin;
    else put(Has.min, fields.min, (limit) => payload.i64(limit));
    if (fields.max === null) presence |= Has.noMax;
    else put(Has.max, fields.max, (limit) => payload.i64(limit));
    put(Has.flags, fields.flags, (flags) => payload.u8(flags));
    return presence;
  }
}

/** Adds records of every kind by chance, such as a ledger may have written: accounts before they are used, holds before their ends. */
export class RandomTrade {
  private readonly dice: Dice;
  private readonly accounts: MadeAccount[] = [];
  private readonly holds: MadeHold[] = [];
  private readonly posted: MadeHold[] = [];
  private serial = 0;

  constructor(
    private readonly log: MadeLog,
    seed: number,
  ) {
    this.dice = new Dice(seed);
  }

  /** Adds so many records, in batches of different sizes, times a little apart. */
  run(records: number): void {
    const { dice, log } = this;
    for (let i = 0; i < records; i++) {
      this.step();
      if (dice.chance(2)) {
        log.flush();
        log.timeMs += dice.below(3000);
      }
    }
    log.flush();
  }

  private step(): void {
    const { dice } = this;
    if (this.accounts.length < 4) this.account();
    else {
      const choice = dice.below(100);
      if (choice < 4) this.account();
      else if (choice < 8) this.update();
      else if (choice < 55) this.transaction(RecordKind.posted);
      else if (choice < 73) this.transaction(RecordKind.pending);
      else if (choice < 88) this.end();
      else if (choice < 97) this.reversal();
      else this.log.add(RecordKind.tombstone, this.fields(dice.pick(TENANTS)));
    }
  }

  private fields(tenant: string, id = this.id()): MadeFields {
    const { dice } = this;
    return {
      tenant,
      id,
      by: dice.pick(['ann', 'b"o\\b', 'B'.repeat(64)]),
      terminal: dice.pick(['', 'till-1', '~'.repeat(64)]),
      ...(dice.chance(50) && { code: dice.pick(['sale', 'refund', 'C'.repeat(32)]) }),
      ...(dice.chance(20) && { reference: dice.pick(["it's", 'R'.repeat(64), '~! "']) }),
      ...(dice.chance(20) && {
        effectiveAt: dice.chance(40) ? dice.pick(WHENS) : this.log.timeMs - dice.below(1e9),
      }),
      ...(dice.chance(10) && { metadata: this.metadata() }),
    };
  }

  private id(): string {
    return this.dice.chance(5)
      ? `${'i'.repeat(57)}${String(this.serial++).padStart(7, '0')}`
      : `x${this.serial++}`;
  }

  private metadata(): string {
    const { dice } = this;
    const text = dice.pick(['', 'ä€😀', '"\\\n\0', 'm'.repeat(dice.below(900))]);
    return JSON.stringify({ text, n: dice.below(1e9) });
  }

  private account(): void {
    const { dice, log } = this;
    const tenant = dice.pick(TENANTS);
    const id = this.id();
    const currency = dice.pick(CURRENCIES);
    this.accounts.push({ tenant, id, currency });
    log.add(
      RecordKind.account,
      {
        tenant,
        id,
        by: 'ann',
        currency,
        ...(dice.chance(60) && { group: dice.pick(['riga', 'riga.store17.till3', 'G'.repeat(64)]) }),
        ...(dice.chance(30) && { min: dice.pick([0n, -1n, -AMOUNT_MAX - 1n]) }),
        ...(dice.chance(30) && { max: dice.pick([0n, 5n, AMOUNT_MAX]) }),
        ...(dice.chance(20) && { metadata: this.metadata() }),
      },
      [],
      dice.below(5),
    );
  }

  private update(): void {
    const { dice, log } = this;
    const { tenant, id } = dice.pick(this.accounts);
    log.add(RecordKind.accountUpdate, {
      tenant,
      id,
      by: 'boss',
      ...(dice.chance(50) && { group: dice.pick(['', 'moved.away', 'riga']) }),
      ...(dice.chance(30) && { min: dice.pick([null, 0n, -7n]) }),
      ...(dice.chance(30) && { max: dice.pick([null, 0n, 7n]) }),
      ...(dice.chance(30) && { flags: dice.below(4) }),
      ...(dice.chance(20) && { metadata: dice.chance(50) ? '' : this.metadata() }),
    });
  }

  private amount(): bigint {
    const { dice } = this;
    if (dice.chance(5)) return AMOUNT_MAX - BigInt(dice.below(2));
    if (dice.chance(10)) return (1n << 32n) - 1n + BigInt(dice.below(3));
    return BigInt(1 + dice.below(100_000));
  }

  private transaction(kind: number): void {
    const { dice, log } = this;
    const { tenant } = dice.pick(this.accounts);
    const own = this.accounts.filter((account) => account.tenant === tenant);
    const count = dice.chance(4) ? 64 : dice.chance(70) ? 2 : 2 + dice.below(6);
    const legs = Array.from({ length: count }, (_, leg): MadeLeg => {
      const { id } = dice.pick(own);
      const tag = dice.chance(20) ? { tag: dice.pick(['vat19', 'g'.repeat(32)]) } : {};
      return { account: id, credit: leg % 2 === 1, amount: this.amount(), ...tag };
    });
    const fields: MadeFields = {
      ...this.fields(tenant),
      ...(kind === RecordKind.pending && {
        ...(dice.chance(50) && { expiresAt: dice.chance(10) ? 8.64e15 : log.timeMs + dice.below(1e6) }),
        approval: dice.chance(20),
      }),
    };
    const lsn = log.add(kind, fields, legs);
    (kind === RecordKind.pending ? this.holds : this.posted).push({ lsn, tenant, id: fields.id, legs });
  }

  /** Post in whole or part, void or expire. */
  private end(): void {
    const { dice, log } = this;
    const hold = this.holds.splice(dice.below(this.holds.length), 1)[0];
    if (hold === undefined) {
      this.transaction(RecordKind.pending);
      return;
    }
    const kind = dice.pick([RecordKind.post, RecordKind.post, RecordKind.void, RecordKind.expire]);
    const isWhole = dice.chance(50);
    const legs = hold.legs.map((leg): MadeLeg => {
      const taken =
        kind !== RecordKind.post ? 0n : isWhole ? leg.amount : dice.chance(30) ? 0n : leg.amount / 2n;
      const released = leg.amount - taken;
      return { ...leg, amount: taken, ...(released > 0n && { released }) };
    });
    const fields =
      kind === RecordKind.expire ? { tenant: hold.tenant, id: hold.id } : this.fields(hold.tenant, hold.id);
    log.add(kind, { ...fields, created: hold.lsn }, legs);
  }

  private reversal(): void {
    const { dice, log } = this;
    const original = this.posted[dice.below(Math.max(1, this.posted.length))];
    if (original === undefined) {
      this.transaction(RecordKind.posted);
      return;
    }
    const legs = original.legs.map((leg, i): MadeLeg => ({ ...leg, credit: !leg.credit, leg: i }));
    const fields = { ...this.fields(original.tenant), original: { id: original.id, lsn: original.lsn } };
    const lsn = log.add(RecordKind.reversal, fields, legs);
    if (dice.chance(20)) this.posted.push({ lsn, tenant: original.tenant, id: fields.id, legs });
  }
}
