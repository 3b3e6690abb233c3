import { describe, expect, test } from 'vitest';
import { RecordKind, RecordView } from '../engine/record.js';
import type { LogRecord } from './sim/auditor.js';
import { inMacrotask } from './sim/microtasks.js';
import { numbersText, parseNumbers } from './sim/numbers.js';
import type { Outcome, WorldOptions } from './sim/outcome.js';
import { FAULT_KINDS } from './sim/plan.js';
import { kindOf, shrink } from './sim/shrink.js';
import { play } from './sim/world.js';

/** Simulated worlds by their seeds; one that fails is looked at with `npm run sim -- --seed N`. */

const SEEDS = Number(process.env['KASSA_SEEDS'] ?? 300);
const TIMEOUT_MS = 600_000;
const FAILURES_MAX = 5;

function playSeed(options: WorldOptions): Promise<Outcome> {
  return inMacrotask(() => play(options));
}

describe('a simulated ledger', { timeout: TIMEOUT_MS }, () => {
  test('keeps its promises whatever order its threads run in and whatever befalls its process and its disk', async () => {
    const failures: string[] = [];
    const events = new Map<string, number>();
    let records = 0;
    for (let seed = 1; seed <= SEEDS && failures.length < FAILURES_MAX; seed++) {
      const outcome = await playSeed({ seed });
      records += outcome.records;
      for (const [event, count] of outcome.events) events.set(event, (events.get(event) ?? 0) + count);
      if (outcome.finding !== undefined)
        failures.push(`npm run sim -- --seed ${seed}: ${outcome.finding.message}`);
    }
    expect(failures).toEqual([]);
    expect(records).toBeGreaterThan(10 * SEEDS);
    for (const event of [
      ...FAULT_KINDS.map((kind) => `end of a life: ${kind}`),
      'start cut off',
      'start refused',
      'checkpoint made anew at the start',
      'round of the checkpoint failed',
      'writer thread died',
    ]) {
      expect(events.get(event) ?? 0, event).toBeGreaterThan(0);
    }
  });

  test('does the same again with the same seed, and something else in another order', async () => {
    for (const seed of [3, 44, 105]) {
      const first = await playSeed({ seed });
      const second = await playSeed({ seed });
      const other = await playSeed({ seed, order: 1 });
      expect(second.script()).toEqual(first.script());
      expect(second.steps).toBe(first.steps);
      expect(other.script()).not.toEqual(first.script());
    }
  });

  test('that fails is made smaller, down to what it fails by', async () => {
    let seed = 1;
    while ((await playSeed({ seed, judge: noReversal })).finding === undefined) seed++;
    const { options, outcome } = await inMacrotask(() => shrink({ seed, judge: noReversal }));
    expect(kindOf(outcome.finding!)).toBe('a reversal at LSN N');
    // Accounts, a sale and its reversal; one more may be in the way of getting smaller.
    expect(options.actions!.size).toBeLessThanOrEqual(5);
    expect(options.faults!.size).toBe(0);
    const again = await playSeed(options);
    expect(again.finding?.message).toBe(outcome.finding!.message);
  });
});

function noReversal(records: readonly LogRecord[]): void {
  for (const { lsn, record } of records) {
    if (new RecordView().over(record).read(0).kind === RecordKind.reversal)
      throw new Error(`a reversal at LSN ${lsn}`);
  }
}

test('numbers are written and read as ranges', () => {
  for (const text of ['', '0', '0-3,7,9-10']) expect(numbersText(parseNumbers(text))).toBe(text);
  expect(() => parseNumbers('1-x')).toThrow('no number');
});
