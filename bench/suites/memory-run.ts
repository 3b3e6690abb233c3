import { Accounts } from '../../engine/accounts.js';
import { dataViewOf, fingerprint, hashAccount, tenantKeys } from '../../engine/hash.js';
import { IdKind, IdTable } from '../../engine/ids.js';
import { accountName } from '../log-filler.js';

/** Fills the engine's own tables in a process of its own, and looks at them all the way. Prints one JSON line. */

export interface MemoryOptions {
  readonly what: 'account' | 'id';
  readonly count: number;
}

export interface MemoryResult {
  /** Bytes per entry when the table holds `count`. */
  readonly atCount: number;
  /** The most per entry from a tenth of the count on: just after a table has grown. */
  readonly worst: number;
  readonly worstCount: number;
}

const LOOKS = 1000;

const options = JSON.parse(process.argv[2]!) as MemoryOptions;
const keys = tenantKeys(new Uint8Array(16), 'tenant');
const hashes = new Uint32Array(4);
const table = options.what === 'account' ? new Accounts() : new IdTable();
let worst = { bytes: 0, count: 0 };
for (let n = 0; n < options.count; n++) {
  add(n);
  if (n % Math.ceil(options.count / LOOKS) > 0 || n < options.count / 10) continue;
  const bytes = table.byteLength / (n + 1);
  if (bytes > worst.bytes) worst = { bytes, count: n + 1 };
}
const result: MemoryResult = {
  atCount: table.byteLength / options.count,
  worst: Math.max(worst.bytes, table.byteLength / options.count),
  worstCount: worst.count,
};
process.stdout.write(`${JSON.stringify(result)}\n`);

function add(n: number): void {
  const name = Buffer.from(accountName(n), 'latin1');
  const view = dataViewOf(name);
  if (table instanceof Accounts) {
    hashAccount(view, 0, name.length, keys, hashes, 0);
    table.add(hashes[1]!, 0, name, 0, name.length, 0, 'EUR', 0, 0);
  } else {
    fingerprint(view, 0, name.length, keys, hashes);
    table.add(hashes[0]!, hashes[1]!, hashes[2]!, hashes[3]!, n + 1, IdKind.posted, 0, 0);
  }
}
