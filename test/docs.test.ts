import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { CODES } from '../engine/codes.js';

const doc = readFileSync(fileURLToPath(new URL('../../docs/protocol.md', import.meta.url)), 'utf8');

/** The numbers of a cell: `16, 17, 18` or `25-30, 41`. */
function numbers(cell: string): number[] {
  return cell.split(/[,·]/).flatMap((part) => {
    const [from, to = from] = part.trim().split('-').map(Number);
    return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i);
  });
}

/** Code, number and HTTP statuses of the documentation's table. */
function documented(): { name: string; n: number; statuses: string[] }[] {
  const table = doc.slice(doc.indexOf('## Errors'), doc.indexOf('## WebSocket'));
  return table
    .split('\n')
    .filter((line) => /^\| [a-z]/.test(line) && !line.startsWith('| code'))
    .flatMap((line) => {
      const [names, statuses, ns] = line
        .split('|')
        .slice(1, 4)
        .map((cell) => cell.trim()) as [string, string, string];
      const all = names.split(/[,·]/).map((name) => name.trim());
      const values = numbers(ns);
      expect(values).toHaveLength(all.length);
      const perCode = statuses.split('·').map((status) => status.trim());
      return all.map((name, i) => ({
        name,
        n: values[i]!,
        statuses: perCode.length === all.length ? [perCode[i]!] : perCode,
      }));
    });
}

describe('the table of codes', () => {
  it('is the same in code and documentation', () => {
    const inDoc = documented().map(({ name, n }) => [name, n]);
    const inCode = Object.entries(CODES).map(([name, { n }]) => [name, n]);
    expect(new Map(inDoc as [string, number][])).toEqual(new Map(inCode as [string, number][]));
  });

  it('gives the HTTP status that is documented', () => {
    for (const { name, statuses } of documented()) {
      const { http } = CODES[name as keyof typeof CODES];
      expect(
        statuses.some((status) => (status === '2xx' ? http < 300 : status === String(http))),
        name,
      ).toBe(true);
    }
  });
});
