import { describe, expect, test } from 'vitest';
import { searchScenario } from './sim/exhaustive.js';
import { SCENARIOS } from './sim/scenarios.js';

/** Every schedule of the quicker small worlds with whole steps. All of them, with steps interrupted: `npm run sim -- --exhaustive`. */

const TIMEOUT_MS = 600_000;

describe('every schedule of a small world', { timeout: TIMEOUT_MS }, () => {
  test.each(SCENARIOS.filter(({ isQuick }) => isQuick))('$name', (scenario) => {
    expect(searchScenario(scenario, { interruptions: 0 }).schedules).toBeGreaterThan(1n);
  });

  test.each([
    {
      interruptions: 0,
      names: ['scarce money from two sides', 'opposite transfers, both short', 'a batch with a local'],
    },
    { interruptions: 1, names: ['opposite transfers, both short'] },
  ])(
    'the search that leaves out what was seen ends in the same outcomes as one that does not, interrupted $interruptions times',
    ({ interruptions, names }) => {
      for (const scenario of SCENARIOS.filter(({ name }) => names.some((one) => name.startsWith(one)))) {
        const reduced = searchScenario(scenario, { interruptions });
        const whole = searchScenario(scenario, { interruptions, isReduced: false });
        expect(reduced.outcomes).toEqual(whole.outcomes);
        if (interruptions === 0) expect(reduced.schedules).toBe(whole.schedules);
        expect(reduced.runs).toBeLessThan(whole.runs);
      }
    },
  );
});
