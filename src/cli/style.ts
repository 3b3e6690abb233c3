import type { WriteStream } from 'node:tty';

const SGR = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/** Colours a text when the stream is a terminal and the user has not set NO_COLOR (https://no-color.org). */
export function paint(style: keyof typeof SGR, text: string, stream: Pick<WriteStream, 'isTTY'>): string {
  if (!stream.isTTY || process.env['NO_COLOR']) return text;
  return `\u001b[${SGR[style]}m${text}\u001b[0m`;
}
