import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { State } from '../../engine/state.js';
import { BULK_SEGMENT_BYTES, BulkLog, type RecordPlace } from '../../wal/bulk-log.js';
import { durableEnd } from '../../wal/durable-end.js';
import { lockDirectory } from '../../wal/lock.js';
import { openLogReader } from '../../wal/log.js';
import { LOG_START } from '../../wal/log-chain.js';
import { replayLog } from '../../wal/recover.js';
import { listSegments } from '../../wal/segment.js';
import type { LedgerIdentity, LogPosition } from '../../wal/store.js';
import { checkForImport, IMPORTING } from '../../wal/unfinished.js';
import { DecodeError } from '../gateway/decode-error.js';
import { decodeJson } from '../gateway/json.js';
import { isoTime } from '../ledger/bodies.js';
import { parseTime } from '../ledger/fields.js';
import { Decider } from './decider.js';
import type { Foot, Head } from './format.js';
import { identityOf, newIdentity, parseFoot, parseHead } from './import-head.js';
import { KnownRecords } from './known-records.js';
import { Callers, type Line, splitLine } from './line-command.js';
import { type LineCode, LineFault } from './line-fault.js';
import { RecordMaker } from './record-maker.js';

/** A line may be so far ahead of this machine's clock in a file from elsewhere: ledger time never goes back, so a wrong year stays. */
const AHEAD_MS_MAX = 86_400_000;
const DEFAULT_BY = 'import';
/** Of a file that is no file of lines, no more than this is kept. A line of 64 postings is well below 32 KiB. */
const LINE_BYTES_MAX = 1 << 20;
const NEWLINE = Buffer.from('\n');

export interface ImportOptions {
  readonly data: string;
  /** The bytes of the file. */
  readonly file: AsyncIterable<Uint8Array>;
  /** Called now and then: bytes of the file, records. */
  readonly onProgress?: (progress: { readonly bytes: number; readonly records: number }) => void;
  /** Wall clock, ms since the epoch. */
  readonly now?: () => number;
  /** Bytes of a log segment: what an interruption costs at most. */
  readonly segmentBytes?: number;
}

export interface ImportReport {
  readonly ledger: string;
  /** The ledger's last record. */
  readonly lsn: number;
  readonly timeMs: number;
  /** Records that were added, and records of the file that were there before. */
  readonly imported: number;
  readonly known: number;
}

/** A line was refused; what came before it is in the ledger. */
export class ImportError extends Error {
  override readonly name = 'ImportError';

  constructor(
    /** From 1. */
    readonly line: number,
    readonly code: LineCode | 'cut_off' | 'not_as_exported',
    detail: string,
    /** The last record that is durable; undefined when the file does not fit the ledger at all. */
    readonly lsn: number | undefined,
  ) {
    const next =
      lsn === undefined
        ? 'Nothing was changed'
        : `The ledger holds what came before, up to LSN ${lsn}: correct the file from there on and run the same command again`;
    super(`line ${line}: ${detail}. ${next}`);
  }
}

/**
 * Builds a ledger from a file as `exportLog` writes it, or a simpler one of the same format; see docs/export-format.md. Each line is decided
 * by the ledger's own rules. Run again on the same directory it compares what is there and goes on behind it.
 * @throws {ImportError} for a line that cannot be; {DirectoryInUseError}; {NotForUseError}; {DamagedLogError}
 */
export async function importFile(options: ImportOptions): Promise<ImportReport> {
  const { data } = options;
  checkForImport(data);
  if (existsSync(data)) checkPlace(data);
  const lock = lockDirectory(data);
  const run = new Import(options);
  try {
    for await (const chunk of options.file) run.take(chunk);
    return run.finish();
  } finally {
    run.close();
    lock.release();
  }
}

/** Nothing there, or a ledger. */
function checkPlace(data: string): void {
  if (listSegments(data).length > 0) return;
  const others = readdirSync(data).filter((name) => !['lock', 'log', IMPORTING].includes(name));
  if (others.length === 0) return;
  throw new Error(
    `${data} is not empty and holds no ledger (it holds ${others[0]}): import into a new directory`,
  );
}

class Import {
  private readonly now: number;
  private rest: Buffer = Buffer.alloc(0);
  private readonly hash = createHash('sha256');
  private lineNumber = 0;
  private bytes = 0;
  private records = 0;
  private run: LineImport | undefined;
  private foot: Foot | undefined;

