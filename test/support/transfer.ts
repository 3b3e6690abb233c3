import { type ExportOptions, exportLog } from '../../src/transfer/export.js';
import { type ImportOptions, type ImportReport, importFile } from '../../src/transfer/import.js';

/** A ledger as the text of its export. */
export async function exported(data: string, range: Partial<ExportOptions> = {}): Promise<string> {
  const parts: Buffer[] = [];
  await exportLog({
    data,
    ...range,
    write: (bytes) => {
      parts.push(Buffer.from(bytes));
    },
  });
  return Buffer.concat(parts).toString('utf8');
}

/** Imports a text, which comes in pieces that do not care about lines. */
export function imported(
  data: string,
  text: string,
  options: Partial<ImportOptions> = {},
  pieceBytes = 1000,
): Promise<ImportReport> {
  return importFile({ data, file: pieces(Buffer.from(text), pieceBytes), ...options });
}

async function* pieces(bytes: Buffer, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** The lines of an export between head and foot. */
export function linesOf(text: string): { readonly [field: string]: unknown }[] {
  const lines = text.trimEnd().split('\n').slice(1, -1);
  return lines.map((line) => JSON.parse(line) as { readonly [field: string]: unknown });
}
