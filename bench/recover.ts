import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { Has, RECORD_HEADER_BYTES, RECORD_VERSION, RecordKind, RecordWriter } from '../engine/record.js';
import { openLedger } from '../src/ledger.js';
import { BATCH_HEADER_BYTES } from '../wal/batch.js';
import { Checkpointer } from '../wal/checkpoint.js';
import { removeCheckpoint } from '../wal/checkpoint-files.js';
import { openLog } from '../wal/log.js';

/**
 * How long a start takes: writes a log of so many accounts and sales (two postings each, accounts at random) with the log's own code, and
 * opens the ledger on it, once without a checkpoint and once from one.
 */

const BATCH_BYTES = 1 << 20;
const options = new Command('recover')
  .option('--accounts <n>', 'accounts', Number, 1_000_000)
  .option('--transactions <n>', 'sales', Number, 5_000_000)
  .option('--shards <list>', 'numbers of shards to start with, comma between', '1,2,4')
  .option('--data <directory>', 'where; an existing ledger there is used as it is', '')
  .option('--keep', 'leave the directory')
  .parse()
  .opts<{ accounts: number; transactions: number; shards: string; data: string; keep?: true }>();

const data = options.data || join(tmpdir(), `kassa-recover-${process.pid}`);

/** Random but the same in every run (xorshift32). */
let seed = 0x9e3779b9;
function random(below: number): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) % below;
}

class LogFiller {
  private readonly log = openLog({ data });
  private readonly batch = new Uint8Array(BATCH_BYTES + 16384);
  private end = BATCH_HEADER_BYTES;
  private count = 0;
  private timeMs = Date.now();
  readonly payload = new RecordWriter();

  /** Adds the record whose payload was composed in {@link payload}. */
  add(kind: number, n: number, presence: number): void {
    const { batch, payload, end } = this;
    const size = RECORD_HEADER_BYTES + payload.at;
    const view = new DataView(batch.buffer, end, size);
    view.setUint32(0, size, true);
    view.setUint8(4, kind);
    view.setUint8(5, RECORD_VERSION);
    view.setUint8(6, n);
    view.setUint16(8, presence, true);
    batch.set(payload.bytes.subarray(0, payload.at), end + RECORD_HEADER_BYTES);
    this.end += size;
    this.count++;
    if (this.end >= BATCH_BYTES) this.flush();
  }

  flush(): void {
    if (this.count > 0) this.log.append(this.batch.subarray(0, this.end), this.count, this.timeMs++);
    this.end = BATCH_HEADER_BYTES;
    this.count = 0;
  }

  close(): void {
    this.flush();
    this.log.close();
  }
}

function fill(): void {
  const filler = new LogFiller();
  const { payload } = filler;
  const common = (id: string) => {
    payload.start();
    payload.text('tenant');
    payload.text('cashier-1');
    payload.text('till-1');
    payload.text(id);
  };
  for (let i = 0; i < options.accounts; i++) {
    common(`account:${i}`);
    payload.text('EUR');
    filler.add(RecordKind.account, i % 5, Has.currency);
  }
  for (let i = 0; i < options.transactions; i++) {
    common(`sale-${i}`);
    for (let leg = 0; leg < 2; leg++) {
      payload.u8(leg);
      payload.u64(1 + (i % 1000));
      payload.text(`account:${random(options.accounts)}`);
    }
    filler.add(RecordKind.posted, 2, 0);
  }
  filler.close();
}

async function start(what: string, shards: number): Promise<void> {
  const begun = performance.now();
  const ledger = await openLedger({ data, shards, checkpointRecords: Number.MAX_SAFE_INTEGER });
  const seconds = (performance.now() - begun) / 1000;
  const { lsn, accounts, accountBytes, rememberedIds, rememberedIdBytes, checkpointLsn } = ledger.stats();
  const mb = Math.round(process.memoryUsage().rss / 1e6);
  console.log(
    `${what}, ${shards} shards: ${seconds.toFixed(2)} s to LSN ${lsn} from ${checkpointLsn} ` +
      `(${accounts} accounts of ${(accountBytes / accounts).toFixed(0)} bytes, ` +
      `${rememberedIds} ids of ${(rememberedIdBytes / rememberedIds).toFixed(1)} bytes, ${mb} MB resident)`,
  );
  await ledger.close();
}

function checkpoint(): void {
  const log = openLog({ data });
  const { ledger, last } = log;
  log.close();
  const begun = performance.now();
  const checkpointer = new Checkpointer(data, ledger, true);
  while (checkpointer.advance(last.lsn, () => false));
  const seconds = (performance.now() - begun) / 1000;
  console.log(`checkpoint of ${last.lsn} records: ${seconds.toFixed(2)} s`);
}

if (!existsSync(join(data, 'log'))) {
  const begun = performance.now();
  fill();
  console.log(`log written in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
}
const counts = options.shards.split(',').map(Number);
removeCheckpoint(data);
for (const shards of counts) await start('from the log alone', shards);
checkpoint();
for (const shards of counts) await start('from a checkpoint', shards);
if (options.keep === undefined) rmSync(data, { recursive: true, force: true });
