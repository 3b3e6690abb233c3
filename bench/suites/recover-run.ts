import { openLedger } from '../../src/ledger.js';
import { Checkpointer } from '../../wal/checkpoint.js';
import { openLogReader } from '../../wal/log.js';
import { fillLog, type LogSize } from '../log-filler.js';

/** The steps of the restart benchmark, each in a process of its own so that none has the memory of another. Prints one JSON line. */

export type RecoverTask =
  | ({ readonly do: 'fill'; readonly data: string } & LogSize)
  | { readonly do: 'checkpoint'; readonly data: string; readonly upTo: number }
  | { readonly do: 'start'; readonly data: string; readonly shards: number };

export interface RecoverResult {
  readonly seconds: number;
  readonly cpuS: number;
  readonly [figure: string]: number;
}

const task = JSON.parse(process.argv[2]!) as RecoverTask;
async function run(): Promise<RecoverResult> {
  const watch = new Watch();
  switch (task.do) {
    case 'fill':
      fillLog(task.data, task);
      return watch.result({});
    case 'checkpoint':
      return watch.result(checkpoint(task.data, task.upTo));
    case 'start':
      return start(task.data, task.shards, watch);
  }
}

/** Time and CPU time from now on. */
class Watch {
  private readonly begun = performance.now();
  private readonly cpu = process.cpuUsage();

  result(also: Readonly<Record<string, number>>): RecoverResult {
    const { user, system } = process.cpuUsage(this.cpu);
    return { seconds: (performance.now() - this.begun) / 1000, cpuS: (user + system) / 1e6, ...also };
  }
}

function checkpoint(data: string, upTo: number): Record<string, number> {
  const reader = openLogReader({ data });
  const { ledger } = reader;
  reader.close();
  const checkpointer = new Checkpointer(data, ledger, true);
  while (checkpointer.advance(upTo, () => false));
  return { lsn: checkpointer.position.lsn };
}

/** The clock stops when the ledger is open; closing it is not part of a start. */
async function start(data: string, shards: number, watch: Watch): Promise<RecoverResult> {
  const ledger = await openLedger({ data, shards, checkpointRecords: Number.MAX_SAFE_INTEGER });
  const { lsn, checkpointLsn, accounts, accountBytes, rememberedIds, rememberedIdBytes } = ledger.stats();
  const result = watch.result({
    lsn,
    checkpointLsn,
    bytesPerAccount: accountBytes / accounts,
    bytesPerId: rememberedIdBytes / rememberedIds,
    residentMB: process.memoryUsage().rss / 1e6,
  });
  await ledger.close();
  return result;
}

process.stdout.write(`${JSON.stringify(await run())}\n`);
