import { searchScenario } from './exhaustive.js';
import { inMacrotask } from './microtasks.js';
import { SCENARIOS } from './scenarios.js';
import { play } from './world.js';

/** A child process whose ledger is mutated: plays seeds, or searches small worlds, until something is found wrong. */

export interface MutationJob {
  readonly seeds: number;
  /** Search the quick small worlds, and play no seeds. */
  readonly isExhaustive: boolean;
}

export type MutationMessage =
  | { readonly tried: number }
  | { readonly by: string; readonly finding: string }
  | { readonly by: undefined };

process.on('message', (job: MutationJob) => {
  void inMacrotask(() => {
    process.send!(job.isExhaustive ? search() : playAll(job.seeds));
    process.disconnect();
  });
});

function playAll(seeds: number): MutationMessage {
  for (let seed = 1; seed <= seeds; seed++) {
    const { finding } = play({ seed });
    if (finding !== undefined) return { by: `seed ${seed}`, finding: finding.message };
    process.send!({ tried: seed } satisfies MutationMessage);
  }
  return { by: undefined };
}

/** With whole steps first, the quicker worlds before the others; then with steps interrupted once. */
function search(): MutationMessage {
  const quickFirst = SCENARIOS.toSorted((a, b) => Number(b.isQuick ?? false) - Number(a.isQuick ?? false));
  let tried = 0;
  for (const interruptions of [0, 1]) {
    for (const scenario of quickFirst) {
      try {
        searchScenario(scenario, { interruptions });
      } catch (error) {
        return { by: `“${scenario.name}”`, finding: (error as Error).message };
      }
      process.send!({ tried: ++tried } satisfies MutationMessage);
    }
  }
  return { by: undefined };
}
