import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { State } from '../engine/state.js';
import { type Ledger, openLedger } from '../src/ledger.js';
import { Checkpointer } from '../wal/checkpoint.js';
import { checkpointDirectory, idsPath, readRuns } from '../wal/checkpoint-files.js';
import { loadCheckpoint } from '../wal/checkpoint-load.js';
import { openLogReader } from '../wal/log.js';
import { stateHash, verify } from '../wal/verify.js';
import { codeOf, must, refusal, until } from './support/ledger.js';
import {
  answersAfter,
  logEnd,
  recoveredHash,
  replayedHash,
  tradeDay,
  untilCheckpointed,
} from './support/recovery.js';
import { temporaryDirectory } from './support/wal.js';
import { changeBlock } from './support/wal-damage.js';

const NEVER = Number.MAX_SAFE_INTEGER;

/** Opens a ledger that is closed with the test. */
async function open(data: string, shards: number, checkpointRecords: number): Promise<Ledger> {
  const ledger = await openLedger({ data, shards, checkpointRecords });
  onTestFinished(() => ledger.close());
  return ledger;
}

/** A log of some days, without a checkpoint. */
async function tradedLog(days: number): Promise<string> {
  const data = temporaryDirectory();
  const ledger = await open(data, 2, NEVER);
  for (let day = 0; day < days; day++) await tradeDay(ledger, day);
  await ledger.close();
  return data;
}

function identityOf(data: string) {
  const reader = openLogReader({ data });
  reader.close();
  return reader.ledger;
}

