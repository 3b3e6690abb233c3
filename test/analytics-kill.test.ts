import { describe, expect, it } from 'vitest';
import { Dice } from './support/dice.js';
import { MadeLog, RandomTrade } from './support/made-log.js';
import { sinkLife } from './support/sink-life.js';
import { temporaryDirectory } from './support/wal.js';
import { embedded, expectTablesOf } from './support/watched-sink.js';

const KILLS = 24;
const RECORDS_A_LIFE = 500;
const BATCH_POSTINGS = 300;
/** A life has some sixteen inserts. */
const INSERTS = 12;

describe('a sink that is killed', () => {
  it(`${KILLS} times in the middle of its inserts leaves no row twice and none out`, async () => {
    const data = temporaryDirectory();
    const log = new MadeLog(data);
    const trade = new RandomTrade(log, 42);
    const dice = new Dice(42);
    let kills = 0;
    let cuts = 0;
    while (kills < KILLS) {
      trade.run(RECORDS_A_LIFE);
      const killAt = 1 + dice.below(INSERTS);
      const life = await sinkLife(data, log.lsn, { postings: BATCH_POSTINGS, killAt });
      const { code, signal, status, said } = life;
      expect(signal ?? code, said).toBe(signal === null ? 0 : 'SIGKILL');
      if (signal !== null) kills++;
      // It found a delivery that the one before it had not ended.
      if (said.includes('cut off')) cuts++;
      expect(status?.state, status?.reason).not.toBe('halted');
    }
    const { status } = await sinkLife(data, log.lsn);
    expect(status).toMatchObject({ state: 'running', cursor: log.lsn });
    const database = await embedded(data);
    await expectTablesOf(database, data);
    // Most kills fell between the parts of a delivery, and not between two of them.
    expect(cuts).toBeGreaterThan(KILLS / 3);
    log.close();
  }, 400_000);
});
