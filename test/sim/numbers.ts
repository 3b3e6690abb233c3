/** Sets of whole numbers as people write them: `0-3,7,9`; empty for none. */

/** @throws RangeError for anything else */
export function parseNumbers(text: string): Set<number> {
  const numbers = new Set<number>();
  for (const part of text.split(',').filter((one) => one !== '')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (match === null) throw new RangeError(`"${part}" is no number and no range like 3-7`);
    const from = Number(match[1]);
    for (let n = from; n <= Number(match[2] ?? from); n++) numbers.add(n);
  }
  return numbers;
}

export function numbersText(numbers: Iterable<number>): string {
  const parts: string[] = [];
  let from: number | undefined;
  let to = -2;
  const end = (): void => {
    if (from !== undefined) parts.push(from === to ? String(from) : `${from}-${to}`);
  };
  for (const n of [...numbers].sort((a, b) => a - b)) {
    if (n !== to + 1) {
      end();
      from = n;
    }
    to = n;
  }
  end();
  return parts.join(',');
}
