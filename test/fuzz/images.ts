import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Dice, seedOf } from '../support/dice.js';
import { fastDirectory } from './fast-directory.js';
import { Image } from './image.js';
import { damage } from './image-damage.js';
import { Judge, type Verdict } from './image-judge.js';
import { makeSoundLedger } from './sound-ledger.js';

/** What became of the damage of one sort. */
export interface SortReport {
  readonly sort: string;
  images: number;
  byVerify: number;
  /** A start refused. */
  refused: number;
  /** A start did without the checkpoint, and one was made anew. */
  rebuilt: number;
  /** Started with the right state, and verify found nothing: nothing that is read was touched. */
  harmless: number;
  /** Started with the right state, and only verify has read that far: below the checkpoint. */
  onlyVerify: number;
}

export interface ImagesReport {
  readonly images: number;
  readonly sorts: readonly SortReport[];
  readonly failures: readonly {
    readonly image: number;
    readonly what: string;
    readonly broken: readonly string[];
  }[];
}

const FAILURES_MAX = 20;
/** One in so many damaged checkpoints is made anew, which takes as long as ten images. */
const REBUILD_EVERY = 8;

/**
 * Damages a sound data directory in so many ways, one after the other, and holds `verify` and a start against each.
 * @param seed image k of a seed is always the same
 */
export async function fuzzImages(
  images: number,
  seed: number,
  onImage: (done: number) => void = () => undefined,
): Promise<ImagesReport> {
  const root = fastDirectory('kassa-images-');
  try {
    const data = join(root, 'data');
    await makeSoundLedger(data);
    const image = new Image(data);
    const judge = new Judge(image);
    const sorts = new Map<string, SortReport>();
    const failures: ImagesReport['failures'][number][] = [];
    for (let number = 0; number < images && failures.length < FAILURES_MAX; number++) {
      const done = damage(new Dice(seedOf(seed, 'image', number)), image);
      try {
        const verdict = await judge.judge(done, number % REBUILD_EVERY === 0);
        count(sorts, done.sort, verdict);
        if (verdict.broken.length > 0)
          failures.push({ image: number, what: done.what, broken: verdict.broken });
      } catch (error) {
        failures.push({ image: number, what: done.what, broken: [(error as Error).stack ?? String(error)] });
      } finally {
        image.restore();
      }
      onImage(number + 1);
    }
    return { images, sorts: [...sorts.values()].sort((a, b) => (a.sort < b.sort ? -1 : 1)), failures };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function count(sorts: Map<string, SortReport>, sort: string, { findings, start }: Verdict): void {
  const report = sorts.get(sort) ?? {
    sort,
    images: 0,
    byVerify: 0,
    refused: 0,
    rebuilt: 0,
    harmless: 0,
    onlyVerify: 0,
  };
  sorts.set(sort, report);
  report.images++;
  if (findings.length > 0) report.byVerify++;
  if (start.kind === 'refused') report.refused++;
  else if (start.kind === 'rebuilt') report.rebuilt++;
  else if (findings.length > 0) report.onlyVerify++;
  else report.harmless++;
}
