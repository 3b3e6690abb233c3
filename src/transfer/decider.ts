import { codeName, type RefusalCode } from '../../engine/codes.js';
import { LogMessage, Result } from '../../engine/command.js';
import { Bell, RingConsumer, RingProducer, ringBuffer } from '../../engine/mailbox.js';
import { readDetail, Shard } from '../../engine/shard.js';
import type { State } from '../../engine/state.js';
import type { CommandEncoder } from '../ledger/encoder.js';

/** Room for a command or an answer of any size. */
const RING_BYTES = 1 << 17;
/** A command's time. Only holds that expire by the clock look at it, and here none does: the file says when each did. */
const NO_TIME = 0;

/** The record that a command led to, where it lies. */
export interface Decided {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

export interface Refused {
  readonly code: RefusalCode | 'duplicate';
  /** What else the shard said, as text. */
  readonly detail: string;
}

/**
 * The rules of the ledger for one command after the other: a real shard, its rings in this thread's own hands. It claims LSNs from where
 * its state stands; whoever uses it writes the records down.
 */
export class Decider {
  private readonly commands = ringBuffer(RING_BYTES);
  private readonly answers = ringBuffer(RING_BYTES);
  private readonly records = ringBuffer(RING_BYTES);
  private readonly toShard = new RingProducer(this.commands);
  private readonly fromShard = new RingConsumer(this.answers);
  private readonly log = new RingConsumer(this.records);
  private readonly shard: Shard;
  private lastLsn: number;

  /** @param lsn that the state stands at */
  constructor(
    readonly state: State,
    lsn: number,
  ) {
    this.lastLsn = lsn;
    this.shard = new Shard(
      state,
      {
        results: [new RingProducer(this.answers)],
        log: new RingProducer(this.records),
        peers: [undefined],
        peerBells: [],
        writerBell: new Bell(new Int32Array(new SharedArrayBuffer(4)), 0),
        claimLsn: () => ++this.lastLsn,
        claimedLsn: () => this.lastLsn,
        durableLsn: () => this.lastLsn,
        wakeFront: () => {},
        wantsDecisions: () => false,
      },
      [new RingConsumer(this.commands)],
      [undefined],
    );
  }

  /** The LSN of the last record. */
  get lsn(): number {
    return this.lastLsn;
  }

  /** Decides what the encoder holds. The record's bytes are valid until the next call. */
  decide(encoder: CommandEncoder): Decided | Refused {
    const ring = this.toShard;
    const m = ring.reserve(encoder.size);
    encoder.writeTo(ring.u32, ring.f64, m, 0, NO_TIME);
    ring.publish();
    const refused = this.answer();
    return refused ?? this.record() ?? { code: 'duplicate', detail: 'it is there already' };
  }

  /** Lets the hold with this fingerprint expire. @returns undefined when it is not open */
  expire(fp: Uint32Array): Decided | undefined {
    if (!this.shard.expireNamed(fp)) return undefined;
    this.shard.step();
    return this.record();
  }

  private answer(): Refused | undefined {
    const ring = this.fromShard;
    while (ring.peek() < 0) if (!this.shard.step()) throw new Error('the shard gave no answer');
    const m = ring.peek();
    const name = codeName(ring.bytes[m + Result.code]!);
    let refused: Refused | undefined;
    if (name === 'duplicate')
      refused = { code: name, detail: `it is there already, at LSN ${ring.f64[(m + Result.lsn) >> 3]}` };
    else if (name !== 'ok')
      refused = { code: name, detail: ring.bytes[m + Result.n] === 1 ? detailOf(ring, m) : '' };
    ring.pass();
    ring.release();
    return refused;
  }

  private record(): Decided | undefined {
    this.log.release();
    const m = this.log.peek();
    if (m < 0) return undefined;
    const from = m + LogMessage.record;
    const lsn = this.log.f64[(m + LogMessage.lsn) >> 3]!;
    if (lsn !== this.lastLsn) throw new Error(`record ${lsn} came after LSN ${this.lastLsn} was claimed`);
    const decided = { bytes: this.log.bytes, from, to: from + this.log.u32[from >> 2]! };
    // Its bytes stay as they are until the release above.
    this.log.pass();
    return decided;
  }
}

function detailOf(ring: RingConsumer, m: number): string {
  if (ring.u32[(m + Result.payloadBytes) >> 2] === 0) return '';
  const { account, available, required, shortage } = readDetail(ring.bytes, m + Result.header);
  const figures =
    shortage === '' ? '' : `: available ${available}, required ${required}, short of ${shortage}`;
  return account === '' ? '' : `account ${account}${figures}`;
}
