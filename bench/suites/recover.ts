import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointDirectory, removeCheckpoint } from '../../wal/checkpoint-files.js';
import type { Bench, Contender, Suite } from '../bench.js';
import { runNode } from '../process.js';
import type { RecoverResult, RecoverTask } from './recover-run.js';

/** How long a start takes: from the log alone, and from a checkpoint that covers nine tenths of the sales. */

const RUN = new URL('./recover-run.js', import.meta.url);
const COVERED = 0.9;
const SIZES = [
  { accounts: 10_000, transactions: 1_000_000 },
  { accounts: 1_000_000, transactions: 1_000_000 },
];
const FULL_SIZE = { accounts: 10_000_000, transactions: 20_000_000 };
const QUICK_SIZE = { accounts: 1000, transactions: 5000 };
const SHARDS = [1];
const FULL_SHARDS = [1, 2, 4];
/** Starts are long and alike. */
const ROUNDS = 3;

export const recover: Suite = {
  name: 'recover',
  about: 'restart time by accounts, transactions and shards, from the log alone and from a checkpoint',

  async run(bench) {
    const { quick, full } = bench.settings;
    for (const size of quick ? [QUICK_SIZE] : full ? [...SIZES, FULL_SIZE] : SIZES) {
      const data = bench.place.directory('recover');
      await runNode<RecoverResult>(RUN, { do: 'fill', data, ...size } satisfies RecoverTask);
      const upTo = size.accounts + Math.floor(size.transactions * COVERED);
      await runNode<RecoverResult>(RUN, { do: 'checkpoint', data, upTo } satisfies RecoverTask);
      for (const shards of full ? FULL_SHARDS : SHARDS) {
        await bench.compare({
          name: `${size.accounts} accounts, ${size.transactions} transactions, ${shards} ${shards === 1 ? 'shard' : 'shards'}`,
          unit: 's',
          base: 'log alone',
          rounds: Math.min(ROUNDS, bench.settings.rounds),
          settings: { ...size, shards, covered: COVERED },
          contenders: [
            start(bench, 'log alone', data, shards, false),
            start(bench, 'checkpoint', data, shards, true),
          ],
        });
      }
      bench.place.remove(data);
    }
  },
};

/** One start in a process of its own. */
function start(bench: Bench, name: string, data: string, shards: number, hasCheckpoint: boolean): Contender {
  return {
    name,
    measure: async () => {
      placeCheckpoint(data, hasCheckpoint);
      const task: RecoverTask = { do: 'start', data, shards };
      const { profile } = bench.settings;
      const { seconds, cpuS, ...also } = await runNode<RecoverResult>(RUN, task, { profile });
      if (hasCheckpoint !== also['checkpointLsn']! > 0)
        throw new Error('the start did not take the checkpoint it was meant to');
      return { value: seconds, serverCores: cpuS / seconds, also };
    },
  };
}

/** Puts the checkpoint aside, or back in its place, where a start may have left the empty directory of a new one. */
function placeCheckpoint(data: string, isThere: boolean): void {
  const aside = join(data, 'checkpoint-aside');
  if (isThere === !existsSync(aside)) return;
  if (isThere) removeCheckpoint(data);
  renameSync(isThere ? aside : checkpointDirectory(data), isThere ? checkpointDirectory(data) : aside);
}
