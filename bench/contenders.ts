import type { Bench, Contender } from './bench.js';
import { type CommitShape, commitShape } from './commit-shape.js';
import { generate, type Load } from './load/generate.js';
import type { KassaServer } from './peers/kassa.js';
import { commitRate } from './peers/lmdb.js';
import type { Server } from './process.js';

/** Kassa under a load, with what it wrote; the last shape of its commits is kept for LMDB to be held against. */
export class KassaContender implements Contender {
  /** Of the last round; undefined before the first. */
  shape: CommitShape | undefined;

  constructor(
    private readonly bench: Bench,
    private readonly server: KassaServer,
    private readonly load: Load,
    readonly name = 'kassa',
  ) {}

  async measure(): Promise<Awaited<ReturnType<typeof generate>>> {
    const { server } = this;
    await server.settled();
    const before = await server.counters();
    const measure = await generate(server, this.load, this.bench.settings);
    const after = await server.counters();
    await server.settled();
    const records = after.lsn - before.lsn;
    if (records === 0) throw new Error('Kassa has booked nothing');
    this.shape = commitShape(server.data, Math.floor(before.lsn + records / 2));
    return {
      ...measure,
      also: {
        logBytesPerSale: (after.logBytes - before.logBytes) / records,
        salesPerCommit: records / Math.max(1, after.commits - before.commits),
        checkpointRecords: after.checkpointLsn - before.checkpointLsn,
      },
    };
  }
}

/** Any other server under the same load. */
export function baseline(bench: Bench, name: string, server: Server, load: Load): Contender {
  return { name, isBaseline: true, measure: () => generate(server, load, bench.settings) };
}

/** LMDB with commits of the same bytes as Kassa's in its last round. */
export function lmdbContender(bench: Bench, kassa: { readonly shape: CommitShape | undefined }): Contender {
  return {
    name: 'lmdb commits',
    isBaseline: true,
    measure: () => {
      if (kassa.shape === undefined) throw new Error('LMDB comes behind Kassa in the first round');
      return commitRate(bench.place, kassa.shape, bench.settings);
    },
  };
}

/** Load before the first round, unmeasured. */
export async function heat(bench: Bench, servers: readonly Server[], load: Load): Promise<void> {
  const { heatS, loadProcesses } = bench.settings;
  if (heatS === 0) return;
  for (const server of servers) await generate(server, load, { loadProcesses, warmupS: 0, seconds: heatS });
}
