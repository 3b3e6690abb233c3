import { NUMBER_DIGITS } from './accounts.js';

/**
 * A message that is made once: afterwards only the digits of its numbers change. Composing each anew would make the generator, not the
 * server, what is measured.
 */
export interface Template {
  readonly bytes: Uint8Array;
  /** Where the eight digits of each id's number begin. */
  readonly idsAt: readonly number[];
  /** Where the eight digits of each account's number begin: the debited first, then those credited, sale after sale. */
  readonly accountsAt: readonly number[];
}

export const AMOUNT = 1234;
/** What the three credits of a sale with four postings add up to: net, VAT, tip. */
export const CREDITS = [1000, 200, 34] as const;
export const POSTINGS = [2, 4] as const;
export type Postings = (typeof POSTINGS)[number];

/** Names of one connection. */
export interface Names {
  /** What the id of a sale begins with; eight digits follow. */
  readonly id: string;
  /** What account ids begin with; `a` or `b` and eight digits follow. */
  readonly account: string;
}

export const ZEROS = '0'.repeat(NUMBER_DIGITS);

/** Four digits of each number below 10,000. */
const FOUR_DIGITS = Uint8Array.from({ length: 40_000 }, (_, i) => {
  const digit = Math.floor(Math.floor(i / 4) / 10 ** (3 - (i % 4))) % 10;
  return 48 + digit;
});

/** Writes a number below 10^8 as eight digits. */
export function writeDigits(bytes: Uint8Array, at: number, number: number): void {
  const high = (number / 10_000) | 0;
  let from = high * 4;
  bytes[at] = FOUR_DIGITS[from]!;
  bytes[at + 1] = FOUR_DIGITS[from + 1]!;
  bytes[at + 2] = FOUR_DIGITS[from + 2]!;
  bytes[at + 3] = FOUR_DIGITS[from + 3]!;
  from = (number - high * 10_000) * 4;
  bytes[at + 4] = FOUR_DIGITS[from]!;
  bytes[at + 5] = FOUR_DIGITS[from + 1]!;
  bytes[at + 6] = FOUR_DIGITS[from + 2]!;
  bytes[at + 7] = FOUR_DIGITS[from + 3]!;
}

/** Collects bytes and notes where digits are. */
export class TemplateWriter {
  private readonly parts: Uint8Array[] = [];
  private length = 0;
  readonly idsAt: number[] = [];
  readonly accountsAt: number[] = [];

  raw(...bytes: number[]): this {
    return this.add(Uint8Array.from(bytes));
  }

  text(value: string): this {
    return this.add(Buffer.from(value, 'latin1'));
  }

  /** Text that ends with digits to be set. */
  numbered(value: string, places: number[]): this {
    this.text(value);
    places.push(this.length - NUMBER_DIGITS);
    return this;
  }

  private add(bytes: Uint8Array): this {
    this.parts.push(bytes);
    this.length += bytes.length;
    return this;
  }

  /** The template, behind `header`. */
  done(header: Uint8Array = new Uint8Array()): Template {
    const behind = (at: number) => at + header.length;
    return {
      bytes: Buffer.concat([header, ...this.parts]),
      idsAt: this.idsAt.map(behind),
      accountsAt: this.accountsAt.map(behind),
    };
  }

  get size(): number {
    return this.length;
  }
}
