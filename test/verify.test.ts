import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RecordKind } from '../engine/record.js';
import { openLedger } from '../src/ledger.js';
import { Checkpointer } from '../wal/checkpoint.js';
import { checkpointDirectory, idsPath, readRuns } from '../wal/checkpoint-files.js';
import { DirectoryInUseError } from '../wal/lock.js';
import { openLogReader } from '../wal/log.js';
import { listSegments } from '../wal/segment.js';
import { type VerifyReport, verify } from '../wal/verify.js';
import { RecordLog } from './support/record-log.js';
import { logEnd, tradeDay, untilCheckpointed } from './support/recovery.js';
import { dataFile, temporaryDirectory } from './support/wal.js';
import { changeBlock, flipBatch, PAGE, patch, reseal } from './support/wal-damage.js';

const NEVER = Number.MAX_SAFE_INTEGER;

/** A ledger of several segments with a checkpoint in its middle, closed. */
async function tradedLedger(): Promise<{ data: string; lsn: number; checkpointLsn: number }> {
  const data = temporaryDirectory();
  let ledger = await openLedger({ data, shards: 2, segmentBytes: 1 << 17, checkpointRecords: 1 });
  await tradeDay(ledger, 0);
  await tradeDay(ledger, 1);
  const checkpointLsn = await untilCheckpointed(ledger);
  await ledger.close();
  ledger = await openLedger({ data, shards: 3, segmentBytes: 1 << 17, checkpointRecords: NEVER });
  await tradeDay(ledger, 2);
  const lsn = ledger.stats().durableLsn;
  await ledger.close();
  return { data, lsn, checkpointLsn };
}

/** What is found in a log of these records, after two accounts in EUR that may go below zero, and one in USD. */
async function findings(
  write: (log: RecordLog) => void,
): Promise<{ problems: string; places: string; report: VerifyReport }> {
  const data = temporaryDirectory();
  const log = new RecordLog(data);
  log.account('a');
  log.account('b');
  log.account('usd', { currency: 'USD' });
  write(log);
  log.close();
  const report = await verify({ data });
  expect(report.ok).toBe(report.findings.length === 0);
  return {
    problems: report.findings.map(({ problem }) => problem).join('; '),
    places: report.findings.map(({ where }) => where).join('; '),
    report,
  };
}

