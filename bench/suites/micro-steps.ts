import { Command, Result } from '../../engine/command.js';
import { dataViewOf, fingerprint, hashAccount, type TenantKeys } from '../../engine/hash.js';
import { IdKind, IdTable } from '../../engine/ids.js';
import { applyPlan, fillPlan, judge } from '../../engine/ledger.js';
import { Bell, RingConsumer, RingProducer, ringBuffer } from '../../engine/mailbox.js';
import { RecordKind, RecordView } from '../../engine/record.js';
import { Shard } from '../../engine/shard.js';
import { State } from '../../engine/state.js';
import { encode } from '../../src/client/codec.js';
import { decodeJson } from '../../src/gateway/json.js';
import { decodeMsgpack, encodeAnswer } from '../../src/gateway/msgpack.js';
import { prefixOf } from '../../src/ledger/caller.js';
import { CompactFrame } from '../../src/ledger/compact-frame.js';
import { CommandEncoder } from '../../src/ledger/encoder.js';
import { encodeCompact } from '../../src/ledger/requests.js';
import { BATCH_HEADER_BYTES, hashBatch, NO_HASH, sealBatch } from '../../wal/batch.js';
import { type LocalLog, openLog } from '../../wal/log.js';
import { randomNumbers } from '../load/accounts.js';
import { AMOUNT } from '../load/template.js';
import { putRecord } from '../log-filler.js';

/** One step, repeated so often in a call that the clock does not count. */
export interface Step {
  readonly name: string;
  readonly repeats: number;
  readonly run: () => void;
}

const REPEATS = 1000;
/** Sales that a shard is given at once: its largest step. */
const SHARD_SALES = 1024;
const RING_BYTES = 1 << 20;
const MESSAGE_BYTES = 128;
const BATCH_BYTES = 1 << 16;
const KEY = Uint8Array.from({ length: 16 }, (_, i) => i);
const TENANT = 'dev';
const ACCOUNTS = 10_000;

const accountId = (n: number) => `a${String(n).padStart(8, '0')}`;
const saleId = (n: number) => `r000m000${String(n).padStart(8, '0')}`;

/** The engine's and the gateway's own code, step by step, with nothing in between. */
export class MicroSteps {
  readonly all: readonly Step[];
  private readonly random = randomNumbers(1);
  private readonly state = new State(0, 1, KEY);
  private readonly prefix = prefixOf({ tenant: TENANT, by: 'bench' }, KEY, false);
  private readonly keys: TenantKeys = this.prefix.keys;
  private readonly encoder = new CommandEncoder();
  private readonly log: LocalLog;
  private sales = 0;

  /** @param data an empty directory @param ids that are remembered when one is looked up */
  constructor(data: string, ids: number) {
    this.log = openLog({ data });
    this.addAccounts();
    const many = (name: string, run: () => void): Step => ({
      name,
      repeats: REPEATS,
      run: () => {
        for (let i = 0; i < REPEATS; i++) run();
      },
    });
    this.all = [
      many('compact frame to command: read, check, hash', this.compactFrame()),
      many('of that: fingerprint of an id of 16 bytes', this.fingerprintId()),
      many('decode a frame to values', this.decodeFrame()),
      many('decode a JSON body to values', this.decodeBody()),
      many('values to command: check, hash', this.compose()),
      many(`look up one of ${ids} ids`, this.lookUpId(ids)),
      many(`look up one of ${ACCOUNTS} accounts`, this.lookUpAccount()),
      many('validate and apply two postings', this.validateAndApply()),
      many(`mailbox hop of ${MESSAGE_BYTES} bytes`, this.hop()),
      { name: 'shard: command to record and answer', repeats: SHARD_SALES, run: this.shard() },
      many('encode an answer', () => void encodeAnswer(1, 0, 1_234_567)),
      { name: `seal and hash a batch of ${BATCH_BYTES / 1024} KiB`, repeats: 1, run: this.seal() },
      { name: `commit a batch of ${BATCH_BYTES / 1024} KiB, synced`, repeats: 1, run: this.commit() },
    ];
  }

  close(): void {
    this.log.close();
  }