describe('a checkpoint', () => {
  it('leads any number of shards to the state and the answers that the log alone leads to', async () => {
    const data = temporaryDirectory();
    const days = 5;
    let asked = '';
    for (let day = 0; day < days; day++) {
      const ledger = await open(data, [1, 3, 2, 4, 1][day]!, 1);
      await tradeDay(ledger, day);
      await untilCheckpointed(ledger);
      asked = await answersAfter(ledger, days);
      await ledger.close();
    }
    const expected = replayedHash(data);
    for (const shards of [1, 2, 3, 4, 7, 16]) {
      const { hash, checkpointLsn, faults } = recoveredHash(data, shards);
      expect({ shards, hash, faults }).toEqual({ shards, hash: expected, faults: [] });
      expect(checkpointLsn).toBe(logEnd(data).lsn);
    }
    for (const shards of [2, 4]) {
      const ledger = await open(data, shards, NEVER);
      expect(ledger.stats().checkpointLsn).toBe(logEnd(data).lsn);
      expect(await answersAfter(ledger, days)).toBe(asked);
      await ledger.close();
    }
    expect(await verify({ data })).toMatchObject({ ok: true, findings: [], checkpointLsn: logEnd(data).lsn });
  });

  it('says the same as the log at every LSN that it stands for, however its runs were merged', async () => {
    const data = await tradedLog(3);
    const { key, lsn: end } = logEnd(data);
    const identity = identityOf(data);
    const reader = openLogReader({ data });
    const runCounts = new Set<number>();
    for (const batch of reader.batchesFrom(1)) {
      const lsn = batch.firstLsn + batch.count - 1;
      // A new one each time: it goes on from what is on the disk.
      const checkpointer = new Checkpointer(data, identity, false);
      expect(checkpointer.advance(lsn, () => false)).toBe(false);
      expect(checkpointer.position.lsn).toBe(lsn);
      const runs = readRuns(data, identity.id);
      runCounts.add(runs.length);
      if (lsn % 7 !== 0 && lsn !== end) continue;
      const loaded = [0, 1, 2].map((shard) => new State(shard, 3, key));
      for (const state of loaded) loadCheckpoint(state, data, runs);
      expect(stateHash(...loaded)).toBe(replayedHash(data, lsn));
    }
    reader.close();
    // Alone, with some behind it, and merged again.
    expect(runCounts.size).toBeGreaterThan(3);
    expect(readdirSync(checkpointDirectory(data)).length).toBe(readRuns(data, identity.id).length + 1);
  });

  it('includes only what is durable, in whole batches', async () => {
    const data = await tradedLog(2);
    const identity = identityOf(data);
    const reader = openLogReader({ data });
    const first = reader.batchAt(1)!;
    const second = reader.batchAt(first.count + 1)!;
    reader.close();
    const checkpointer = new Checkpointer(data, identity, false);
    checkpointer.advance(first.count + second.count - 1, () => false);
    expect(checkpointer.position.lsn).toBe(first.count);
    checkpointer.advance(first.count + second.count, () => false);
    expect(checkpointer.position.lsn).toBe(first.count + second.count);
  });

  it('is left as it was by a round that stops, fails or is cut off', async () => {
    const data = await tradedLog(3);
    const identity = identityOf(data);
    const { lsn } = logEnd(data);
    const checkpointer = new Checkpointer(data, identity, false);
    checkpointer.advance(Math.floor(lsn / 2), () => false);
    const { lsn: before } = checkpointer.position;
    let asked = 0;
    checkpointer.advance(lsn, () => ++asked > 10);
    expect(checkpointer.position.lsn).toBe(before);
    // What a process that died in the middle leaves.
    appendFileSync(idsPath(data), Buffer.alloc(100_000, 7));
    writeFileSync(join(checkpointDirectory(data), 'new-0000000000000000-0000000000000009.run'), 'cut off');
    expect(recoveredHash(data, 2)).toEqual({ hash: replayedHash(data), checkpointLsn: before, faults: [] });
    const next = new Checkpointer(data, identity, false);
    expect(next.position.lsn).toBe(before);
    next.advance(lsn, () => false);
    expect(recoveredHash(data, 2)).toEqual({ hash: replayedHash(data), checkpointLsn: lsn, faults: [] });
    expect(readdirSync(checkpointDirectory(data)).some((name) => name.startsWith('new-'))).toBe(false);
  });

  it('keeps what binds later commands: ids, ends, what was reversed, limits, holds that expire', async () => {
    const data = temporaryDirectory();
    const ledger = await open(data, 2, 1);
    const session = ledger.as({ tenant: 'shop', by: 'ann' });
    for (const id of ['{a}:cash', '{b}:house']) {
      must(await session.createAccount({ id, currency: 'EUR', type: 'asset', min_balance: -100 }));
    }
    const sale = { id: 'sale', debit: '{a}:cash', credit: '{b}:house', amount: 100 };
    must(await session.transaction(sale));
    must(await session.reverse('sale', { id: 'r1', amount: 60 }));
    must(
      await session.transaction({
        ...sale,
        id: 'short',
        amount: 1,
        debit: '{b}:house',
        credit: '{a}:cash',
        pending: { expires_in: 4 },
      }),
    );
    must(await session.transaction({ ...sale, id: 'held', amount: 30, pending: true }));
    must(await session.transaction({ ...sale, id: 'ended', amount: 2, pending: true }));
    must(await session.post('ended', { amount: 1 }));
    must(await session.void('gone'));
    await untilCheckpointed(ledger);
    await ledger.close();

    const again = await open(data, 3, 1);
    expect(again.stats().checkpointLsn).toBe(9);
    const later = again.as({ tenant: 'shop', by: 'ann' });
    expect(codeOf(await later.transaction(sale))).toBe('duplicate');
    refusal(await later.transaction({ ...sale, amount: 101 }), 'id_reused');
    refusal(await later.transaction({ ...sale, id: 'gone' }), 'already_voided');
    refusal(await later.reverse('sale', { id: 'r2', amount: 41 }), 'exceeds_original');
    must(await later.reverse('sale', { id: 'r2', amount: 40 }));
    refusal(await later.reverse('sale', { id: 'r3' }), 'exceeds_original');
    expect(must(await later.post('ended', { amount: 1 })).status).toBe('posted');
    refusal(await later.void('ended'), 'already_posted');
    refusal(await later.transaction({ ...sale, id: 'too-much', amount: 200 }), 'insufficient_funds');
    await until('the hold expires', async () => must(await later.status('short')).status === 'expired');
    must(await later.post('held'));
    expect(must(await later.status('sale')).reversals?.map(({ id }) => id)).toEqual(['r1', 'r2']);
    await untilCheckpointed(again);
    await again.close();
    expect(recoveredHash(data, 2).hash).toBe(replayedHash(data));
    expect((await verify({ data })).findings).toEqual([]);
  });

  it('with an entry of an impossible size is a fault, not a walk without end', async () => {
    const data = await tradedLog(2);
    const { ledger, lsn } = logEnd(data);
    for (const kind of [3, 4, 5]) {
      for (const size of [0, 1, 65_535]) {
        new Checkpointer(data, identityOf(data), true).advance(lsn, () => false);
        const [run] = readRuns(data, ledger);
        changeBlock(run!.path, kind, (payload) => payload.writeUInt16LE(size, 0));
        const { hash, faults } = recoveredHash(data, 3);
        expect(hash).toBe(replayedHash(data));
        // A shard that owns nothing of the block passes over it.
        expect(faults.length).toBeGreaterThan(0);
      }
    }
  });

  it('survives the death of the process at any moment', async () => {
    const data = temporaryDirectory();
    const child = new URL('./support/trading-process.js', import.meta.url).pathname;
    let reached = 0;
    for (const [turn, waitFor] of [3, 1, 2, 0, 2].entries()) {
      const running = spawn(process.execPath, [child, data, String(1 + (turn % 3)), String(turn)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await untilLines(running, waitFor);
      running.kill('SIGKILL');
      await new Promise((resolve) => running.once('exit', resolve));
      const recovered = recoveredHash(data, 2);
      expect(recovered.hash).toBe(replayedHash(data));
      expect(recovered.faults).toEqual([]);
      expect(recovered.checkpointLsn).toBeGreaterThanOrEqual(reached);
      reached = recovered.checkpointLsn;
    }
    expect(reached).toBeGreaterThan(0);
    const report = await verify({ data });
    expect(report.findings).toEqual([]);
    const ledger = await open(data, 2, NEVER);
    expect(ledger.stats().checkpointLsn).toBe(reached);
  });
});

/** Waits until a process has written so many lines and a little more has happened. */
function untilLines(child: ChildProcess, lines: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = 0;
    child.once('exit', (code) => reject(new Error(`the process ended by itself (${code})`)));
    child.stdout!.on('data', (chunk: Buffer) => {
      seen += chunk.toString().split('\n').length - 1;
      if (seen > lines) resolve();
    });
  });
}