  constructor(private readonly options: ImportOptions) {
    this.now = (options.now ?? Date.now)();
  }

  /** Takes the next bytes of the file. */
  take(chunk: Uint8Array): void {
    const bytes = this.rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.rest, chunk]);
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
      this.takeLine(bytes.subarray(from, at + 1));
      from = at + 1;
    }
    this.rest = bytes.subarray(from);
    if (this.rest.length > LINE_BYTES_MAX) {
      this.lineNumber++;
      throw this.failed('too_large', `a line is longer than ${LINE_BYTES_MAX} bytes`);
    }
    this.bytes += chunk.length;
    this.options.onProgress?.({ bytes: this.bytes, records: this.records });
  }

  /** @param bytes with the line end, if there is one */
  private takeLine(bytes: Buffer): void {
    this.lineNumber++;
    try {
      this.read(bytes);
    } catch (error) {
      if (!(error instanceof LineFault || error instanceof DecodeError)) throw error;
      const code = error instanceof LineFault ? error.code : 'invalid_request';
      throw this.failed(code, error.message);
    }
  }

  private read(bytes: Buffer): void {
    if (isBlank(bytes)) {
      this.hash.update(bytes);
      return;
    }
    const value = decodeJson(bytes);
    if (this.run === undefined) {
      this.run = new LineImport(this.options, parseHead(value), this.now);
      this.hash.update(bytes);
      return;
    }
    if (this.foot !== undefined)
      throw new LineFault('invalid_request', 'nothing comes after the last line of an export');
    this.foot = parseFoot(value);
    if (this.foot !== undefined) return;
    this.hash.update(bytes);
    this.run.take(splitLine(value));
    this.records++;
  }

  /** What was taken so far is made durable. */
  private failed(code: ImportError['code'], detail: string): ImportError {
    return new ImportError(this.lineNumber, code, detail, this.run?.flush());
  }

  finish(): ImportReport {
    if (this.rest.length > 0) this.takeLine(this.rest);
    const { run, foot } = this;
    if (run === undefined) throw this.failed('cut_off', 'the file is empty');
    if (foot === undefined) {
      if (run.head.ledger !== undefined) {
        throw this.failed(
          'cut_off',
          'the file ends without the last line that an export has: it was cut off',
        );
      }
    } else if (foot.records !== this.records || foot.sha256 !== this.hash.digest('hex')) {
      const detail = `the ${this.records} records before the last line are not the ${foot.records} that were exported`;
      throw this.failed('not_as_exported', detail);
    }
    return run.done();
  }

  close(): void {
    this.run?.close();
  }
}

/** The lines behind the head. */
class LineImport {
  private readonly identity: LedgerIdentity;
  private readonly end: LogPosition;
  private readonly decider: Decider;
  private readonly maker: RecordMaker;
  private readonly callers: Callers;
  private readonly known: KnownRecords;
  private bulk: BulkLog | undefined;
  private timeMs: number;
  private readonly fromLsn: number;

  constructor(
    private readonly options: ImportOptions,
    readonly head: Head,
    private readonly now: number,
  ) {
    const { data } = options;
    const there = listSegments(data).length > 0 ? durableEnd(data) : undefined;
    this.identity = identityFor(data, head, there?.ledger, now);
    this.end = there?.end ?? LOG_START;
    this.fromLsn = head.from_lsn ?? 1;
    if (this.fromLsn > this.end.lsn + 1) {
      const detail = `/from_lsn: the file begins at LSN ${this.fromLsn}, and the ledger in ${data} ends at LSN ${this.end.lsn}`;
      throw new LineFault('invalid_request', detail);
    }
    const state = new State(0, 1, this.identity.key);
    if (this.fromLsn > 1) replayUpTo(state, data, this.fromLsn - 1);
    this.decider = new Decider(state, this.fromLsn - 1);
    this.maker = new RecordMaker(this.decider, (lsn) => this.recordAt(lsn));
    this.callers = new Callers(this.identity.key);
    this.known = new KnownRecords(data, this.fromLsn, this.end.lsn);
    this.timeMs = this.fromLsn > 1 ? this.known.timeBefore() : 0;
  }

