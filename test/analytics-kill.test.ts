import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { SinkStatus } from '../src/analytics/messages.js';
import { Dice } from './support/dice.js';
import { MadeLog, RandomTrade } from './support/made-log.js';
import { temporaryDirectory } from './support/wal.js';
import { embedded, expectTablesOf } from './support/watched-sink.js';

const PROCESS = fileURLToPath(new URL('./support/sink-process.js', import.meta.url));
const KILLS = 24;
const RECORDS_A_LIFE = 500;
const BATCH_POSTINGS = 300;
/** A life has some sixteen inserts. */
const INSERTS = 12;

interface Life {
  readonly wasKilled: boolean;
  /** What it said last; undefined when it was killed. */
  readonly status: SinkStatus | undefined;
  /** Whether it found a delivery that the one before it had not ended. */
  readonly foundCut: boolean;
}

/** Lets a sink live to its end, or into its n-th insert. */
async function live(data: string, lsn: number, killAt: number): Promise<Life> {
  const args = [PROCESS, data, String(lsn), String(BATCH_POSTINGS), String(killAt)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  let text = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const [code, signal] = await once(child, 'close');
  if (signal === null) expect(code, errors).toBe(0);
  else expect(signal).toBe('SIGKILL');
  return {
    wasKilled: signal !== null,
    status: text === '' ? undefined : (JSON.parse(text) as SinkStatus),
    foundCut: errors.includes('cut off'),
  };
}

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
      const { wasKilled, status, foundCut } = await live(data, log.lsn, 1 + dice.below(INSERTS));
      if (wasKilled) kills++;
      if (foundCut) cuts++;
      expect(status?.state, status?.reason).not.toBe('halted');
    }
    const { status } = await live(data, log.lsn, 0);
    expect(status).toMatchObject({ state: 'running', cursor: log.lsn });
    const database = await embedded(data);
    await expectTablesOf(database, data);
    // Most kills fell between the parts of a delivery, and not between two of them.
    expect(cuts).toBeGreaterThan(KILLS / 3);
    log.close();
  }, 400_000);
});
