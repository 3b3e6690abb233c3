import { type Profiler, Session } from 'node:inspector';

/** The compiled code whose coverage guides: what we ship, not the tests and not packages. */
const OURS = /\/dist\/(src|wal|engine)\//;

/**
 * Which blocks of our code ran, and how often, as V8 counts them ("precise coverage" of its inspector). An input that makes a block run which
 * never ran before, or another order of magnitude of times, is worth keeping: it got further than the others.
 */
export class Coverage {
  private readonly session = new Session();
  private readonly known = new Set<string>();

  /** To be started before the code is loaded, or its blocks are not counted. */
  constructor() {
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  get blocks(): number {
    return this.known.size;
  }

  /** Takes the counts since the last time, and sets them to zero. @returns whether anything in them is new; then it is known */
  takeNews(): boolean {
    let isNew = false;
    for (const key of this.take()) {
      if (this.known.has(key)) continue;
      this.known.add(key);
      isNew = true;
    }
    return isNew;
  }

  /** As {@link takeNews}, but nothing gets known by it. */
  hasNews(): boolean {
    return this.take().some((key) => !this.known.has(key));
  }

  close(): void {
    this.session.disconnect();
  }

  /** Block by block, with the order of magnitude of its count. */
  private take(): string[] {
    const keys: string[] = [];
    this.session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      for (const script of result) if (OURS.test(script.url)) keys.push(...blocksOf(script));
    });
    return keys;
  }
}

function blocksOf({ scriptId, functions }: Profiler.ScriptCoverage): string[] {
  return functions.flatMap(({ ranges }) =>
    ranges
      .filter(({ count }) => count > 0)
      .map(
        ({ startOffset, endOffset, count }) =>
          `${scriptId}:${startOffset}-${endOffset}:${Math.floor(Math.log2(count))}`,
      ),
  );
}
