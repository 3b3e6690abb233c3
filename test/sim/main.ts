import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { EXIT } from '../../src/cli/exit.js';
import { paint } from '../../src/cli/style.js';
import { type CampaignFigures, runCampaign } from './campaign.js';
import { exhaustiveCommand } from './exhaustive-command.js';
import { inMacrotask } from './microtasks.js';
import { mutationsCommand } from './mutations-command.js';
import { numbersText, parseNumbers } from './numbers.js';
import type { Outcome, WorldOptions } from './outcome.js';
import { SCENARIOS } from './scenarios.js';
import { shrink } from './shrink.js';
import { play } from './world.js';

/** `npm run sim`: plays simulated worlds by their seeds. */

interface Flags {
  readonly seed?: number;
  readonly seeds?: number;
  readonly from: number;
  readonly jobs: number;
  readonly steps?: number;
  readonly only?: ReadonlySet<number>;
  readonly faults?: ReadonlySet<number>;
  readonly shards?: number;
  readonly order?: number;
  readonly script?: true;
  readonly shrink: boolean;
  readonly json?: true;
  readonly exhaustive?: true;
  readonly scenario?: string;
  readonly interruptions: number;
  readonly mutations?: true;
  readonly mutation?: string;
}

const program = new Command('sim')
  .description(
    'Plays whole ledgers in one thread, with their clients, their disk and what befalls them, every choice drawn from a seed. An independent\n' +
      'auditor judges every answer by the log, after each start and at the end. Exit code 1 when something is found wrong.',
  )
  .option('--seed <n>', 'play one world; a failing one is made smaller and printed', whole)
  .option('--seeds <n>', 'play so many worlds', whole)
  .option('--from <n>', 'the first of them', whole, 1)
  .option('--jobs <n>', 'processes that play them', whole, Math.min(2, availableParallelism()))
  .option('--steps <n>', 'turns after which clients say nothing new', whole)
  .option('--only <actions>', 'with --seed: only these of the clients’ actions, as in 0-3,7', numbers)
  .option('--faults <numbers>', 'with --seed: only these faults, as in 0,2', numbers)
  .option('--shards <n>', 'with --seed: so many shards in every life', whole)
  .option('--order <n>', 'with --seed: another order of turns', whole)
  .option('--script', 'with --seed: print what was said and what happened even if nothing is wrong')
  .option('--no-shrink', 'with --seed: leave a failing world as it is')
  .option('--exhaustive', 'search every schedule of small worlds')
  .option('--scenario <text>', 'with --exhaustive: only those with this in their name')
  .option('--interruptions <n>', 'with --exhaustive: interruptions within steps in a schedule', whole, 1)
  .option('--mutations', 'make mistakes in the code: with --seeds (200) or --exhaustive each must be found')
  .option('--mutation <text>', 'with --mutations: only those with this in their name')
  .option('--json', 'print figures as JSON')
  .addHelpText('after', () => `\nSmall worlds:\n${SCENARIOS.map(({ name }) => `  ${name}`).join('\n')}`)
  .action(run);

await program.parseAsync(process.argv.slice(2), { from: 'user' });

function whole(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('a whole number is needed.');
  return Number(text);
}

