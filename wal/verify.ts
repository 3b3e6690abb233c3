import { existsSync } from 'node:fs';
import { NewerRecordError } from '../engine/record.js';
import { State } from '../engine/state.js';
import { manifestProblems } from './backup-check.js';
import { isBackup } from './backup-manifest.js';
import { type Batch, hashBatch, NO_HASH } from './batch.js';
import { CheckpointFault } from './checkpoint-block.js';
import { checkpointDirectory, type Run, readRuns } from './checkpoint-files.js';
import { loadCheckpoint } from './checkpoint-load.js';
import { DamagedLogError, NewerFormatError } from './errors.js';
import { LOCAL_DISK } from './local-disk.js';
import { lockDirectory } from './lock.js';
import { checkedBatches, openLogReader } from './log.js';
import { checkEnd, checkMark } from './log-chain.js';
import { PageFault } from './pages.js';
import { listSegments, segmentPath } from './segment.js';
import { SegmentFile } from './segment-file.js';
import { differences } from './state-compare.js';
import type { LedgerIdentity } from './store.js';
import { Audit } from './verify-audit.js';
import { checkBlocks, checkSegment } from './verify-files.js';

export { stateHash } from './state-compare.js';

/** Findings that are kept; a ledger with so many has one cause. */
const FINDINGS_MAX = 100;
/** Batches between two turns of the event loop. */
const BATCHES_PER_TURN = 64;

export interface Finding {
  /** A segment and LSN, or the checkpoint. */
  readonly where: string;
  readonly problem: string;
}

export interface VerifyReport {
  /** Nothing was found. */
  readonly ok: boolean;
  /** At most 100. */
  readonly findings: readonly Finding[];
  readonly segments: number;
  readonly batches: number;
  /** The last LSN that was found sound. */
  readonly lsn: number;
  readonly transactions: number;
  readonly accounts: number;
  /** 0 without a checkpoint that can be used. */
  readonly checkpointLsn: number;
}

export interface VerifyOptions {
  readonly data: string;
  /** `done` and `total` in LSNs. */
  readonly onProgress?: (progress: { phase: string; done: number; total: number }) => void;
}

