import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../src/client/codec.js';
import { frameOf, newEntry, runLength } from '../src/client/entry.js';
import { socketUrl } from '../src/client/link.js';
import {
  captureOperation,
  holdOperation,
  isCompact,
  type Operation,
  saleOperation,
} from '../src/client/operation.js';

const two = { debit: 'till:1', credit: 'sales', amount: 250 };

function entries(...ops: Operation[]) {
  return ops.map((op, index) => newEntry(index + 1, op));
}

describe('frames', () => {
  it('say a sale in the compact form, without what is absent at the end', () => {
    const frame = (op: Operation) => frameOf(entries(op), 9);
    expect(frame(saleOperation(two, 's'))).toEqual([9, 's', 'till:1', 'sales', 250]);
    expect(frame(saleOperation({ ...two, reference: 'r' }, 's'))).toEqual([
      ...[9, 's', 'till:1', 'sales', 250, null, 'r'],
    ]);
    const postings = [
      { account: 'a', debit: '3', tag: 't' },
      { account: 'b', credit: 2n ** 62n },
    ];
    expect(frame(saleOperation({ postings, code: 'c' }, 's'))).toEqual([
      ...[
        9,
        's',
        [
          ['a', 3, 't'],
          ['b', -(2n ** 62n)],
        ],
        'c',
      ],
    ]);
  });

  it('say in the map form what the compact form cannot', () => {
    expect(frameOf(entries(saleOperation({ ...two, currency: 'GBP' }, 's')), 9)).toEqual({
      ...{ rid: 9, op: 'transaction', id: 's', ...two, currency: 'GBP' },
    });
    expect(frameOf(entries(holdOperation({ ...two, expires_in: 60 }, 'h')), 9)).toMatchObject({
      pending: { expires_in: 60 },
    });
    expect(frameOf(entries(holdOperation(two, 'h')), 9)).toMatchObject({ op: 'transaction', pending: true });
    expect(frameOf(entries(captureOperation('h', { amount: 5n })), 9)).toEqual({
      ...{ rid: 9, op: 'post', id: 'h', amount: 5 },
    });
  });

  it('carry several sales, and holds among them, but no ends', () => {
    const queue = entries(
      ...[
        saleOperation(two, 's1'),
        saleOperation(two, 's2'),
        holdOperation(two, 'h'),
        captureOperation('h', {}),
      ],
    );
    expect(runLength(queue)).toBe(3);
    expect(runLength(queue.slice(3))).toBe(1);
    expect(frameOf(queue.slice(0, 2), 1)).toEqual([
      ...[
        1,
        [
          ['s1', 'till:1', 'sales', 250],
          ['s2', 'till:1', 'sales', 250],
        ],
      ],
    ]);
    expect(frameOf(queue.slice(0, 3), 1)).toMatchObject({
      op: 'batch',
      transactions: [{ id: 's1' }, {}, { id: 'h' }],
    });
  });

  it('stay far below the size the server takes', () => {
    const metadata = { text: 'x'.repeat(900) };
    const queue = entries(
      ...Array.from({ length: 2_000 }, (_, n) => saleOperation({ ...two, metadata }, `s${n}`)),
    );
    for (const entry of queue) entry.bytes = encode(entry.op).length;
    const frame = encode(frameOf(queue.slice(0, runLength(queue)), 1));
    expect(frame.length).toBeLessThan(512 * 1024);
    expect(runLength(queue)).toBeGreaterThan(100);
  });
});

describe('amounts', () => {
  it('go over the wire exactly, whatever their size and however they were given', () => {
    const amounts = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(amounts, fc.boolean(), (amount, asText) => {
        const op = saleOperation({ debit: 'a', credit: 'b', amount: asText ? String(amount) : amount }, 's');
        const [, , , , sent] = decode(encode(frameOf(entries(op), 1))) as unknown[];
        return isCompact(op) && BigInt(sent as number | bigint) === amount;
      }),
    );
  });
});

describe('fields', () => {
  it('that the server could not read never get into the queue', () => {
    const wrong = [
      ...[
        { code: 'a b' },
        { code: '' },
        { reference: 'é' },
        { effective_at: 'yesterday' },
        { currency: 'gbp' },
      ],
      ...[{ metadata: { text: 'x'.repeat(1_100) } }, { metadata: { text: '\ud800' } }],
      { metadata: { nested: JSON.parse('{"__proto__":1}') } },
    ];
    for (const field of wrong) expect(() => saleOperation({ ...two, ...field }, 's')).toThrow(RangeError);
    expect(() => holdOperation({ ...two, expires_in: 1.5 }, 'h')).toThrow(RangeError);
  });

  it('are copied, and are what JSON makes of them', () => {
    const metadata = { table: 4, when: new Date(0), nothing: undefined, nested: { list: [1] } };
    const op = saleOperation({ ...two, metadata, effective_at: new Date(0) }, 's');
    metadata.nested.list.push(2);
    expect(decode(encode(op.body))).toEqual({
      ...two,
      metadata: { table: 4, when: '1970-01-01T00:00:00.000Z', nested: { list: [1] } },
      effective_at: '1970-01-01T00:00:00.000Z',
    });
  });
});

describe('addresses', () => {
  it('may be of the server, or of its socket', () => {
    expect(socketUrl('http://127.0.0.1:8080')).toBe('ws://127.0.0.1:8080/v1/ws');
    expect(socketUrl('https://shop.example/kassa/v1/ws')).toBe('wss://shop.example/kassa/v1/ws');
    for (const url of ['ftp://x', 'ws://x/#top', 'ws://x/v1/ws#'])
      expect(() => socketUrl(url)).toThrow(RangeError);
  });
});
