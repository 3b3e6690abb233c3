/** The sales file, read into exact figures. The rules are those of `data/README.md` beside this file. */

import { parseCsv } from './csv.js';

export const TILLS = 50;

/** One line of the file. Amounts are pence, negative when money goes back. */
export interface SaleLine {
  /** The first data line is 1. */
  readonly number: number;
  readonly invoice: string;
  /** RFC 3339, UTC. */
  readonly time: string;
  /** 0-49. */
  readonly till: number;
  readonly customer?: string;
  readonly country: string;
  readonly net: bigint;
  readonly vat: bigint;
  readonly gross: bigint;
}

const HEADER = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country';

/** @throws SyntaxError for a file of another form, naming the line */
export function readSales(text: string): SaleLine[] {
  const [header, ...records] = parseCsv(text);
  if (header?.join(',') !== HEADER) throw new SyntaxError('not a file of sales: its header is another');
  return records.map((record, index) => {
    try {
      return saleLine(record, index + 1);
    } catch (error) {
      throw new SyntaxError(`line ${index + 1}: ${(error as Error).message}`);
    }
  });
}

function saleLine(record: readonly string[], number: number): SaleLine {
  if (record.length !== 8) throw new SyntaxError(`${record.length} fields instead of 8`);
  const [invoice, , , quantity, date, price, customerId, country] = record as [
    ...[string, string, string, string, string, string, string, string],
  ];
  const net = pence(price) * integer(quantity);
  const vat = vatOf(net);
  return {
    ...{ number, invoice, net, vat, gross: net + vat },
    time: utc(date),
    till: Number(integer(invoice.replaceAll(/\D/g, '')) % BigInt(TILLS)),
    country: country.replaceAll(' ', '-'),
    ...(customerId === '' ? {} : { customer: customerId.replace(/\.0$/, '') }),
  };
}

/** Pounds as decimal text, at most two decimals, to pence. @throws SyntaxError for any other text */
export function pence(text: string): bigint {
  const [, whole, decimals = ''] = /^(\d+)(?:\.(\d{1,2}))?$/.exec(text) ?? [];
  if (whole === undefined) throw new SyntaxError(`not a price: ${text}`);
  return BigInt(whole) * 100n + BigInt(decimals.padEnd(2, '0'));
}

/** 20 % of a net amount, half up, with its sign. */
export function vatOf(net: bigint): bigint {
  const size = net < 0n ? -net : net;
  const vat = (2n * size + 5n) / 10n;
  return net < 0n ? -vat : vat;
}

function integer(text: string): bigint {
  if (!/^-?\d+$/.test(text)) throw new SyntaxError(`not a whole number: ${text}`);
  return BigInt(text);
}

function utc(text: string): string {
  if (!/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text)) throw new SyntaxError(`not a time: ${text}`);
  return `${text.replace(' ', 'T')}.000Z`;
}
