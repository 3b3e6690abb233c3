import { Has, type RecordView } from '../../engine/record.js';
import type { EndBody, TransactionBody } from '../../engine/types.js';
import { encodeJson } from '../gateway/json.js';
import { encodeMsgpack } from '../gateway/msgpack.js';
import { creationBody, endBody } from '../ledger/bodies.js';
import { OPS } from '../transfer/format.js';

/** One record as the feed shows it: of a creation what `GET` shows of it, of an end what `GET` shows as `end`. */
export type FeedTransaction = { readonly id: string; readonly op: string } & (
  | TransactionBody
  | (EndBody & { readonly created_lsn: number })
);

/** @param view of a transaction's record @param timeMs of its commit */
export function feedTransaction(view: RecordView, lsn: number, timeMs: number): FeedTransaction {
  const op = OPS[view.kind]!;
  if (!view.has(Has.created)) {
    const { id, ...rest } = creationBody(view, lsn, timeMs);
    return { id, op, ...rest };
  }
  return { id: view.id, op, ...endBody(view, lsn, timeMs), created_lsn: view.createdLsn };
}

/** One event, encoded. */
export type EncodedEvent = Uint8Array;

function encode(event: object, isBinary: boolean): EncodedEvent {
  return isBinary ? encodeMsgpack(event) : Buffer.from(encodeJson(event));
}

/** "Everything up to here is behind you." */
export function progressEvent(lsn: number, isBinary: boolean): EncodedEvent {
  return encode({ event: 'progress', lsn }, isBinary);
}

/** Events remembered, by encoding; those that are longer than so many bytes are not. */
const EVENTS_KEPT = 1024;
const KEPT_BYTES_MAX = 4096;

/** Encodes events; those of the newest LSNs once for all subscriptions that want them. */
export class EventEncoder {
  private readonly lsns = [new Float64Array(EVENTS_KEPT), new Float64Array(EVENTS_KEPT)];
  private readonly kept: EncodedEvent[][] = [[], []];

  transactionEvent(view: RecordView, lsn: number, timeMs: number, isBinary: boolean): EncodedEvent {
    const encoding = isBinary ? 1 : 0;
    const slot = lsn % EVENTS_KEPT;
    if (this.lsns[encoding]![slot] === lsn) return this.kept[encoding]![slot]!;
    const transaction = feedTransaction(view, lsn, timeMs);
    const event = encode({ event: 'transaction', lsn, transaction }, isBinary);
    if (event.length <= KEPT_BYTES_MAX) {
      this.lsns[encoding]![slot] = lsn;
      this.kept[encoding]![slot] = event;
    }
    return event;
  }
}
