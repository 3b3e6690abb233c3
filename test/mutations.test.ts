import { describe, expect, test } from 'vitest';
import { checkMutations, runMutations, runUnmutated } from './sim/mutation-run.js';
import { MUTATIONS } from './sim/mutations.js';

/** That the simulator has teeth: a few of the mistakes that `npm run sim -- --mutations` makes in the code. */

const TIMEOUT_MS = 600_000;
const options = { seeds: 200, jobs: 2, patienceSeconds: 300, onProgress: () => undefined };

describe('a mistake in the code', { timeout: TIMEOUT_MS }, () => {
  test('has its place in the code exactly once', () => {
    expect(MUTATIONS.length).toBeGreaterThanOrEqual(20);
    expect(() => checkMutations()).not.toThrow();
    const [first] = MUTATIONS;
    const rotten = { ...first!, edits: [{ ...first!.edits[0]!, find: 'nowhere to be found' }] };
    expect(() => checkMutations([rotten])).toThrow('holds 0 times');
  });

  test('is found by the simulator, by seeds that pass without it', async () => {
    const mutations = MUTATIONS.filter(({ isQuick }) => isQuick);
    expect(mutations.length).toBeGreaterThanOrEqual(5);
    const results = await runMutations({ ...options, mutations, isExhaustive: false });
    expect(results.filter(({ by }) => by === undefined).map(({ name }) => name)).toEqual([]);
    expect(await runUnmutated({ ...options, mutations, seeds: 10, isExhaustive: false })).toMatchObject({
      by: undefined,
    });
  });

  test('is found by the small worlds', async () => {
    const mutations = MUTATIONS.filter(({ name }) => name === 'a credit given back twice');
    const results = await runMutations({ ...options, mutations, isExhaustive: true });
    expect(results.map(({ by }) => by)).toEqual(['“scarce money from two sides”']);
  });
});
