import { CODES, codeName, type RefusalCode } from '../../engine/codes.js';
import { Result } from '../../engine/command.js';
import type { RingConsumer } from '../../engine/mailbox.js';
import { readDetail } from '../../engine/shard.js';
import type { Refusal } from '../../engine/types.js';
import type { Permission } from '../session.js';
import type { Fault } from './encoder.js';
import type { Handler } from './front.js';

/** An answer, copied out of its ring. */
export interface Answer {
  readonly code: number;
  readonly flags: number;
  readonly n: number;
  readonly lsn: number;
  readonly payload: Uint8Array;
}

/** One command whose answer resolves a promise. */
export class Call implements Handler {
  readonly promise: Promise<Answer>;
  private resolve!: (answer: Answer) => void;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  done(_tag: number, ring: RingConsumer, m: number): void {
    this.resolve(copyAnswer(ring, m));
  }
}

export function copyAnswer(ring: RingConsumer, m: number): Answer {
  const payloadBytes = ring.u32[(m + Result.payloadBytes) >> 2]!;
  return {
    code: ring.bytes[m + Result.code]!,
    flags: ring.bytes[m + Result.flags]!,
    n: ring.bytes[m + Result.n]!,
    lsn: ring.f64[(m + Result.lsn) >> 3]!,
    payload: ring.bytes.slice(m + Result.header, m + Result.header + payloadBytes),
  };
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
