import { encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import { describe, expect, it } from 'vitest';
import {
  accountChooser,
  accountIds,
  accountsPerSide,
  type Distribution,
  randomNumbers,
} from '../bench/load/accounts.js';
import { Latencies, merged, percentiles } from '../bench/load/latencies.js';
import { postgresWire } from '../bench/load/postgres-wire.js';
import { AMOUNT, POSTINGS, type Template, writeDigits } from '../bench/load/template.js';
import { websocket } from '../bench/load/websocket.js';
import { type CaseResult, type Measure, spread, typical } from '../bench/report/result.js';
import { tableRows } from '../bench/report/table.js';
import { judgeTargets } from '../bench/report/targets.js';
import { decodeMsgpack, encodeAnswer, encodeMsgpack } from '../src/gateway/msgpack.js';

/** The message with every number set: ids 1, 2, ..., accounts 101, 102, ... */
function numbered(template: Template): Buffer {
  const bytes = Buffer.from(template.bytes);
  template.idsAt.forEach((at, i) => {
    writeDigits(bytes, at, i + 1);
  });
  template.accountsAt.forEach((at, i) => {
    writeDigits(bytes, at, i + 101);
  });
  return bytes;
}

/** A client's frame without its header; its mask is zero. */
function payload(frame: Buffer): Buffer {
  const length = frame[1]! & 0x7f;
  return frame.subarray(length < 126 ? 6 : length === 126 ? 8 : 14);
}

/** A compact answer to rid 1. */
function answer(n: number, lsn: number): Buffer {
  return Buffer.from(encodeAnswer(1, n, lsn));
}

/** A server's frame. */
function reply(content: Uint8Array): Buffer {
  const header =
    content.length < 126 ? [0x82, content.length] : [0x82, 126, content.length >> 8, content.length & 0xff];
  return Buffer.concat([Buffer.from(header), content]);
}

describe("the load's frames", () => {
  const names = { id: '{t03}r00c0007', account: '{t03}' };

  it('are compact sales as Kassa reads them', () => {
    expect(decodeMsgpack(payload(numbered(websocket.template(names, 2, 0))))).toEqual([
      1,
      '{t03}r00c000700000001',
      '{t03}a00000101',
      '{t03}b00000102',
      AMOUNT,
    ]);
    expect(decodeMsgpack(payload(numbered(websocket.template(names, 4, 0))))).toEqual([
      1,
      '{t03}r00c000700000001',
      [
        ['{t03}a00000101', 1234],
        ['{t03}b00000102', -1000],
        ['{t03}b00000103', -200],
        ['{t03}b00000104', -34],
      ],
    ]);
  });

  it.each([2, 100, 8190])('carry %i sales with numbers of their own', (batch) => {
    for (const postings of POSTINGS) {
      const frame = numbered(websocket.template(names, postings, batch));
      const [rid, sales] = decodeMsgpack(payload(frame)) as [number, unknown[][]];
      expect([rid, sales.length]).toEqual([1, batch]);
      expect(new Set(sales.map(([id]) => id)).size).toBe(batch);
    }
  });

  it('are answered when whole replies are there, and a refusal is seen', () => {
    const good = [answer(0, 5_000_000_000), encodeMsgpack([1, 0, 7, []])];
    const bad = [answer(1, 9), answer(31, 0)];
    const long = encodeMsgpack([1, 0, 7, Array.from({ length: 100 }, (_, i) => [i, 31])]);
    const stream = Buffer.concat([...good, ...bad, long].map(reply));
    const lengths = [...good, ...bad, long].map((content) => reply(content).length);
    for (let cut = 0; cut <= stream.length; cut++) {
      const tally = { replies: 0, refused: 0 };
      const end = websocket.count(stream.subarray(0, cut), tally);
      let whole = 0;
      for (let sum = lengths[0]!; whole < lengths.length && sum <= cut; sum += lengths[++whole] ?? 0);
      expect([tally.replies, end]).toEqual([whole, lengths.slice(0, whole).reduce((a, b) => a + b, 0)]);
      expect(tally.refused).toBe(Math.max(0, whole - good.length));
    }
  });

  it('ask PostgreSQL for the same sale', () => {
    const message = numbered(postgresWire.template({ id: 'r000c007', account: '' }, 2, 0));
    const text = message.toString('latin1');
    for (const part of ['r000c00700000001', 'a00000101', 'b00000102', `\0\0\0\u0004${AMOUNT}`])
      expect(text).toContain(part);
    // Bind is as long as it says, and Execute and Sync follow.
    const bind = 1 + message.readUInt32BE(1);
    expect([text[0], text[bind], text[bind + 10]]).toEqual(['B', 'E', 'S']);
    expect(message.length).toBe(bind + 10 + 5);
  });
});

describe('the accounts of a load', () => {
  it('are those that were created', () => {
    const set = { accounts: 400, tags: 10 };
    const ids = [...accountIds(set)];
    expect(new Set(ids).size).toBe(400);
    expect(accountsPerSide(set)).toBe(20);
    expect(ids).toContain('{t09}b00000019');
  });

  it.each(['uniform', 'zipf', 'hot'] as Distribution[])('are drawn as %s says', (distribution) => {
    const count = 50_000;
    const draws = 200_000;
    const choose = accountChooser(distribution, count, 7);
    const credited = new Uint32Array(count);
    for (let i = 0; i < draws; i++) {
      const account = choose(true);
      credited[account]!++;
    }
    // A number out of range would be lost here.
    expect(credited.reduce((a, b) => a + b)).toBe(draws);
    const first = credited[0]! / draws;
    if (distribution === 'hot') expect(first).toBe(1);
    if (distribution === 'uniform') expect(first).toBeLessThan(0.001);
    if (distribution === 'zipf') {
      // Weights 1/rank^0.99 over 50,000 ranks add up to about 12.
      const sum = Array.from({ length: count }, (_, i) => (i + 1) ** -0.99).reduce((a, b) => a + b);
      expect(first).toBeCloseTo(1 / sum, 2);
      const tail = credited.subarray(10_000).reduce((a, b) => a + b) / draws;
      const wanted = Array.from({ length: count - 10_000 }, (_, i) => (i + 10_001) ** -0.99);
      expect(tail).toBeCloseTo(wanted.reduce((a, b) => a + b) / sum, 2);
    }
  });

  it('reach every account', () => {
    const random = randomNumbers(3);
    const seen = new Set(Array.from({ length: 5000 }, () => random(100)));
    expect(seen.size).toBe(100);
  });
});

describe('latencies', () => {
  it('of several generators make one histogram', () => {
    const parts = [0, 1].map((part) => {
      const latencies = new Latencies();
      for (let i = 1; i <= 500; i++) latencies.add(part * 0.5 + i / 1000);
      return latencies;
    });
    parts[1]!.add(2000);
    const { p50, p99, max } = percentiles(
      merged(parts.map((part) => encodeIntoCompressedBase64(part.histogram()))),
    );
    expect(p50).toBeCloseTo(0.5, 2);
    expect(p99).toBeCloseTo(0.99, 2);
    expect(max / 2000).toBeCloseTo(1, 2);
  });
});

describe('results', () => {
  it('are medians over rounds, field by field, and every refusal counts', () => {
    expect(spread([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5 });
    expect(spread([4, 1, 3, 2]).median).toBe(2.5);
    const rounds = [
      { value: 1, serverCores: 0.5, refused: 0, also: { commits: 7 } },
      { value: 9, serverCores: 0.1, refused: 2, also: { commits: 5 } },
      { value: 2, serverCores: 0.9, refused: 0, also: { commits: 6 } },
    ];
    expect(typical(rounds)).toEqual({ value: 2, serverCores: 0.5, refused: 2, also: { commits: 6 } });
  });

  it('are lines of at most 100 characters, whose columns all hold something', () => {
    const wide: Measure = {
      value: 999_999,
      latencyMs: { p50: 1234, p99: 99.94, p999: 0.001, max: 1 },
      clientCores: 0.99,
      serverCores: 2,
    };
    const range = { median: 999_999, min: 999_999, max: 999_999 };
    const ratio = { median: 17.93, min: 15.59, max: 119.72 };
    const result = (measure: Measure, also: object): CaseResult => ({
      suite: 'pos',
      name: '50 × 1',
      unit: 'sales/s',
      settings: {},
      contenders: [
        { name: 'tigerbeetle', rounds: [measure, measure], value: range, typical: measure, ...also },
      ],
    });
    const { head, lines } = tableRows(result(wide, { ratio }), 1);
    expect([head, ...lines.split('\n')].filter((line) => line.trimEnd().length > 100)).toEqual([]);
    expect(lines).toContain(' 1000 k  1000 k-1000 k  17.9  15.6-120  1234  99.9     0.00  0.99!   2.00');
    expect(tableRows(result({ value: 1 }, {}), 1).head.trim()).toMatch(/^median +min-max$/);
    expect(tableRows(result({ ...wide, refused: 3 }, {}), 1).head).toContain('refused');
  });

  it('reach a target or not; what was not measured is said to be so', () => {
    const measured = (value: number): CaseResult => ({
      suite: 'inproc',
      name: '1000 callers',
      unit: 'sales/s',
      settings: {},
      contenders: [{ name: 'kassa', rounds: [], value: spread([value]), typical: { value } }],
    });
    const verdict = (results: CaseResult[]) =>
      judgeTargets(results).find(({ suite }) => suite === 'inproc')!.verdict;
    expect(verdict([])).toBe('not measured');
    expect(verdict([measured(399_999)])).toBe('not reached');
    expect(verdict([measured(400_000)])).toBe('reached');
  });
});
