import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { SinkStatus } from '../src/analytics/messages.js';
import { embedded, expectTablesOf } from './support/analytics.js';
import { Dice } from './support/dice.js';
import { MadeLog, RandomTrade } from './support/made-log.js';
import { temporaryDirectory } from './support/wal.js';

const PROCESS = fileURLToPath(new URL('./support/sink-process.js', import.meta.url));
const KILLS = 24;
/** Small, so that there are many deliveries, and one is under way nearly always. */
const BATCH_POSTINGS = 1500;
const RECORDS = 30_000;

interface Life {
  readonly wasKilled: boolean;
  readonly statuses: readonly SinkStatus[];
  /** Whether it found a delivery that the one before it had not ended. */
  readonly foundCut: boolean;
}

/** Lets a sink live, from its first delivery on for so many ms, or to its end. */
async function live(data: string, lsn: number, ms: number): Promise<Life> {
  const child = spawn(process.execPath, [PROCESS, data, String(lsn), String(BATCH_POSTINGS)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  let text = '';
  let timer: NodeJS.Timeout | undefined;
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  child.stdout.on('data', (chunk) => {
    text += chunk;
    if (text.includes('"state":"running"')) timer ??= setTimeout(() => child.kill('SIGKILL'), ms);
  });
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  if (signal === null) expect(code, errors).toBe(0);
  const lines = text.split('\n').slice(0, -1);
  return {
    wasKilled: signal !== null,
    statuses: lines.map((line) => JSON.parse(line) as SinkStatus),
    foundCut: errors.includes('cut off'),
  };
}

describe('a sink that is killed', () => {
  it(`${KILLS} times in the middle of its work leaves no row twice and none out`, async () => {
    const data = temporaryDirectory();
    const log = new MadeLog(data);
    const trade = new RandomTrade(log, 42);
    const dice = new Dice(42);
    let kills = 0;
    let cuts = 0;
    while (kills < KILLS) {
      trade.run(RECORDS / KILLS);
      const { wasKilled, statuses, foundCut } = await live(data, log.lsn, dice.below(400));
      if (wasKilled) kills++;
      if (foundCut) cuts++;
      for (const status of statuses) expect(status.state, status.reason).not.toBe('halted');
    }
    const { statuses } = await live(data, log.lsn, 600_000);
    expect(statuses.at(-1)).toMatchObject({ state: 'running', cursor: log.lsn });
    const database = await embedded(data);
    await expectTablesOf(database, data);
    // Most kills fell between the parts of a delivery, and not between two of them.
    expect(cuts).toBeGreaterThan(KILLS / 4);
    log.close();
  }, 300_000);
});
