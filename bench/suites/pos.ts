import type { Bench, Contender, Suite } from '../bench.js';
import { baseline, heat, KassaContender, lmdbContender } from '../contenders.js';
import type { Load } from '../load/generate.js';
import type { KassaServer } from '../peers/kassa.js';
import type { Server } from '../process.js';

/** One sale a frame, as a till sends it. */

const CONNECTIONS = [50, 200, 1000, 5000];
const RATES = [5000, 20_000, 50_000];
const OPEN_CONNECTIONS = 1000;
/** Fewer than PostgreSQL allows by default. */
const DATABASE_CONNECTIONS = 64;
/** So often that checkpoints are made in every round of the open loop. */
const CHECKPOINT_RECORDS = 5000;
/**
 * Many under way, because code is compiled by how often it ran: after 1 s of 50 × 1 a sale costs Kassa 48 µs of CPU, and 29 only after 6 s
 * more; after 2 s of this, 30 at once.
 */
const HEAT = { connections: 50, window: 100 };

export const pos: Suite = {
  name: 'pos',
  hasPeers: true,
  about: 'one sale a frame: closed loop by connections, open loop by rate, beside echo, LMDB and PostgreSQL',

  async run(bench) {
    const { accounts } = bench.settings;
    const others: Contestant[] = [{ name: 'echo', server: await bench.startEcho() }];
    const tigerbeetle = await bench.peers.tigerbeetle?.start(bench, accounts);
    if (tigerbeetle !== undefined) others.push({ name: 'tigerbeetle', server: tigerbeetle });
    const servers = others.map(({ server }) => server);
    await heat(bench, servers, { ...HEAT, accounts });

    const kassa = await startHeated(bench, undefined);
    await closedLoops(bench, kassa, others);
    if (bench.peers.postgres !== undefined) await besideDatabase(bench, kassa);
    await kassa.stop();
    await openLoops(bench, await startHeated(bench, CHECKPOINT_RECORDS), others);
  },
};

interface Contestant {
  readonly name: string;
  readonly server: Server;
}

async function startHeated(bench: Bench, checkpointRecords: number | undefined): Promise<KassaServer> {
  const { accounts } = bench.settings;
  const kassa = await bench.startKassa({ accounts, checkpointRecords });
  await heat(bench, [kassa], { ...HEAT, accounts });
  return kassa;
}

/** The echo first, Kassa next to it: it is the base of the ratios. */
function around(bench: Bench, ours: Contender, others: readonly Contestant[], load: Load): Contender[] {
  const [echo, ...rest] = others.map(({ name, server }) => baseline(bench, name, server, load));
  return [echo!, ours, ...rest];
}

async function closedLoops(bench: Bench, kassa: KassaServer, others: readonly Contestant[]): Promise<void> {
  const { accounts, quick } = bench.settings;
  for (const connections of quick ? [8] : CONNECTIONS) {
    const load = { connections, accounts };
    const ours = new KassaContender(bench, kassa, load);
    await bench.compare({
      name: `${connections} × 1`,
      unit: 'sales/s',
      base: 'echo',
      settings: { ...load, window: 1 },
      contenders: [...around(bench, ours, others, load), lmdbContender(bench, ours)],
    });
  }
}

async function openLoops(bench: Bench, kassa: KassaServer, others: readonly Contestant[]): Promise<void> {
  const { accounts, quick } = bench.settings;
  const connections = quick ? 8 : OPEN_CONNECTIONS;
  for (const rate of quick ? [500] : RATES) {
    const load = { connections, rate, accounts };
    const ours = new KassaContender(bench, kassa, load);
    await bench.compare({
      name: `open loop ${rate}/s`,
      unit: 'sales/s',
      base: 'echo',
      settings: { ...load, checkpointRecords: CHECKPOINT_RECORDS },
      contenders: around(bench, ours, others, load),
    });
  }
}

/** The same sales as one SQL function call each, every account alike and all on one. */
async function besideDatabase(bench: Bench, kassa: KassaServer): Promise<void> {
  const { accounts, quick } = bench.settings;
  const database = bench.keep(await bench.peers.postgres!.start(bench.place, accounts));
  const connections = quick ? 8 : DATABASE_CONNECTIONS;
  await heat(bench, [database], { connections, accounts, dialect: 'postgres' });
  for (const distribution of ['uniform', 'hot'] as const) {
    const load: Load = { connections, accounts, distribution };
    await bench.compare({
      name: `${connections} × 1, ${distribution === 'hot' ? 'hot account' : 'uniform'}, beside PostgreSQL`,
      unit: 'sales/s',
      base: 'postgres',
      settings: { connections, window: 1, accounts, distribution },
      contenders: [
        baseline(bench, 'postgres', database, { ...load, dialect: 'postgres' }),
        new KassaContender(bench, kassa, load),
      ],
    });
  }
  await database.stop();
}