function numbers(text: string): Set<number> {
  try {
    return parseNumbers(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

async function run(flags: Flags): Promise<void> {
  if (flags.mutations || flags.exhaustive) {
    process.exitCode = flags.mutations ? await mutationsCommand(flags) : exhaustiveCommand(flags);
    return;
  }
  if ((flags.seed === undefined) === (flags.seeds === undefined))
    program.error('either --seed or --seeds is needed');
  if (flags.seed !== undefined) await playOne(flags.seed, flags);
  else await playMany(flags.seeds!, flags);
}

async function playOne(seed: number, flags: Flags): Promise<void> {
  const options: WorldOptions = {
    seed,
    ...(flags.only !== undefined && { actions: flags.only }),
    ...(flags.faults !== undefined && { faults: flags.faults }),
    ...(flags.shards !== undefined && { shards: flags.shards }),
    ...(flags.order !== undefined && { order: flags.order }),
    ...(flags.steps !== undefined && { steps: flags.steps }),
  };
  const startedMs = performance.now();
  const outcome = await inMacrotask(() => play(options));
  const seconds = (performance.now() - startedMs) / 1000;
  if (flags.json)
    process.stdout.write(`${JSON.stringify({ seed, ...figuresOf(outcome), seconds }, null, 2)}\n`);
  if (outcome.finding === undefined) {
    if (flags.script) process.stdout.write(`${outcome.script().join('\n')}\n`);
    if (!flags.json)
      process.stdout.write(
        `seed ${seed}: ${outcome.steps} steps, ${outcome.lives} lives, ${outcome.calls} calls, ${outcome.records} records, nothing wrong\n`,
      );
    return;
  }
  process.exitCode = EXIT.findings;
  if (flags.json) return;
  await printFailure(options, outcome, flags.shrink);
}

function figuresOf({ steps, records, calls, lives, events, finding }: Outcome): object {
  return { steps, records, calls, lives, events: Object.fromEntries(events), finding: finding?.message };
}

async function printFailure(options: WorldOptions, outcome: Outcome, isShrunk: boolean): Promise<void> {
  if (isShrunk && process.stderr.isTTY)
    process.stderr.write(`seed ${options.seed} fails; making it smaller ...\n`);
  const shown = isShrunk ? await inMacrotask(() => shrink(options)) : { options, outcome };
  const { finding } = shown.outcome;
  process.stdout.write(
    `${shown.outcome.script().join('\n')}\n\n${paint('red', `seed ${options.seed}:`, process.stdout)} ${finding!.message}\n` +
      `again: npm run sim -- ${argumentsOf(shown.options)} --no-shrink\n`,
  );
}

function argumentsOf({ seed, actions, faults, shards, order, steps }: WorldOptions): string {
  const words = [`--seed ${seed}`];
  if (actions !== undefined) words.push(`--only ${numbersText(actions)}`);
  if (faults !== undefined) words.push(`--faults ${numbersText(faults) || '""'}`);
  if (shards !== undefined) words.push(`--shards ${shards}`);
  if (order !== undefined) words.push(`--order ${order}`);
  if (steps !== undefined) words.push(`--steps ${steps}`);
  return words.join(' ');
}

async function playMany(seeds: number, flags: Flags): Promise<void> {
  let shownMs = 0;
  const figures = await runCampaign({
    from: flags.from,
    seeds,
    jobs: flags.jobs,
    steps: flags.steps,
    onProgress: (now) => {
      if (!process.stderr.isTTY || performance.now() - shownMs < 200) return;
      shownMs = performance.now();
      process.stderr.write(
        `\r\u001b[K${now.done} of ${seeds} seeds, ${rate(now)} steps/s, ${now.failures.length} failed`,
      );
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  if (flags.json) {
    process.stdout.write(
      `${JSON.stringify({ ...figures, events: Object.fromEntries(figures.events) }, null, 2)}\n`,
    );
  } else printFigures(figures);
  const [first] = figures.failures;
  if (first === undefined) return;
  process.exitCode = EXIT.findings;
  if (!flags.json) process.stdout.write(`\nto see one: npm run sim -- --seed ${first.seed}\n`);
}

function rate({ steps, seconds }: CampaignFigures): number {
  return Math.round(steps / seconds);
}

function printFigures(figures: CampaignFigures): void {
  const { done, steps, lives, calls, records, seconds, failures } = figures;
  const lines = [...figures.events]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([event, count]) => `${String(count).padStart(8)}  ${event}`);
  lines.push(
    `${done} seeds: ${steps} steps (${rate(figures)} a second), ${lives} lives, ${calls} calls, ${records} records in ${seconds.toFixed(1)} s`,
  );
  for (const { seed, finding } of failures.slice(0, 20))
    lines.push(`${paint('red', `seed ${seed}:`, process.stdout)} ${finding}`);
  lines.push(
    failures.length === 0
      ? paint('green', 'nothing wrong', process.stdout)
      : `${failures.length} seeds failed`,
  );
  process.stdout.write(`${lines.join('\n')}\n`);
}
