import { DecodeError } from '../../src/gateway/decode-error.js';
import { decodeMsgpack } from '../../src/gateway/msgpack.js';
import { type CallerPrefix, prefixOf } from '../../src/ledger/caller.js';
import { CompactFrame } from '../../src/ledger/compact-frame.js';
import { CommandEncoder, type Fault } from '../../src/ledger/encoder.js';
import { encodeCompact } from '../../src/ledger/requests.js';
import { accepted, claim } from './target.js';

/** The two ways of a compact MessagePack frame into commands, held against each other. */

const KEY = Uint8Array.from({ length: 16 }, (_, i) => 3 * i);
/** One who may all, and one whose reach ends at some accounts. */
const CALLERS: readonly CallerPrefix[] = [
  prefixOf({ tenant: 'shop', by: 'ann' }, KEY, false),
  prefixOf({ tenant: 'shop', by: 'bob', terminal: 'till 1', accounts: ['till:', '{s}'] }, KEY, false),
];

const short = new CommandEncoder();
const long = new CommandEncoder();
const frame = new CompactFrame();

/**
 * Gives a frame to both ways.
 * @returns whether the short way took it
 * @throws when it took what the long way does not, or made other commands or faults of it
 */
export function compareWays(bytes: Buffer): boolean {
  return CALLERS.map((caller) => compare(bytes, caller)).every(Boolean);
}

function compare(bytes: Buffer, caller: CallerPrefix): boolean {
  if (!frame.open(bytes)) return false;
  const { rid } = frame;
  const { isBatch } = frame;
  if (isBatch ? !frame.openBatch() : !frame.putSingle(short, caller)) return false;
  const decoded = accepted(() => decodeMsgpack(bytes), DecodeError);
  claim(decoded !== undefined, 'a frame was taken that cannot be decoded');
  const values = decoded!.value as unknown[];
  claim(values[0] === rid, `rid ${rid} and not ${values[0]}`);
  if (!isBatch) {
    same(undefined, encodeCompact(long, caller, values, 1));
    return true;
  }
  const list = values[1] as unknown[][];
  claim(values.length === 2 && list.length === frame.count, `${frame.count} entries, not ${list.length}`);
  for (const entry of list) same(frame.put(short, caller), encodeCompact(long, caller, entry, 0));
  return true;
}

/** That both ways came to the same: the fault, or the encoder's command. */
function same(found: Fault | undefined, due: Fault | undefined): void {
  claim(
    JSON.stringify(found) === JSON.stringify(due),
    `${JSON.stringify(found)}, not ${JSON.stringify(due)}`,
  );
  if (due !== undefined) return;
  claim(message(short).equals(message(long)), 'another command was composed');
  claim(short.forbidden === long.forbidden, `${short.forbidden} is out of reach, not ${long.forbidden}`);
}

/** The command as it goes into a ring. */
function message(encoder: CommandEncoder): Buffer {
  const bytes = new Uint8Array((encoder.size + 7) & ~7);
  encoder.writeTo(new Uint32Array(bytes.buffer), new Float64Array(bytes.buffer), 0, 0, 0);
  return Buffer.from(bytes.buffer, 0, encoder.size);
}