/**
 * Checks a data directory from its first byte to its last and changes nothing: every page, checksum, hash and record of the log; that what
 * the records add up to follows the rules at every LSN; and that the checkpoint says the same as the log up to its LSN.
 * @throws {DirectoryInUseError} while the server runs; {NewerFormatError}; {DamagedLogError} when the log is gone; or when there is no ledger
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const { data } = options;
  if (listSegments(data).length === 0) {
    checkEnd(data, 0, LOCAL_DISK);
    throw new Error(`there is no ledger in ${data}`);
  }
  const lock = lockDirectory(data);
  try {
    return await new Verification(options).run();
  } finally {
    lock.release();
  }
}

class Verification {
  private readonly data: string;
  private readonly findings: Finding[] = [];
  private batches = 0;
  private lsn = 0;

  constructor(private readonly options: VerifyOptions) {
    this.data = options.data;
  }

  async run(): Promise<VerifyReport> {
    const { data } = this;
    const segments = listSegments(data);
    const total = this.checkEnds(segments);
    await this.checkSegments(segments, total);
    const ledger = this.ledgerOf(segments);
    let audit: Audit | undefined;
    let runs: readonly Run[] = [];
    if (ledger !== undefined) {
      audit = new Audit(ledger.key, (lsn, problem) => {
        if (this.findings.length < FINDINGS_MAX) this.find(this.placeOf(lsn), problem);
      });
      runs = this.checkCheckpoint(ledger);
      await this.replay(audit, runs, ledger, total);
    }
    if (isBackup(data)) this.checkManifest();
    return {
      ok: this.findings.length === 0,
      findings: this.findings,
      segments: segments.length,
      batches: this.batches,
      lsn: this.lsn,
      transactions: audit?.transactions ?? 0,
      accounts: audit?.state.accounts.count ?? 0,
      checkpointLsn: runs.at(-1)?.end.lsn ?? 0,
    };
  }

  private find(where: string, problem: string): void {
    const isKnown = this.findings.some((finding) => finding.where === where && finding.problem === problem);
    if (!isKnown && this.findings.length < FINDINGS_MAX) this.findings.push({ where, problem });
  }

  private placeOf(lsn: number): string {
    const segment = listSegments(this.data).findLast((first) => first <= lsn) ?? 1;
    return placeOf(segment, lsn);
  }

  /** Runs a part of the check; damage that it meets becomes a finding. */
  private guard(part: () => void): void {
    try {
      part();
    } catch (error) {
      this.findError(error);
    }
  }

  private findError(error: unknown): void {
    if (error instanceof NewerFormatError) throw error;
    if (error instanceof DamagedLogError)
      this.find(`segment ${error.segment}, LSN ${error.lsn}`, error.reason);
    else if (error instanceof CheckpointFault) this.find('checkpoint', error.message);
    else throw error;
  }

  /** Meta pages, header and last batch of every segment, and the mark. @returns the last LSN that any of them speaks of */
  private checkEnds(segments: readonly number[]): number {
    let end = 0;
    for (const first of segments) {
      this.guard(() => {
        const segment = new SegmentFile(this.data, first);
        const last = segment.last();
        segment.close();
        if (last !== undefined) end = Math.max(end, last.firstLsn + last.count - 1);
      });
    }
    // Where an end cannot be read it is not known how far the log goes.
    if (this.findings.length === 0) this.guard(() => checkMark(this.data, end, LOCAL_DISK));
    return end;
  }

  /** Every page and batch of every segment, each by itself: what is wrong in one place does not hide what is wrong in another. */
  private async checkSegments(segments: readonly number[], total: number): Promise<void> {
    for (const first of segments) {
      const entries = checkSegment(this.data, first, (lsn, problem) => {
        this.find(placeOf(first, lsn), problem);
      });
      let steps = 0;
      try {
        for (const _ of entries) if (++steps % BATCHES_PER_TURN === 0) await this.turn('pages', first, total);
      } catch (error) {
        if (error instanceof PageFault) this.find(placeOf(first, first), error.message);
        else this.findError(error);
      }
    }
  }

  /** Tells how far it is, and lets others have their turn. */
  private async turn(phase: string, done: number, total: number): Promise<void> {
    this.options.onProgress?.({ phase, done, total });
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** The identity that the first readable header gives. */
  private ledgerOf(segments: readonly number[]): LedgerIdentity | undefined {
    for (const first of segments) {
      try {
        const segment = new SegmentFile(this.data, first);
        segment.close();
        return segment.header.ledger;
      } catch (error) {
        if (!(error instanceof DamagedLogError)) throw error;
      }
    }
    return undefined;
  }

  private checkManifest(): void {
    this.guard(() => {
      for (const problem of manifestProblems(this.data)) this.find('backup', problem);
    });
  }

  /** Every block of the checkpoint by itself. @returns its runs, if it can be used */
  private checkCheckpoint(ledger: LedgerIdentity): readonly Run[] {
    if (!existsSync(checkpointDirectory(this.data))) return [];
    let runs: readonly Run[] | undefined;
    try {
      runs = readRuns(this.data, ledger.id);
    } catch (error) {
      this.findError(error);
    }
    checkBlocks(this.data, runs, (problem) => this.find('checkpoint', problem));
    return runs ?? [];
  }

  /** Goes through the log once; on the way, at its LSN, the checkpoint is compared. */
  private async replay(
    audit: Audit,
    runs: readonly Run[],
    ledger: LedgerIdentity,
    total: number,
  ): Promise<void> {
    const end = runs.at(-1)?.end;
    try {
      for (const batch of checkedBatches(this.data, 1, NO_HASH)) {
        this.addBatch(audit, batch);
        if (end !== undefined && this.lsn >= end.lsn && batch.firstLsn <= end.lsn) {
          this.compareCheckpoint(audit, runs, ledger, batch);
        }
        if (++this.batches % BATCHES_PER_TURN === 0) {
          await this.turn('log', this.lsn, total);
        }
      }
    } catch (error) {
      this.findError(error);
    }
    if (end !== undefined && end.lsn > this.lsn) {
      this.find('checkpoint', `it was made at LSN ${end.lsn}, but the log is sound only up to ${this.lsn}`);
    }
    this.guard(() => {
      const reader = openLogReader({ data: this.data });
      try {
        audit.conclude(this.lsn, reader);
      } finally {
        reader.close();
      }
    });
    this.options.onProgress?.({ phase: 'log', done: this.lsn, total });
  }

  private addBatch(audit: Audit, batch: Batch): void {
    try {
      audit.add(batch);
    } catch (error) {
      if (error instanceof NewerRecordError) throw new NewerFormatError(error.message);
      const segment = listSegments(this.data).findLast((first) => first <= batch.firstLsn) ?? 1;
      const name = segmentPath(this.data, segment).slice(-16);
      throw new DamagedLogError(this.data, name, batch.firstLsn, (error as Error).message);
    }
    this.lsn = batch.firstLsn + batch.count - 1;
  }

  private compareCheckpoint(audit: Audit, runs: readonly Run[], ledger: LedgerIdentity, batch: Batch): void {
    const { end } = runs.at(-1)!;
    if (this.lsn !== end.lsn) {
      this.find('checkpoint', `it was made at LSN ${end.lsn}, where no batch ends`);
      return;
    }
    if (end.timeMs !== batch.timeMs || Buffer.compare(end.hash, hashBatch(batch.bytes)) !== 0) {
      this.find('checkpoint', `it does not carry the hash and time of the batch that ends at LSN ${end.lsn}`);
    }
    this.options.onProgress?.({ phase: 'checkpoint', done: this.lsn, total: this.lsn });
    this.guard(() => {
      const found = new State(0, 1, ledger.key);
      loadCheckpoint(found, this.data, runs);
      for (const problem of differences(audit.state, found, FINDINGS_MAX)) this.find('checkpoint', problem);
    });
  }
}

function placeOf(segment: number, lsn: number): string {
  return `segment ${String(segment).padStart(16, '0')}, LSN ${lsn}`;
}
