import type { LoggedPosting } from '../support/log-records.js';

/**
 * What each till of a soak does as its n-th thing: told by the two numbers alone, so that a million of them need no memory, and so that whoever
 * reads the log knows from an id what must stand there.
 */

/** Deeds that create nothing have no record of their own. */
export type Kind =
  | 'sale'
  | 'basket'
  | 'hold'
  | 'account'
  | 'end'
  | 'reversal'
  | 'balance'
  | 'status'
  | 'garbage'
  | 'hangUp';

/** Sales of a whole group of deeds go in one frame, where the first says so. */
export const GROUP = 5;
const BATCH_OF_100 = 4;
const HANG_UP_OF_2000 = 1;
/** Of 100 deeds; the rest are sales. */
const SHARES: readonly (readonly [Kind, number])[] = [
  ['basket', 10],
  ['hold', 7],
  ['end', 5],
  ['reversal', 3],
  ['balance', 6],
  ['status', 4],
  ['account', 1],
  ['garbage', 2],
];
const PURSES = 500;
export const HOUSE = ['bank', 'sales', 'vat', 'tips'] as const;
/** A batch of accounts in one request. */
export const PURSE_NAMES: readonly string[] = Array.from({ length: PURSES }, (_, i) => purse(i));
export const HOLD_S = 2;

function purse(i: number): string {
  return i % 2 === 0 ? `purse${i}` : `{s${i % 4}}purse${i}`;
}

/** 32 mixed bits of a till's n-th deed (the finalizer of MurmurHash3). */
function mix(till: number, n: number, salt: number): number {
  let h = Math.imul(till + 1, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca6b) ^ Math.imul(salt + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export function isBatch(till: number, n: number): boolean {
  return mix(till, n - (n % GROUP), 1) % 100 < BATCH_OF_100;
}

export function kindOf(till: number, n: number): Kind {
  if (isBatch(till, n)) return 'sale';
  if (mix(till, n, 2) % 2000 < HANG_UP_OF_2000) return 'hangUp';
  let dice = mix(till, n, 3) % 100;
  for (const [kind, share] of SHARES) {
    dice -= share;
    if (dice < 0) return kind;
  }
  return 'sale';
}

const LETTERS = { sale: 's', basket: 'k', hold: 'h', account: 'a' } as const;
const ID = /^(?:\{s\d\})?([skhar])(\d+)\.(\d+)(?:\.(\d+))?$/;

/** The id of what a deed creates; a third of the tills have theirs on any shard. */
export function idOf(till: number, n: number, kind: keyof typeof LETTERS): string {
  return `${tagOf(till)}${LETTERS[kind]}${till}.${n}`;
}

/** A reversal's id says what it undoes. */
export function reversalId(till: number, n: number, original: number): string {
  return `${tagOf(till)}r${till}.${n}.${original}`;
}

function tagOf(till: number): string {
  return till % 3 === 0 ? '' : `{s${till % 4}}`;
}

/** @returns undefined for an id that no till makes */
export function parseId(
  id: string,
):
  | { readonly letter: string; readonly till: number; readonly n: number; readonly original: number }
  | undefined {
  const match = ID.exec(id);
  if (match === null) return undefined;
  return { letter: match[1]!, till: Number(match[2]), n: Number(match[3]), original: Number(match[4] ?? -1) };
}

export function purseOf(till: number, n: number): string {
  return purse(mix(till, n, 4) % PURSES);
}

/** What a sale, a basket or a hold posts or reserves: of each account a signed amount, positive = debit. */
export function legsOf(till: number, n: number): readonly (readonly [account: string, amount: number])[] {
  const kind = kindOf(till, n);
  const amount = 4 + (mix(till, n, 5) % 60);
  const from = purseOf(till, n);
  if (kind === 'basket') {
    const vat = amount >> 2;
    return [
      [from, amount],
      ['sales', -(amount - vat - 1)],
      ['vat', -vat],
      ['tips', -1],
    ];
  }
  if (kind === 'sale' && mix(till, n, 6) % 5 < 3) {
    return [
      ['bank', amount],
      [from, -amount],
    ];
  }
  return [
    [from, amount],
    ['sales', -amount],
  ];
}

/** Holds are voided or captured, in whole or in part: 0 for a void. */
export function capturedOf(till: number, n: number): number {
  const whole = legsOf(till, n)[0]![1];
  const dice = mix(till, n, 7) % 4;
  return dice === 0 ? 0 : dice === 1 ? whole : 1 + (whole >> 1);
}

/** Legs of another amount, or with their sides exchanged, as the log has them. */
export function postingsOf(
  legs: readonly (readonly [account: string, amount: number])[],
  scale: (amount: number) => number = (amount) => amount,
): LoggedPosting[] {
  return legs.map(([account, amount]) => ({ account, amount: BigInt(scale(amount)) }));
}