  private addAccounts(): void {
    const { accounts } = this.state;
    const { number } = this.state.tenantNamed(TENANT);
    const words = new Uint32Array(2);
    for (let n = 0; n < ACCOUNTS; n++) {
      const id = Buffer.from(accountId(n), 'latin1');
      hashAccount(dataViewOf(id), 0, id.length, this.keys, words, 0);
      const row = accounts.add(words[1]!, number, id, 0, id.length, 0, 'EUR', 0, 0);
      accounts.setMin(row, -(10n ** 15n));
    }
  }

  private frame(): unknown[] {
    const debit = accountId(this.random(ACCOUNTS / 2));
    return [1, saleId(this.sales++), debit, accountId(ACCOUNTS / 2 + this.random(ACCOUNTS / 2)), AMOUNT];
  }

  private frames(): Buffer[] {
    return Array.from({ length: REPEATS }, () => Buffer.from(encode(this.frame())));
  }

  private compactFrame(): () => void {
    const frames = this.frames();
    const frame = new CompactFrame();
    let at = 0;
    return () => {
      const isComposed = frame.open(frames[at++ % REPEATS]!) && frame.putSingle(this.encoder, this.prefix);
      if (!isComposed) throw new Error('an ordinary frame went the general way');
    };
  }

  private fingerprintId(): () => void {
    const id = dataViewOf(Buffer.from(saleId(0), 'latin1'));
    const fp = new Uint32Array(4);
    return () => fingerprint(id, 0, id.byteLength, this.keys, fp);
  }

  private decodeFrame(): () => void {
    const frames = this.frames();
    let at = 0;
    return () => void decodeMsgpack(frames[at++ % REPEATS]!);
  }

  private decodeBody(): () => void {
    const bodies = Array.from({ length: REPEATS }, () => {
      const [, id, debit, credit, amount] = this.frame();
      return Buffer.from(JSON.stringify({ id, debit, credit, amount }));
    });
    let at = 0;
    return () => void decodeJson(bodies[at++ % REPEATS]!);
  }

  private compose(): () => void {
    const frames = Array.from({ length: REPEATS }, () => this.frame());
    let at = 0;
    return () => this.composeOne(frames[at++ % REPEATS]!);
  }

  private composeOne(frame: readonly unknown[]): void {
    const fault = encodeCompact(this.encoder, this.prefix, frame, 1);
    if (fault !== undefined) throw new Error(fault.detail);
  }

  private lookUpId(count: number): () => void {
    const ids = new IdTable();
    const fingerprints = new Uint32Array(count * 4);
    const fp = new Uint32Array(4);
    for (let n = 0; n < count; n++) {
      const id = Buffer.from(saleId(n), 'latin1');
      fingerprint(dataViewOf(id), 0, id.length, this.keys, fp);
      ids.add(fp[0]!, fp[1]!, fp[2]!, fp[3]!, n + 1, IdKind.posted, 0, 0);
      fingerprints.set(fp, n * 4);
    }
    return () => {
      const at = this.random(count) * 4;
      const entry = ids.find(
        fingerprints[at]!,
        fingerprints[at + 1]!,
        fingerprints[at + 2]!,
        fingerprints[at + 3]!,
      );
      if (entry < 0) throw new Error('an id was not found');
    };
  }

  private lookUpAccount(): () => void {
    const { accounts } = this.state;
    const { number } = this.state.tenantNamed(TENANT);
    const words = new Uint32Array(ACCOUNTS * 2);
    const names = Array.from({ length: ACCOUNTS }, (_, n) => Buffer.from(accountId(n), 'latin1'));
    names.forEach((name, n) => {
      hashAccount(dataViewOf(name), 0, name.length, this.keys, words, n * 2);
    });
    return () => {
      const n = this.random(ACCOUNTS);
      const name = names[n]!;
      if (accounts.find(words[n * 2 + 1]!, number, name, 0, name.length) < 0)
        throw new Error('an account was not found');
    };
  }

  /** The rules alone, on the payload of a sale: find the accounts, judge both, apply. */
  private validateAndApply(): () => void {
    const { state } = this;
    const { plan, accounts } = state;
    const { number } = state.tenantNamed(TENANT);
    const sales = Array.from({ length: REPEATS }, () => {
      this.composeOne(this.frame());
      const { payload, words, n } = this.encoder;
      return { payload: payload.bytes.slice(0, payload.at), words: words.slice(0, 2 * n), n };
    });
    const view = new RecordView();
    let at = 0;
    return () => {
      const { payload, words, n } = sales[at++ % REPEATS]!;
      view.over(payload).readPayload(0, RecordKind.posted, n, 0);
      if (fillPlan(plan, view, words, 0, accounts, number, 0, 1) !== 0) throw new Error('no such account');
      for (let i = 0; i < plan.n; i++) {
        if (judge(accounts, plan.rows[i]!, plan, i, null) !== 0) throw new Error('a sale was refused');
      }
      applyPlan(plan, accounts, at);
    };
  }