describe('verify', () => {
  it('finds nothing wrong with a ledger as it is, and says what there is', async () => {
    const { data, lsn, checkpointLsn } = await tradedLedger();
    const before = readdirSync(checkpointDirectory(data));
    const phases: string[] = [];
    const report = await verify({ data, onProgress: ({ phase }) => phases.push(phase) });
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ ok: true, lsn, checkpointLsn, segments: listSegments(data).length });
    expect(report.segments).toBeGreaterThan(1);
    expect(report.accounts).toBe(20);
    expect(report.transactions).toBeGreaterThan(60);
    expect(report.batches).toBeGreaterThan(10);
    expect(phases).toContain('log');
    expect(readdirSync(checkpointDirectory(data))).toEqual(before);
    rmSync(checkpointDirectory(data), { recursive: true });
    expect(await verify({ data })).toMatchObject({ ok: true, lsn, checkpointLsn: 0 });
  });

  it('is refused while the ledger is open, and where there is none', async () => {
    const data = temporaryDirectory();
    const ledger = await openLedger({ data });
    onTestFinished(() => ledger.close());
    await expect(verify({ data })).rejects.toThrow(DirectoryInUseError);
    await expect(verify({ data: join(data, 'elsewhere') })).rejects.toThrow('there is no ledger');
  });

  it('names what was flipped in the log, and goes on in the segments behind', async () => {
    const { data } = await tradedLedger();
    const segments = listSegments(data);
    const [first, second] = [segments[0]!, segments[1]!];
    const reader = openLogReader({ data });
    const harmed = reader.batchAt(reader.batchAt(first)!.count + 1)!.firstLsn;
    reader.close();
    flipBatch(data, first, harmed, 90);
    flipBatch(data, second, second, 90);
    const report = await verify({ data });
    const name = (segment: number) => `segment ${String(segment).padStart(16, '0')}`;
    expect(report.ok).toBe(false);
    expect(report.lsn).toBe(harmed - 1);
    expect(report.findings).toContainEqual({
      where: `${name(first)}, LSN ${harmed}`,
      problem: 'the checksum of a batch does not match',
    });
    expect(report.findings).toContainEqual({
      where: `${name(second)}, LSN ${second}`,
      problem: 'the checksum of a batch does not match',
    });
  });

  it('finds a batch that was exchanged with its checksum, and a meta page that lost the newest commit', async () => {
    const { data } = await tradedLedger();
    const [first] = listSegments(data);
    reseal(data, first!, 1, (batch) => batch.writeUInt8(batch[24]! ^ 1, 24));
    expect((await verify({ data })).findings).toContainEqual(
      expect.objectContaining({ problem: 'the batch does not carry the hash of the batch before it' }),
    );
    const other = await tradedLedger();
    patch(dataFile(other.data, listSegments(other.data).at(-1)!), 152, (bytes) =>
      bytes.writeUInt8(bytes[0]! ^ 64),
    );
    const report = await verify({ data: other.data });
    expect(report.findings.length).toBeGreaterThan(0);
    expect(report.findings[0]!.problem).toMatch(/commit/);
  });

  it('finds a page that is not where its parent says, which only a question for one LSN would meet', async () => {
    const data = temporaryDirectory();
    const log = new RecordLog(data);
    log.account('a');
    log.account('b');
    log.flush();
    for (let i = 0; i < 200; i++) {
      log.transaction(`x${i}`, 'a', 'b', 1);
      log.transaction(`y${i}`, 'a', 'b', 1);
      log.flush();
    }
    log.close();
    const path = dataFile(data, 1);
    const key = secondKeyOfRoot(path);
    // One less: the batch before, which holds that LSN too, would be looked for in the page behind it.
    patch(path, key.at, (bytes) => bytes.writeBigUInt64BE(bytes.readBigUInt64BE() - 1n));
    const reader = openLogReader({ data });
    expect([...reader.batchesFrom(1)].length).toBe(201);
    expect(() => reader.batchAt(key.lsn - 1)).toThrow('a batch is missing');
    reader.close();
    const { findings } = await verify({ data });
    expect(findings).toEqual([
      {
        where: expect.stringMatching(/^segment 0000000000000001, LSN \d+$/),
        problem: expect.stringMatching(`begins with key ${key.lsn}, and its parent says ${key.lsn - 1}`),
      },
    ]);
  });

  it('names all that was flipped in one segment and in a checkpoint, not only the first', async () => {
    const { data, checkpointLsn } = await tradedLedger();
    const reader = openLogReader({ data });
    const batches = [1, 9, 30].map((lsn) => reader.batchAt(lsn)!.firstLsn);
    reader.close();
    expect(Math.max(...batches)).toBeLessThan(checkpointLsn);
    const [first] = listSegments(data);
    for (const lsn of batches) flipBatch(data, first!, lsn, 90);
    const [run] = readRuns(data, logEnd(data).ledger);
    patch(run!.path, run!.bytes >> 1, (bytes) => bytes.writeUInt8(bytes[0]! ^ 1), 1);
    const places = (await verify({ data })).findings.map(({ where }) => where);
    expect(places).toEqual(
      expect.arrayContaining(batches.map((lsn) => `segment 0000000000000001, LSN ${lsn}`)),
    );
    expect(places).toContain('checkpoint');
  });

  it('finds every flipped bit of a checkpoint', async () => {
    const { data } = await tradedLedger();
    for (const name of readdirSync(checkpointDirectory(data))) {
      const path = join(checkpointDirectory(data), name);
      const { size } = statSync(path);
      for (let i = 0; i < 8; i++) {
        const flip = () => patch(path, Math.floor((size * i) / 8), (b) => b.writeUInt8(b[0]! ^ (1 << i)), 1);
        flip();
        const { findings } = await verify({ data });
        expect(findings.map(({ where }) => where)).toEqual(['checkpoint']);
        flip();
      }
    }
  });

  it('finds a checkpoint that is whole but says other than the log', async () => {
    const { data, lsn } = await tradedLedger();
    const { ledger } = logEnd(data);
    const [run] = readRuns(data, ledger);
    changeBlock(run!.path, 3, (payload) => payload.writeDoubleLE(lsn + 5, 12));
    let found = (await verify({ data })).findings;
    expect(found).toEqual([{ where: 'checkpoint', problem: expect.stringMatching(/^account .*: last LSN/) }]);

    const other = await tradedLedger();
    changeBlock(idsPath(other.data), 2, (payload) => payload.writeUInt32LE(1, 24));
    found = (await verify({ data: other.data })).findings;
    expect(found).toEqual([
      { where: 'checkpoint', problem: expect.stringMatching(/about an id is another/) },
    ]);
  });

  it('finds a checkpoint that knows more than the log', async () => {
    const { data, lsn } = await tradedLedger();
    const { key, ledger } = logEnd(data);
    new Checkpointer(data, { id: ledger, key, createdMs: 0 }, false).advance(lsn, () => false);
    const newest = listSegments(data).at(-1)!;
    rmSync(join(data, 'log', String(newest).padStart(16, '0')), { recursive: true });
    expect((await verify({ data })).findings).toEqual([
      {
        where: expect.stringMatching(/^segment .*, LSN /),
        problem: expect.stringContaining(`LSN ${lsn} was durable once, as the file durable-`),
      },
      {
        where: 'checkpoint',
        problem: `it was made at LSN ${lsn}, but the log is sound only up to ${newest - 1}`,
      },
    ]);
  });

  it('accepts records that follow the rules', async () => {
    const { report } = await findings((log) => {
      const sale = log.transaction('sale', 'a', 'b', 100);
      const held = log.transaction('held', 'a', 'b', 10, RecordKind.pending);
      const post = log.end(RecordKind.post, 'held', held, 'a', 'b', 4, 6);
      log.transaction('open', 'a', 'b', 10, RecordKind.pending);
      log.reversal('back', 'sale', sale, 'a', 'b', 100);
      log.reversal('less', 'held', post, 'a', 'b', 4);
      log.flags('a', 1);
    });
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ lsn: 10, transactions: 5, accounts: 3 });
  });

  it('finds debits and credits that differ, in all and in a currency', async () => {
    const unbalanced = await findings((log) => {
      log.postings(RecordKind.posted, 'x', [
        { account: 'a', amount: 5 },
        { account: 'b', amount: -4 },
      ]);
    });
    expect(unbalanced.problems).toContain('unbalanced by 1 EUR');
    expect(unbalanced.problems).toContain('all accounts in EUR of tenant shop together are off by 1');
    expect(unbalanced.places).toContain('segment 0000000000000001, LSN 4');
    const mixed = await findings((log) => log.transaction('x', 'a', 'usd', 5));
    expect(mixed.problems).toContain('unbalanced by 5 EUR');
    expect(mixed.problems).toContain('unbalanced by -5 USD');
  });

  it('finds limits and flags that were broken, at the LSN where they were', async () => {
    const limits = await findings((log) => {
      log.account('low', { min: 0 });
      log.account('high', { max: 10 });
      log.transaction('x', 'a', 'low', 1);
      log.transaction('y', 'low', 'a', 1);
      log.transaction('z', 'high', 'a', 11, RecordKind.pending);
    });
    expect(limits.problems).toContain('account shop/low broke a limit, with a balance of -1');
    expect(limits.problems).toContain('account shop/high broke a limit');
    expect(limits.places).toBe('segment 0000000000000001, LSN 6; segment 0000000000000001, LSN 8');
    const frozen = await findings((log) => {
      log.flags('a', 1);
      log.flags('b', 2);
      log.transaction('x', 'a', 'b', 1);
    });
    expect(frozen.problems).toBe('account shop/a was frozen; account shop/b was closed');
  });

  it('finds ids that were used twice and accounts that were created twice', async () => {
    const { problems } = await findings((log) => {
      log.transaction('x', 'a', 'b', 1);
      log.transaction('x', 'a', 'b', 1);
      log.account('a');
    });
    expect(problems).toContain('the id x was used before, at LSN 4');
    expect(problems).toContain('account a is created a second time');
  });

  it('finds ends of what is not open, and ends that are not of what was reserved', async () => {
    const twice = await findings((log) => {
      const held = log.transaction('held', 'a', 'b', 10, RecordKind.pending);
      log.end(RecordKind.void, 'held', held, 'a', 'b', 0, 10);
      log.end(RecordKind.post, 'held', held, 'a', 'b', 10, 0);
    });
    expect(twice.problems).toContain('it ends held, which is not an open hold');
    expect(twice.problems).toContain('negative sum');
    const more = await findings((log) => {
      const held = log.transaction('held', 'a', 'b', 10, RecordKind.pending);
      log.end(RecordKind.post, 'held', held + 1, 'a', 'b', 10, 1);
    });
    expect(more.problems).toContain('it does not end what held reserved');
    expect(more.problems).toContain('was created at LSN 5 and not 4');
    const posts = await findings((log) => {
      const held = log.transaction('held', 'a', 'b', 10, RecordKind.pending);
      log.end(RecordKind.expire, 'held', held, 'a', 'b', 3, 7);
    });
    expect(posts.problems).toContain('it posts though it only releases');
  });

  it('finds more reversed than was posted, in one or in all together', async () => {
    const { problems } = await findings((log) => {
      const sale = log.transaction('sale', 'a', 'b', 100);
      log.reversal('r1', 'sale', sale, 'a', 'b', 60);
      log.reversal('r2', 'sale', sale, 'a', 'b', 60);
      const held = log.transaction('held', 'a', 'b', 10, RecordKind.pending);
      log.reversal('r3', 'held', held, 'a', 'b', 5);
    });
    expect(problems).toContain('more was reversed of posting 0 of sale than it had: 120');
    expect(problems).toContain('held was reversed but never posted');
  });

  it('names a record that cannot be read and judges what came before it', async () => {
    const { report, problems } = await findings((log) => {
      log.transaction('x', 'a', 'b', 1);
      log.flush();
      log.transaction('y', 'a', 'nowhere', 1);
    });
    expect(report.lsn).toBe(4);
    expect(report.transactions).toBe(1);
    expect(problems).toBe('record 5 posts to nowhere, which is not there');
  });
});

/** The second key of the root, which must be a branch: where it stands in the file, and the LSN that it is. */
function secondKeyOfRoot(path: string): { readonly at: number; readonly lsn: number } {
  const bytes = readFileSync(path);
  const newer = bytes.readBigUInt64LE(152) > bytes.readBigUInt64LE(PAGE + 152) ? 0 : PAGE;
  expect(bytes.readUInt16LE(newer + 102)).toBe(2);
  const root = Number(bytes.readBigUInt64LE(newer + 136)) * PAGE;
  const at = root + 24 + bytes.readUInt16LE(root + 26) + 8;
  return { at, lsn: Number(bytes.readBigUInt64BE(at)) };
}
