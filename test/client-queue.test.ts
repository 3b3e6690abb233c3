import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal } from '../src/client/journal.js';
import { type Operation, saleOperation } from '../src/client/operation.js';
import { Refusals } from '../src/client/refusals.js';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'kassa-queue-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

function sale(id: string): Operation {
  return saleOperation({ debit: 'till:1', credit: 'sales', amount: 2n ** 60n, reference: 'r' }, id);
}

async function idsOnDisk(): Promise<string[]> {
  const { journal, unsettled } = await Journal.open(dir, 1);
  await journal.close();
  return unsettled.map(({ op }) => op.id);
}

describe('the queue on disk', () => {
  it('gives back what was not settled, as it was, in order', async () => {
    const { journal } = await Journal.open(dir, 1);
    const seqs = ['a', 'b', 'c'].map((id) => [journal.takeSeq(), id] as const);
    await Promise.all(seqs.toReversed().map(([seq, id]) => journal.add(seq, sale(id))));
    await journal.settle(seqs[1]![0], false);
    await journal.close();
    const again = await Journal.open(dir, 1);
    expect(again.unsettled.map(({ op }) => op)).toEqual([sale('a'), sale('c')]);
    expect(again.journal.takeSeq()).toBe(4);
    await again.journal.close();
  });

  it('torn at any byte, has exactly the sales whose records are whole', async () => {
    const { journal } = await Journal.open(dir, 1);
    const path = join(dir, 'journal');
    const ends = [statSync(path).size];
    for (const id of ['a', 'b', 'c']) {
      await journal.add(journal.takeSeq(), sale(id));
      ends.push(statSync(path).size);
    }
    await journal.close();
    const whole = readFileSync(path);
    for (let size = 0; size <= whole.length; size += 1) {
      writeFileSync(path, whole.subarray(0, size));
      const expected = ['a', 'b', 'c'].filter((_, index) => ends[index + 1]! <= size);
      expect(await idsOnDisk()).toEqual(expected);
      rmSync(path);
    }
    expect(readdirSync(dir)).toEqual([]);
  });

  it('damaged in its middle, keeps the sales behind the damage and the file as it was', async () => {
    const { journal } = await Journal.open(dir, 1);
    const path = join(dir, 'journal');
    await journal.add(journal.takeSeq(), sale('a'));
    const start = statSync(path).size;
    await journal.add(journal.takeSeq(), sale('b'));
    await journal.add(journal.takeSeq(), sale('c'));
    await journal.close();
    const bytes = readFileSync(path);
    bytes[start + 20]! ^= 1;
    writeFileSync(path, bytes);
    const again = await Journal.open(dir, 1);
    expect(again.unsettled.map(({ op }) => op.id)).toEqual(['a', 'c']);
    expect(readFileSync(again.damagedCopy!)).toEqual(bytes);
    await again.journal.close();
  });

  it('never gives out a number twice, not even after it was emptied', async () => {
    const first = await Journal.open(dir, 1);
    const seq = first.journal.takeSeq();
    await first.journal.add(seq, sale('a'));
    await first.journal.settle(seq, false);
    await first.journal.close();
    const second = await Journal.open(dir, 1);
    expect(second.journal.takeSeq()).toBeGreaterThan(seq);
    await second.journal.close();
    rmSync(join(dir, 'journal'));
    const third = await Journal.open(dir, 100);
    expect(third.journal.takeSeq()).toBe(100);
    await third.journal.close();
  });

  it('stays small however many sales go through it', async () => {
    const { journal } = await Journal.open(dir, 1);
    const kept = journal.takeSeq();
    await journal.add(kept, sale('kept'));
    for (let round = 0; round < 40; round += 1) {
      const seqs = Array.from({ length: 500 }, () => journal.takeSeq());
      await Promise.all(seqs.map((seq) => journal.add(seq, sale(`s${seq}`))));
      await Promise.all(seqs.map((seq) => journal.settle(seq, false)));
    }
    await journal.close();
    expect(statSync(join(dir, 'journal')).size).toBeLessThan(400_000);
    expect(await idsOnDisk()).toEqual(['kept']);
  });

  it('can be copied while it is in use: what was added is in the copy', async () => {
    const { journal } = await Journal.open(dir, 1);
    await journal.add(journal.takeSeq(), sale('a'));
    const copy = mkdtempSync(join(tmpdir(), 'kassa-queue-'));
    copyFileSync(join(dir, 'journal'), join(copy, 'journal'));
    await journal.close();
    const { journal: other, unsettled } = await Journal.open(copy, 1);
    expect(unsettled.map(({ op }) => op.id)).toEqual(['a']);
    await other.close();
    rmSync(copy, { recursive: true });
  });

  it('takes nothing more after its disk failed', async () => {
    const { journal } = await Journal.open(dir, 1);
    await journal.close();
    await expect(journal.add(journal.takeSeq(), sale('a'))).rejects.toThrow('closed');
  });
});

describe('the list of refusals', () => {
  it('keeps each until it is dismissed, over restarts', async () => {
    const refused = {
      kind: 'sale',
      code: 'insufficient_funds',
      refused_at: '2010-12-01T08:26:00.000Z',
    } as const;
    const first = await Refusals.open(dir);
    await first.refusals.add(3, { ...refused, id: 'a', body: { amount: 1 } });
    await first.refusals.add(7, { ...refused, id: 'b', body: { amount: 2 } });
    await first.refusals.dismiss('a');
    await first.refusals.close();
    const { refusals } = await Refusals.open(dir);
    expect(refusals.list()).toEqual([{ ...refused, id: 'b', body: { amount: 2 } }]);
    expect(refusals.seqMax).toBe(7);
    expect([refusals.has(3), refusals.has(7)]).toEqual([false, true]);
    await refusals.close();
  });
});
