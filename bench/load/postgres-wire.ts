import { connectAndGreet, type Dialect } from './dialect.js';
import { AMOUNT, TemplateWriter, ZEROS } from './template.js';

/**
 * PostgreSQL's own protocol, version 3 (https://www.postgresql.org/docs/15/protocol-message-formats.html): a prepared statement, parsed once
 * a connection, and for each sale Bind, Execute and Sync in one write. No client can ask for less.
 */

export const DATABASE = 'postgres';
export const DATABASE_USER = 'kassa';
const STATEMENT = 'sale';
const QUERY = 'select sale($1, $2, $3, $4)';
const PROTOCOL_VERSION = 196_608;

const READY = code('Z');
const FAILURE = code('E');
const DATA_ROW = code('D');
/** Of a row of one column: type, length, count of columns, length of the column. */
const VALUE_AT = 11;
const DONE = code('0');

function code(letter: string): number {
  return letter.charCodeAt(0);
}

function int32(value: number): number[] {
  return [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

function message(type: string, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(type), Buffer.from(int32(body.length + 4)), body]);
}

function startup(): Buffer {
  const body = Buffer.concat([
    Buffer.from(int32(PROTOCOL_VERSION)),
    Buffer.from(`user\0${DATABASE_USER}\0database\0${DATABASE}\0\0`),
  ]);
  return Buffer.concat([Buffer.from(int32(body.length + 4)), body]);
}

function parse(): Buffer {
  return message('P', Buffer.concat([Buffer.from(`${STATEMENT}\0${QUERY}\0`), Buffer.from([0, 0])]));
}

const SYNC = message('S', Buffer.alloc(0));
/** The unnamed portal, all rows. */
const EXECUTE = message('E', Buffer.from([0, ...int32(0)]));

/** Walks over whole messages. @returns where the first incomplete one begins */
function walk(bytes: Uint8Array, each: (type: number, at: number, end: number) => void): number {
  let at = 0;
  while (at + 5 <= bytes.length) {
    const length =
      ((bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!) >>> 0;
    const end = at + 1 + length;
    if (end > bytes.length) break;
    each(bytes[at]!, at, end);
    at = end;
  }
  return at;
}

export const postgresWire: Dialect = {
  connect(port) {
    // Both rounds of the greeting at once: trusted connections need no word of ours in between.
    return connectAndGreet(port, Buffer.concat([startup(), parse(), SYNC]), (answer) => {
      let ready = 0;
      walk(answer, (type, at, end) => {
        if (type === FAILURE) {
          const fields = Buffer.from(answer.subarray(at + 5, end))
            .toString('utf8')
            .split('\0');
          throw new Error(`PostgreSQL: ${fields.find((field) => field.startsWith('M'))?.slice(1)}`);
        }
        if (type === READY) ready++;
      });
      return ready === 2;
    });
  },

  template(names, postings, batch) {
    if (postings !== 2 || batch !== 0)
      throw new Error('PostgreSQL is sent sales of two postings, one by one');
    const out = new TemplateWriter();
    // The unnamed portal, the statement, all parameters as text.
    out.raw(0).text(`${STATEMENT}\0`).raw(0, 0, 0, 4);
    const parameter = (value: string) => out.raw(...int32(value.length));
    for (const [text, places] of [
      [`${names.id}${ZEROS}`, out.idsAt],
      [`${names.account}a${ZEROS}`, out.accountsAt],
      [`${names.account}b${ZEROS}`, out.accountsAt],
    ] as const) {
      parameter(text);
      out.numbered(text, places);
    }
    parameter(String(AMOUNT)).text(String(AMOUNT)).raw(0, 0);
    const header = Buffer.from([code('B'), ...int32(out.size + 4)]);
    return out.raw(...EXECUTE, ...SYNC).done(header);
  },

  count(bytes, tally) {
    return walk(bytes, (type, at) => {
      if (type === READY) tally.replies++;
      else if (type === FAILURE || (type === DATA_ROW && bytes[at + VALUE_AT] !== DONE)) tally.refused++;
    });
  },
};
