import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openLog, openLogReader } from '../wal/log.js';
import { randomFrom } from './support/random.js';
import { append, dataFile, temporaryDirectory } from './support/wal.js';

/** Where LMDB keeps them in a meta page of 4096 bytes. */
const PAGE_BYTES = 4096;
const AT_LAST_PAGE = 144;
const AT_TXNID = 152;
const COMMITS = 80;

/** What LMDB leaves when the write of a meta page fails: the new tree beside the old commit id and the old last page. */
function putBack(file: Buffer, txnid: number, lastPageBefore: number): void {
  const meta = (txnid % 2) * PAGE_BYTES;
  expect(Number(file.readBigUInt64LE(meta + AT_TXNID))).toBe(txnid);
  file.writeBigUInt64LE(BigInt(txnid - 2), meta + AT_TXNID);
  file.writeBigUInt64LE(BigInt(lastPageBefore), meta + AT_LAST_PAGE);
}

function endOf(data: string): number {
  const reader = openLogReader({ data });
  try {
    let end = 0;
    for (const batch of reader.batchesFrom(1)) end = batch.firstLsn + batch.count - 1;
    return end;
  } finally {
    reader.close();
  }
}

describe('a commit whose meta page could not be written', () => {
  it.each([
    ['small batches', 0],
    ['batches of all sizes', 20_000],
  ])('is there or not, and whatever came before is, with %s', (_, bytesMax) => {
    const random = randomFrom(0x0dd);
    const data = temporaryDirectory();
    const log = openLog({ data });
    const path = dataFile(data, 1);
    const lastPages: number[] = [];
    const seen = { there: 0, gone: 0 };
    for (let txnid = 2; txnid <= COMMITS; txnid++) {
      append(log, 1, 16 + (bytesMax === 0 || random(2) === 0 ? random(40) : random(bytesMax)));
      const before = readFileSync(path);
      lastPages[txnid] = Number(before.readBigUInt64LE((txnid % 2) * PAGE_BYTES + AT_LAST_PAGE));
      if (txnid < 4) continue;
      const undone = Buffer.from(before);
      putBack(undone, txnid, lastPages[txnid - 2]!);
      const copy = temporaryDirectory();
      mkdirSync(dirname(dataFile(copy, 1)), { recursive: true });
      writeFileSync(dataFile(copy, 1), undone);
      const end = endOf(copy);
      expect([log.last.lsn, log.last.lsn - 1], `commit ${txnid}`).toContain(end);
      if (end === log.last.lsn) seen.there++;
      else seen.gone++;
      const again = openLog({ data: copy });
      expect(again.last.lsn).toBe(end);
      again.close();
    }
    log.close();
    expect(seen.gone).toBeGreaterThan(0);
    expect(seen.there).toBeGreaterThan(0);
  });
});
