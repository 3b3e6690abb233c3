import { CODES, codeName } from '../../engine/codes.js';
import { dataViewOf, fingerprint } from '../../engine/hash.js';
import { IdKind } from '../../engine/ids.js';
import { RecordKind, RecordView } from '../../engine/record.js';
import type { RecordPlace } from '../../wal/bulk-log.js';
import { isoTime } from '../ledger/bodies.js';
import { type CallerPrefix, CommandEncoder } from '../ledger/encoder.js';
import { putReversal } from '../ledger/requests.js';
import { divideReversal } from '../ledger/reversals.js';
import type { Decided, Decider, Refused } from './decider.js';
import { OPS } from './format.js';
import { isAsStated } from './legs.js';
import { encodeLine, type Line, type LineCommand } from './line-command.js';
import { LineFault } from './line-fault.js';

/**
 * An end is decided before its hold expires and committed a little later, so its line may carry a later time than the expiry. Nothing
 * stalls for so long without the watchdog ending the process, except the disk.
 */
const END_LAG_MS_MAX = 3_600_000;

/** Makes the record of a line by the ledger's rules, or says why there is none. */
export class RecordMaker {
  private readonly encoder = new CommandEncoder();
  private readonly view = new RecordView();
  private readonly original = new RecordView();
  private readonly fp = new Uint32Array(4);

  /** @param recordAt finds the record of an LSN that was made */
  constructor(
    private readonly decider: Decider,
    private readonly recordAt: (lsn: number) => RecordPlace,
  ) {}

  /** The bytes are valid until the next call. @throws {LineFault} */
  make(caller: CallerPrefix, line: Line, committedMs: number): Decided {
    const command = encodeLine(this.encoder, caller, line, committedMs);
    this.checkId(line.op, committedMs);
    if (command.type === 'reversal') this.encodeReversal(caller, command);
    const outcome =
      command.type === 'expiry' ? this.decider.expire(this.encoder.fp) : this.decider.decide(this.encoder);
    if (outcome === undefined) throw new LineFault('not_pending', 'there is no open hold to expire');
    if ('code' in outcome) throw faultOf(outcome);
    this.view.over(outcome.bytes).read(outcome.from);
    if (OPS[this.view.kind] !== line.op)
      throw new LineFault('invalid_request', `/op: it would be ${OPS[this.view.kind]}`);
    if (command.stated !== undefined && !isAsStated(this.view, command.stated)) {
      throw new LineFault('invalid_request', '/postings: the ledger comes to other postings');
    }
    return outcome;
  }

  /** What the shard would take for another thing, or leaves to its clock. */
  private checkId(op: string, committedMs: number): void {
    if (op !== 'void' && op !== 'tombstone' && op !== 'post' && op !== 'expire') return;
    const { ids, holds } = this.decider.state;
    const { fp } = this.encoder;
    const entry = ids.find(fp[0]!, fp[1]!, fp[2]!, fp[3]!);
    if (op === 'tombstone') {
      if (entry >= 0) throw new LineFault('id_reused', `the id was seen before, at LSN ${ids.lsn(entry)}`);
      return;
    }
    if (entry < 0) throw new LineFault('transaction_not_found', '');
    const expiresMs = holds.get(entry)?.expiresAt ?? 0;
    if (op === 'expire' && (expiresMs === 0 || expiresMs > committedMs)) {
      const when = expiresMs === 0 ? 'it does not expire' : `it expires at ${isoTime(expiresMs)}`;
      throw new LineFault('not_pending', `the hold cannot have expired by then: ${when}`);
    }
    if (op !== 'expire' && expiresMs > 0 && committedMs - expiresMs > END_LAG_MS_MAX) {
      throw new LineFault('expired', `the hold expired at ${isoTime(expiresMs)}`);
    }
  }

  /** Finds the original and puts the mirrored postings into the encoder. */
  private encodeReversal(caller: CallerPrefix, command: LineCommand & { type: 'reversal' }): void {
    const { encoder, fp, original } = this;
    const { state } = this.decider;
    const { ids } = state;
    const content = [encoder.c0, encoder.c1] as const;
    const id = Buffer.from(command.original, 'latin1');
    fingerprint(dataViewOf(id), 0, id.length, caller.keys, fp);
    const entry = ids.find(fp[0]!, fp[1]!, fp[2]!, fp[3]!);
    if (entry < 0) throw new LineFault('transaction_not_found', `/original: ${command.original}`);
    const end = ids.kind(entry) === IdKind.pending ? state.findEnd(fp) : -1;
    const factLsn = ids.lsn(end >= 0 ? end : entry);
    const place = this.recordAt(factLsn);
    original.over(place.bytes).read(place.offset);
    if (
      original.kind !== RecordKind.posted &&
      original.kind !== RecordKind.reversal &&
      original.kind !== RecordKind.post
    ) {
      throw new LineFault('not_posted', `/original: ${command.original}`);
    }
    const legs = divideReversal(original, state.reversed.get(entry)?.sums ?? [], command.part);
    if (typeof legs === 'number') throw faultOf({ code: codeName(legs) as Refused['code'], detail: '' });
    putReversal(encoder, caller, command.original, factLsn, command.input, legs, content);
    encoder.putOriginalWords(fp, Array.from(original.amounts.subarray(0, original.n)));
  }
}

function faultOf({ code, detail }: Refused): LineFault {
  const title = CODES[code].title;
  return new LineFault(code, detail === '' ? title : `${title}: ${detail}`);
}
