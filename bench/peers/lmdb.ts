import type { CommitShape } from '../commit-shape.js';
import { runNode } from '../process.js';
import type { Measure } from '../report/result.js';
import type { Workplace } from '../workplace.js';
import type { CommitOptions, CommitResult } from './lmdb-commits.js';

/** Sales a second if LMDB's commits were all there is: values of the same size, each with as many sales. */
export async function commitRate(
  place: Workplace,
  shape: CommitShape,
  time: { readonly warmupS: number; readonly seconds: number },
): Promise<Measure> {
  const path = place.directory('lmdb');
  // Half as long: nothing in it has to be compiled, and it is not in the targets.
  const options: CommitOptions = {
    path,
    bytes: Math.round(shape.bytes),
    warmupS: time.warmupS / 2,
    seconds: time.seconds / 2,
  };
  const { rate, cpuS } = await runNode<CommitResult>(new URL('./lmdb-commits.js', import.meta.url), options);
  place.remove(path);
  return {
    value: rate * shape.sales,
    serverCores: cpuS / options.seconds,
    also: { bytesPerCommit: shape.bytes },
  };
}
