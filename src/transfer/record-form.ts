import { Op } from '../../engine/command.js';
import { digest } from '../../engine/hash.js';
import { Has, RecordKind, type RecordView } from '../../engine/record.js';
import { decodeJson } from '../gateway/json.js';
import { CommandEncoder, hashContent } from '../ledger/encoder.js';
import { type Callers, contentText, encodeLine, shortestExpiry, splitLine } from './line-command.js';
import { type Form, lineText } from './line-text.js';

/** Seconds that a request may have waited for its commit and its `expires_in` still be found. Each costs one hash. */
const LAG_S_MAX = 60;

/**
 * Writes lines of records. A record holds outcomes, and of the request beyond them only a hash; an import must give the same request the
 * same hash, so that its copies are known. So the line tells the request in the form whose hash is the record's: the likely ones are
 * tried by the import's own means. Where none is (postings in an order of their own), the line carries the hash.
 */
export class LineWriter {
  private readonly encoder = new CommandEncoder();

  constructor(private readonly callers: Callers) {}

  /**
   * @param texts the record's bytes as latin1, from the same offsets
   * @param timeMs when it was committed, `committedAt` as RFC 3339
   */
  line(view: RecordView, texts: string, lsn: number, timeMs: number, committedAt: string): string {
    if (this.isPlain(view)) return lineText(view, texts, lsn, committedAt, {});
    let form: Form = {};
    for (form of formsOf(view, timeMs)) {
      const text = lineText(view, texts, lsn, committedAt, form);
      if (view.kind === RecordKind.expire || this.isContentOf(view, text, timeMs)) return text;
    }
    return lineText(view, texts, lsn, committedAt, { ...form, content: contentText(view.c0, view.c1) });
  }

  /** The quick way for nearly all records: the fields are stored as they were hashed. */
  private isPlain(view: RecordView): boolean {
    const op = view.kind === RecordKind.posted ? Op.transaction : Op.pending;
    if (view.kind > RecordKind.pending || view.presence & (Has.metadata | Has.expiresAt)) return false;
    const { keys } = this.callers.ofTenant(view.tenant);
    hashContent(keys, op, view.n, view.presence, view.view, view.idAt + view.idLength, view.end);
    return digest[0] === view.c0 && digest[1] === view.c1;
  }

  private isContentOf(view: RecordView, text: string, timeMs: number): boolean {
    const line = splitLine(decodeJson(Buffer.from(text)));
    encodeLine(this.encoder, this.callers.ofTenant(view.tenant), line, timeMs);
    return this.encoder.c0 === view.c0 && this.encoder.c1 === view.c1;
  }
}

/** The forms that a request may have had, the likeliest first; the last one stands when it was none of them. */
function formsOf(view: RecordView, timeMs: number): Form[] {
  switch (view.kind) {
    case RecordKind.pending:
      return view.has(Has.expiresAt) ? expiries(view.expiresAt, timeMs) : [{}];
    case RecordKind.post:
      return parts(isWhole(view), view.n === 2);
    case RecordKind.reversal:
      return parts(true, view.n === 2);
    case RecordKind.accountUpdate:
      return view.has(Has.flags) ? FLAGS : [{}];
    default:
      return [{}];
  }
}

function expiries(expiresMs: number, timeMs: number): Form[] {
  const first = shortestExpiry(expiresMs, timeMs);
  const tried = Array.from({ length: LAG_S_MAX + 1 }, (_, lag) => ({ expiresIn: first + lag }));
  return [...tried, {}];
}

function parts(mayBeWhole: boolean, mayBeAmount: boolean): Form[] {
  const forms: Form[] = [];
  if (mayBeWhole) forms.push({ part: 'whole' });
  if (mayBeAmount) forms.push({ part: 'amount' });
  forms.push({ part: 'postings' });
  return forms;
}

function isWhole(view: RecordView): boolean {
  for (let leg = 0; leg < view.n; leg++) if (view.released[leg] !== 0n) return false;
  return true;
}

const FLAGS: Form[] = [
  { gives: { frozen: true, closed: false } },
  { gives: { frozen: false, closed: true } },
  { gives: { frozen: true, closed: true } },
];
