import { CODES, codeName, type RefusalCode } from '../../engine/codes.js';
import { Result } from '../../engine/command.js';
import type { RingConsumer } from '../../engine/mailbox.js';
import { readDetail } from '../../engine/shard.js';
import type { Refusal } from '../../engine/types.js';
import type { Permission } from '../session.js';
import type { Fault } from './encoder.js';
import type { Handler } from './front.js';

/** What an answer says, and where its payload lies. */
export class Answer {
  code = 0;
  flags = 0;
  n = 0;
  lsn = 0;
  private view = NOTHING;
  private at = 0;
  private payloadBytes = 0;

  /** Shows the answer at `m` of a ring. Its payload is valid as long as the ring's bytes. */
  over(ring: RingConsumer, m: number): this {
    this.code = ring.bytes[m + Result.code]!;
    this.flags = ring.bytes[m + Result.flags]!;
    this.n = ring.bytes[m + Result.n]!;
    this.lsn = ring.f64[(m + Result.lsn) >> 3]!;
    this.view = ring.view;
    this.at = m + Result.header;
    this.payloadBytes = ring.u32[(m + Result.payloadBytes) >> 2]!;
    return this;
  }

  get payload(): Uint8Array {
    return new Uint8Array(this.view.buffer, this.view.byteOffset + this.at, this.payloadBytes);
  }

  /** The balance of the account of a leg, as the answer to a transaction has them. */
  balance(leg: number): bigint {
    return this.view.getBigInt64(this.at + leg * 8, true);
  }

  /** Takes the payload out of the ring. */
  keep(): this {
    this.view = new DataView(this.payload.slice().buffer);
    this.at = 0;
    return this;
  }
}

const NOTHING: DataView = new DataView(new ArrayBuffer(0));

/** An answer, copied out of its ring. */
export function copyAnswer(ring: RingConsumer, m: number): Answer {
  return new Answer().over(ring, m).keep();
}

/** One command that resolves a promise when it is answered. */
export abstract class Call<T> implements Handler {
  readonly promise: Promise<T>;
  protected resolve!: (result: T | Promise<T>) => void;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  abstract done(tag: number, ring: RingConsumer, m: number): void;
}

/** Gives the answer as it is. */
export class AnswerCall extends Call<Answer> {
  done(_tag: number, ring: RingConsumer, m: number): void {
    this.resolve(copyAnswer(ring, m));
  }
}

export const OVERLOADED: Refusal = { ok: false, code: 'overloaded', detail: CODES.overloaded.title };

export function refusal(fault: Fault): Refusal {
  return { ok: false, ...fault };
}

export function forbidden(permission: Permission, why = 'the permission is missing'): Refusal {
  return { ok: false, code: 'forbidden', detail: `${permission}: ${why}`, permission };
}

export function outOfReach(account: string): Refusal {
  return { ok: false, code: 'forbidden', detail: `the token does not reach account ${account}`, account };
}

/** The refusal that an answer carries. */
export function refusalOf(answer: Answer): Refusal {
  const code = codeName(answer.code) as RefusalCode;
  const base: Refusal = { ok: false, code, detail: CODES[code].title };
  if (answer.payload.length === 0) return base;
  const { account, available, required, shortage } = readDetail(answer.payload, 0);
  return {
    ...base,
    ...(account === '' ? {} : { account }),
    ...(available === ''
      ? {}
      : { available: BigInt(available), required: BigInt(required), shortage: BigInt(shortage) }),
  };
}
