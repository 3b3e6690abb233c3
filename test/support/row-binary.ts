import type { Column } from '../../src/analytics/schema.js';
import { clickhouseTime } from './expected-rows.js';

/** Reads RowBinary, a value after the other: values as ClickHouse gives them in JSON, 64-bit integers as text. */
export function readRows(bytes: Uint8Array, columns: readonly Column[]): unknown[][] {
  const reader = new Reader(bytes);
  const rows: unknown[][] = [];
  while (!reader.isAtEnd) rows.push(columns.map(({ type }) => reader.value(type)));
  return rows;
}

class Reader {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  value(type: string): unknown {
    const inner = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(type)?.[1];
    if (type.startsWith('Nullable')) return this.integer(1) === 1n ? null : this.value(inner!);
    if (inner !== undefined) return this.value(inner);
    if (type.startsWith('DateTime64')) return clickhouseTime(Number(this.integer(8)));
    if (type.startsWith('Enum8')) return this.integer(1) === 1n ? 'debit' : 'credit';
    switch (type) {
      case 'String':
        return this.text();
      case 'Bool':
        return this.integer(1) === 1n;
      case 'UInt8':
        return Number(BigInt.asUintN(8, this.integer(1)));
      case 'UInt16':
        return Number(BigInt.asUintN(16, this.integer(2)));
      case 'UInt64':
      case 'Int64':
        return String(this.integer(8));
      case 'Int128':
        return String(this.integer(16));
      default:
        throw new Error(`a column of type ${type}`);
    }
  }

  /** A signed integer of so many bytes. */
  private integer(size: number): bigint {
    let value = 0n;
    for (let i = 0; i < size; i++) value |= BigInt(this.view.getUint8(this.at++)) << BigInt(8 * i);
    return BigInt.asIntN(8 * size, value);
  }

  private text(): string {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++]!;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    this.at += length;
    return Buffer.from(this.bytes.subarray(this.at - length, this.at)).toString('utf8');
  }
}
