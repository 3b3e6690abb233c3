import { describe, expect, it } from 'vitest';
import { MadeLog, RandomTrade } from './support/made-log.js';
import { sinkLife } from './support/sink-life.js';
import { auditTables } from './support/table-audit.js';
import { temporaryDirectory } from './support/wal.js';
import { embedded } from './support/watched-sink.js';

const RECORDS_A_LIFE = 500;
const BATCH_POSTINGS = 300;
/** A life has some sixteen inserts: each of the first is hit once. */
const KILLS = 12;

describe('a sink that is killed', () => {
  it(`${KILLS} times in the middle of its inserts leaves no row twice and none out`, async () => {
    const data = temporaryDirectory();
    const log = new MadeLog(data);
    const trade = new RandomTrade(log, 42);
    let kills = 0;
    let cuts = 0;
    while (kills < KILLS) {
      trade.run(RECORDS_A_LIFE);
      const options = { postings: BATCH_POSTINGS, killAt: 1 + kills };
      const { code, signal, status, said } = await sinkLife(data, log.lsn, options);
      expect(signal ?? code, said).toBe(signal === null ? 0 : 'SIGKILL');
      if (signal !== null) kills++;
      // It found a delivery that the one before it had not ended.
      if (said.includes('cut off')) cuts++;
      expect(status?.state, status?.reason).not.toBe('halted');
    }
    const { status } = await sinkLife(data, log.lsn);
    expect(status).toMatchObject({ state: 'running', cursor: log.lsn });
    const database = await embedded(data);
    await auditTables(database, data);
    // Kills fell between the parts of a delivery too, and not only between two of them.
    expect(cuts).toBeGreaterThan(0);
    log.close();
  }, 400_000);
});