  /** @throws {LineFault} */
  take(line: Line): void {
    const lsn = this.decider.lsn + 1;
    if (line.lsn !== undefined && line.lsn !== lsn) {
      throw new LineFault('invalid_request', `/lsn: LSN ${String(line.lsn)} where LSN ${lsn} is next`);
    }
    if (line.content !== undefined && this.head.ledger === undefined) {
      throw new LineFault(
        'invalid_request',
        '/content: it counts only with the key of the ledger, in the head',
      );
    }
    const timeMs = this.timeOf(line);
    const { bytes, from, to } = this.maker.make(this.callerOf(line), line, timeMs);
    this.timeMs = timeMs;
    if (lsn <= this.end.lsn) this.known.check(lsn, bytes.subarray(from, to), timeMs);
    else this.log().append(bytes, from, to, timeMs);
  }

  private timeOf({ committedAt }: Line): number {
    // Before the first line that names a time, and never behind what the ledger holds.
    const given = committedAt ?? (this.timeMs === 0 ? this.head.committed_at : undefined);
    if (given === undefined) return this.timeMs === 0 ? this.identity.createdMs : this.timeMs;
    const timeMs = parseTime(given);
    if (timeMs === undefined) {
      throw new LineFault(
        'invalid_request',
        '/committed_at: a time is RFC 3339, UTC, with at most milliseconds',
      );
    }
    if (timeMs < this.timeMs) {
      const hint =
        'lines without a time take that of the line before, the first ones the committed_at of the head or now';
      throw new LineFault(
        'invalid_request',
        `/committed_at: it goes back in time, behind ${isoTime(this.timeMs)} (${hint})`,
      );
    }
    if (this.head.ledger === undefined && timeMs > this.now + AHEAD_MS_MAX) {
      throw new LineFault('invalid_request', '/committed_at: it lies in the future');
    }
    return timeMs;
  }

  private callerOf({ op, tenant = this.head.tenant, by = this.head.by ?? DEFAULT_BY, terminal }: Line) {
    if (typeof tenant !== 'string')
      throw new LineFault('invalid_request', '/tenant: neither here nor in the head');
    if (op === 'expire') return this.callers.ofTenant(tenant);
    if (typeof by !== 'string' || (terminal !== undefined && typeof terminal !== 'string')) {
      throw new LineFault('invalid_request', '/by and /terminal are texts');
    }
    return this.callers.of(tenant, by, terminal);
  }

  private recordAt(lsn: number): RecordPlace {
    return lsn <= this.end.lsn ? this.known.recordAt(lsn) : this.log().recordAt(lsn);
  }

  /** Opened with the first record that is new, so that a file that does not fit leaves a ledger as it was. */
  private log(): BulkLog {
    const { data, segmentBytes = BULK_SEGMENT_BYTES } = this.options;
    this.bulk ??= new BulkLog(data, this.identity, this.end, segmentBytes);
    return this.bulk;
  }

  /** Makes durable what was taken. @returns the last LSN of the ledger */
  flush(): number {
    this.bulk?.flush();
    return this.bulk?.lsn ?? this.end.lsn;
  }

  done(): ImportReport {
    const { data } = this.options;
    if (this.bulk !== undefined || this.end.lsn === 0) this.log().done();
    else rmSync(join(data, IMPORTING), { recursive: true, force: true });
    const lsn = this.bulk?.lsn ?? this.end.lsn;
    const imported = Math.max(0, this.decider.lsn - this.end.lsn);
    return {
      ledger: this.identity.id,
      lsn,
      timeMs: this.bulk?.timeMs ?? this.end.timeMs,
      imported,
      known: this.decider.lsn - this.fromLsn + 1 - imported,
    };
  }

  close(): void {
    this.bulk?.close();
    this.known.close();
  }
}

function identityFor(
  data: string,
  head: Head,
  there: LedgerIdentity | undefined,
  now: number,
): LedgerIdentity {
  const given = identityOf(head);
  if (there === undefined) return given ?? newIdentity(now);
  if (given !== undefined && (given.id !== there.id || Buffer.compare(given.key, there.key) !== 0)) {
    throw new LineFault(
      'invalid_request',
      `/ledger: the file is of ledger ${given.id}, and ${data} holds ${there.id}`,
    );
  }
  return there;
}

function replayUpTo(state: State, data: string, lsn: number): void {
  const reader = openLogReader({ data });
  try {
    replayLog(state, reader, data, 0, lsn);
  } finally {
    reader.close();
  }
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
}