  private hop(): () => void {
    const buffer = ringBuffer(RING_BYTES);
    const producer = new RingProducer(buffer);
    const consumer = new RingConsumer(buffer);
    return () => {
      producer.reserve(MESSAGE_BYTES);
      producer.publish();
      if (consumer.peek() < 0) throw new Error('nothing came');
      consumer.pass();
      consumer.release();
    };
  }

  /** Everything that a shard does with a sale, its mailboxes included. */
  private shard(): () => void {
    const rings = {
      commands: ringBuffer(RING_BYTES),
      results: ringBuffer(RING_BYTES),
      log: ringBuffer(RING_BYTES),
    };
    const bell = new Bell(new Int32Array(1), 0);
    let lsn = 0;
    const environment = {
      results: [new RingProducer(rings.results)],
      log: new RingProducer(rings.log),
      peers: [undefined],
      peerBells: [bell],
      writerBell: bell,
      claimLsn: () => ++lsn,
      claimedLsn: () => lsn,
      durableLsn: () => lsn,
      wakeFront: () => undefined,
      wantsDecisions: () => false,
    };
    const shard = new Shard(this.state, environment, [new RingConsumer(rings.commands)], [undefined]);
    const send = this.sender(new RingProducer(rings.commands));
    const results = new RingConsumer(rings.results);
    const log = new RingConsumer(rings.log);
    return () => {
      send(SHARD_SALES);
      shard.step();
      let answers = 0;
      for (let m = results.peek(); m >= 0; m = results.peek()) {
        if (results.bytes[m + Result.code] !== 0) throw new Error('a sale was refused');
        results.pass();
        answers++;
      }
      for (let m = log.peek(); m >= 0; m = log.peek()) log.pass();
      if (answers !== SHARD_SALES) throw new Error(`${answers} answers`);
      results.release();
      log.release();
    };
  }

  /** Puts commands into a ring that were composed before; only the fingerprint of the id is new each time. */
  private sender(ring: RingProducer): (count: number) => void {
    const commands = Array.from({ length: REPEATS }, () => {
      this.composeOne(this.frame());
      const bytes = new Uint8Array((this.encoder.size + 7) & ~7);
      const memory = [new Uint32Array(bytes.buffer), new Float64Array(bytes.buffer)] as const;
      this.encoder.writeTo(...memory, 0, 0, 0);
      return { bytes, size: this.encoder.size };
    });
    let sent = 0;
    return (count) => {
      for (let i = 0; i < count; i++) {
        const { bytes, size } = commands[sent % REPEATS]!;
        const m = ring.reserve(size);
        ring.bytes.set(bytes.subarray(4, size), m + 4);
        const fingerprintAt = (m + Command.fingerprint) >> 2;
        ring.u32[fingerprintAt + 1] = Math.imul(++sent, 0x9e3779b1);
        ring.u32[fingerprintAt + 2] = sent;
      }
      ring.publish();
    };
  }

  /** A batch of sales as the writer would have gathered it. */
  private batch(): { readonly bytes: Uint8Array; readonly count: number } {
    const bytes = new Uint8Array(BATCH_BYTES + MESSAGE_BYTES * 2);
    let end = BATCH_HEADER_BYTES;
    let count = 0;
    for (; end < BATCH_BYTES; count++) {
      this.composeOne(this.frame());
      const { payload, n, presence } = this.encoder;
      end = putRecord(bytes, end, RecordKind.posted, n, presence, payload);
    }
    return { bytes: bytes.subarray(0, end), count };
  }

  private seal(): () => void {
    const { bytes, count } = this.batch();
    const seal = { firstLsn: 1, count, timeMs: 1, prevHash: NO_HASH, commitNumber: 1 };
    return () => {
      sealBatch(bytes, seal);
      hashBatch(bytes);
    };
  }

  private commit(): () => void {
    const { bytes, count } = this.batch();
    return () => this.log.append(bytes, count, 1);
  }
}
