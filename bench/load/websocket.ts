import { connectAndGreet, type Dialect } from './dialect.js';
import { AMOUNT, CREDITS, type Names, type Postings, TemplateWriter, ZEROS } from './template.js';

/** Kassa's compact form in MessagePack over WebSocket (docs/protocol.md; RFC 6455 for the frames). The mask is zero, so nothing has to be masked. */

const RID = 1;
const FIXARRAY = 0x90;
const ARRAY16 = 0xdc;
const STR8 = 0xd9;
const INT16 = 0xd1;
const HEADER_BYTES_MAX = 14;

export const websocket: Dialect = {
  connect(port) {
    const request =
      `GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
    return connectAndGreet(port, request, (answer) => {
      const text = answer.toString('latin1');
      if (!text.includes('\r\n\r\n')) return false;
      if (!text.startsWith('HTTP/1.1 101')) throw new Error(`no upgrade: ${text.split('\r\n')[0]}`);
      return true;
    });
  },

  template(names, postings, batch) {
    const out = new TemplateWriter();
    if (batch === 0) {
      out.raw(FIXARRAY | (1 + saleFields(postings)), RID);
      putSale(out, names, postings);
    } else {
      out.raw(FIXARRAY | 2, RID, ARRAY16, batch >> 8, batch & 0xff);
      for (let i = 0; i < batch; i++) {
        out.raw(FIXARRAY | saleFields(postings));
        putSale(out, names, postings);
      }
    }
    return out.done(frameHeader(out.size));
  },

  count(bytes, tally) {
    let at = 0;
    while (at + 2 <= bytes.length) {
      const short = bytes[at + 1]!;
      const extra = short < 126 ? 0 : short === 126 ? 2 : 8;
      if (at + 2 + extra > bytes.length) break;
      let length = extra === 0 ? short : 0;
      for (let i = 0; i < extra; i++) length = length * 256 + bytes[at + 2 + i]!;
      const from = at + 2 + extra;
      if (from + length > bytes.length) break;
      if (!isSuccess(bytes, from, length)) tally.refused++;
      tally.replies++;
      at = from + length;
    }
    return at;
  },
};

/** `[rid, 0, lsn]`, or of a batch `[rid, 0, lsn, []]`: nothing was refused and nothing seen before. */
function isSuccess(bytes: Uint8Array, at: number, length: number): boolean {
  if (bytes[at + 2] !== 0) return false;
  return (
    bytes[at] === (FIXARRAY | 3) || (bytes[at] === (FIXARRAY | 4) && bytes[at + length - 1] === FIXARRAY)
  );
}

function saleFields(postings: Postings): number {
  return postings === 2 ? 4 : 2;
}

/** The fields of a sale: `id, debit, credit, amount`, or `id, [[account, signed amount], ...]`. */
function putSale(out: TemplateWriter, names: Names, postings: Postings): void {
  const text = (value: string, places: number[]) => out.raw(STR8, value.length).numbered(value, places);
  text(`${names.id}${ZEROS}`, out.idsAt);
  const debit = `${names.account}a${ZEROS}`;
  const credit = `${names.account}b${ZEROS}`;
  if (postings === 2) {
    text(debit, out.accountsAt);
    text(credit, out.accountsAt);
    putInt16(out, AMOUNT);
    return;
  }
  out.raw(FIXARRAY | (1 + CREDITS.length), FIXARRAY | 2);
  text(debit, out.accountsAt);
  putInt16(out, AMOUNT);
  for (const amount of CREDITS) {
    out.raw(FIXARRAY | 2);
    text(credit, out.accountsAt);
    putInt16(out, -amount);
  }
}

function putInt16(out: TemplateWriter, value: number): void {
  out.raw(INT16, (value >> 8) & 0xff, value & 0xff);
}

/** Of a masked binary frame, the mask zero. */
function frameHeader(length: number): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES_MAX);
  header[0] = 0x82;
  if (length < 126) {
    header[1] = 0x80 | length;
    return header.subarray(0, 6);
  }
  if (length < 0x1_0000) {
    header[1] = 0x80 | 126;
    header.writeUInt16BE(length, 2);
    return header.subarray(0, 8);
  }
  header[1] = 0x80 | 127;
  header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}
