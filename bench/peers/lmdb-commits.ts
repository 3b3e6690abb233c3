import { open } from 'lmdb';

/**
 * The baseline below the log: LMDB commits of values as large as Kassa's batches, each synced before the next, with the options of the log
 * (wal/segment.ts says why these), and nothing else: no rules, no checksum, no network. Prints one JSON line.
 */

export interface CommitOptions {
  /** An empty directory. */
  readonly path: string;
  /** Of each value. */
  readonly bytes: number;
  readonly warmupS: number;
  readonly seconds: number;
}

export interface CommitResult {
  /** Commits a second. */
  readonly rate: number;
  readonly cpuS: number;
}

const MAP_BYTES = 2 ** 36;
const options = JSON.parse(process.argv[2]!) as CommitOptions;
const db = open<Uint8Array, Uint8Array>({
  path: options.path,
  noSubdir: false,
  overlappingSync: false,
  keyEncoding: 'binary',
  encoding: 'binary',
  ...{ eventTurnBatching: false },
  mapSize: MAP_BYTES,
});
const key = Buffer.alloc(8);
const value = Buffer.alloc(options.bytes, 0x5a);
let commits = 0;
const put = () => {
  db.putSync(key, value);
};

function commitFor(seconds: number): number {
  const begun = performance.now();
  const before = commits;
  while (performance.now() - begun < seconds * 1000) {
    key.writeDoubleBE(++commits, 0);
    db.transactionSync(put);
  }
  return (commits - before) / ((performance.now() - begun) / 1000);
}

commitFor(options.warmupS);
const cpu = process.cpuUsage();
const rate = commitFor(options.seconds);
const { user, system } = process.cpuUsage(cpu);
const result: CommitResult = { rate, cpuS: (user + system) / 1e6 };
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
