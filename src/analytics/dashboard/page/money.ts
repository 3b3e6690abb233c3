import type { Amount } from './exact-json.js';
import { LOCALE } from './locale.js';

/**
 * Decimals of the minor unit by ISO 4217, where they are not 2. Not those of Intl: they are what is customary in shops, and some currencies
 * that have a minor unit of 1/100 are shown there without it, which would make amounts a hundred times too large.
 */
const DECIMALS = new Map<string, number>([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'
    .split(' ')
    .map((code) => [code, 0] as const),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3] as const),
  ...'CLF UYW'.split(' ').map((code) => [code, 4] as const),
]);
/** In the standard, but without a minor unit: metals, funds, tests. */
const WITHOUT_UNIT = new Set('XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX'.split(' '));
const KNOWN = new Set([...Intl.supportedValuesOf('currency'), ...DECIMALS.keys()]);

/** Decimals of a currency's minor unit; undefined where the currency is not of ISO 4217: its amounts are shown as they are. */
export function decimalsOf(currency: string): number | undefined {
  if (!KNOWN.has(currency) || WITHOUT_UNIT.has(currency)) return undefined;
  return DECIMALS.get(currency) ?? 2;
}

/** Minor units as decimal text, exact: -5 pence are `-0.05`. */
export function decimalText(amount: Amount, currency: string): string {
  const decimals = decimalsOf(currency) ?? 0;
  const value = BigInt(amount);
  const digits = String(value < 0n ? -value : value).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const sign = value < 0n ? '-' : '';
  return decimals === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-decimals)}`;
}

export interface MoneyStyle {
  /** Without the currency's sign: in tables that name the currency once. */
  readonly plain?: boolean;
}

const formats = new Map<string, Intl.NumberFormat>();

function formatOf(currency: string, plain: boolean): Intl.NumberFormat {
  const key = `${currency} ${plain}`;
  let format = formats.get(key);
  if (format === undefined) {
    const decimals = decimalsOf(currency);
    const digits = { minimumFractionDigits: decimals ?? 0, maximumFractionDigits: decimals ?? 0 };
    format = new Intl.NumberFormat(
      LOCALE,
      plain || decimals === undefined ? digits : { ...digits, style: 'currency', currency },
    );
    formats.set(key, format);
  }
  return format;
}

/** An amount for people, exact to the last digit: `£1,234.50`; of an unknown currency `1,234 POINTS`, whole minor units. */
export function money(amount: Amount, currency: string, { plain = false }: MoneyStyle = {}): string {
  const text = formatOf(currency, plain).format(decimalText(amount, currency) as Intl.StringNumericLiteral);
  const minus = text.replace('-', '\u2212');
  return plain || decimalsOf(currency) !== undefined ? minus : `${minus} ${currency}`;
}

/** An amount in major units as a number: for the height of a bar, where the last digits do not show. */
export function approximate(amount: Amount, currency: string): number {
  return Number(amount) / 10 ** (decimalsOf(currency) ?? 0);
}

/** A round figure for an axis: `£12K`. @param value in major units */
export function shortMoney(value: number, currency: string): string {
  const style = decimalsOf(currency) === undefined ? {} : { style: 'currency' as const, currency };
  return new Intl.NumberFormat(LOCALE, {
    ...style,
    notation: 'compact',
    minimumFractionDigits: 0,
    maximumFractionDigits: Math.abs(value) < 1 ? 2 : 1,
  })
    .format(value)
    .replace('-', '\u2212');
}

/** What amounts of this currency are in, in words. */
export function unitOf(currency: string): string {
  return decimalsOf(currency) === undefined ? `${currency}, whole minor units` : currency;
}

const COUNT = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });

export function count(n: Amount): string {
  return COUNT.format(n);
}

const SHARE = new Intl.NumberFormat(LOCALE, {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});

/** @param share 0-1 */
export function percent(share: number): string {
  return SHARE.format(share).replace('-', '\u2212');
}

/** How an amount stands against an earlier one: undefined where the earlier one is 0, or below. */
export function change(now: Amount, before: Amount): number | undefined {
  const base = Number(before);
  return base > 0 ? (Number(now) - base) / base : undefined;
}
