/** Lines of CSV (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe before it, as in the API's CSV; a number never. */
export function csvText(lines: readonly (readonly string[])[]): string {
  return lines.map((line) => `${line.map((text) => quoted(harmless(text))).join(',')}\r\n`).join('');
}

function harmless(text: string): string {
  return /^[=+\-@\t\r]/.test(text) && !/^-\d+(\.\d+)?$/.test(text) ? `'${text}` : text;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
