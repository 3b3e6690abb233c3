import { EXIT } from '../../src/cli/exit.js';
import { paint } from '../../src/cli/style.js';
import { type MutationOptions, type MutationResult, runMutations, runUnmutated } from './mutation-run.js';
import { MUTATIONS } from './mutations.js';

/** `npm run sim -- --mutations`: each mistake of the list is made in the code, and must be found. */

export interface MutationFlags {
  /** Part of a mutation's name; all of them without. */
  readonly mutation?: string;
  /** Seeds for each at most; default 200. */
  readonly seeds?: number;
  readonly jobs: number;
  /** Search the small worlds in place of seeds. */
  readonly exhaustive?: true;
  readonly json?: true;
}

/** A world takes tens of milliseconds; one that spins takes for ever. */
const PATIENCE_S = 120;

/** Tries the mutations and prints the table. @returns the exit code @throws RangeError for a name that none has */
export async function mutationsCommand(flags: MutationFlags): Promise<number> {
  const mutations = MUTATIONS.filter(({ name }) => name.includes(flags.mutation ?? ''));
  if (mutations.length === 0) throw new RangeError(`no mutation has "${flags.mutation}" in its name`);
  let done = 0;
  const options: MutationOptions = {
    mutations,
    seeds: flags.seeds ?? 200,
    jobs: flags.jobs,
    patienceSeconds: PATIENCE_S,
    isExhaustive: flags.exhaustive === true,
    onProgress(tried, result) {
      const isTerminal = process.stderr.isTTY;
      if (isTerminal) process.stderr.write('\r\u001b[K');
      if (result !== undefined) {
        done++;
        if (!flags.json) process.stdout.write(`${textOf(result)}\n`);
      }
      if (isTerminal) process.stderr.write(`${done} of ${mutations.length} mutations, ${tried} worlds`);
    },
  };
  // What small worlds find in the code as it is, `--exhaustive` alone says.
  const unmutated = options.isExhaustive ? undefined : await runUnmutated(options);
  const results = await runMutations(options);
  const missed = results.filter(({ by }) => by === undefined);
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  if (flags.json) process.stdout.write(`${JSON.stringify({ unmutated, results }, null, 2)}\n`);
  else {
    process.stdout.write(`${summary(unmutated, results.length, missed)}\n`);
  }
  return missed.length > 0 || unmutated?.by !== undefined ? EXIT.findings : 0;
}

function textOf({ name, by, finding, seconds }: MutationResult): string {
  if (by === undefined)
    return `${paint('red', 'not found', process.stdout)}  ${name}, ${seconds.toFixed(1)} s`;
  return `${name}: ${by}, ${seconds.toFixed(1)} s: ${finding}`;
}

function summary(
  unmutated: MutationResult | undefined,
  all: number,
  missed: readonly MutationResult[],
): string {
  const lines = [`${all - missed.length} of ${all} mutations found`];
  if (missed.length > 0)
    lines.push(paint('red', `not found: ${missed.map(({ name }) => name).join('; ')}`, process.stdout));
  if (unmutated?.by !== undefined)
    lines.push(
      paint('red', `the code as it is fails too: ${unmutated.by}: ${unmutated.finding}`, process.stdout),
    );
  else if (unmutated !== undefined)
    lines.push(`the code as it is passes the same, ${unmutated.seconds.toFixed(1)} s`);
  return lines.join('\n');
}
