import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { EXIT, exitWith } from '../src/cli/exit.js';
import { Bench, type Suite } from './bench.js';
import { findPeers } from './peers/peers.js';
import { labelProfiles } from './profile.js';
import { originOf } from './report/machine.js';
import { Reporter } from './report/reporter.js';
import { QUICK, type Settings, STANDARD } from './settings.js';
import { accounts } from './suites/accounts.js';
import { analytics } from './suites/analytics.js';
import { batch } from './suites/batch.js';
import { http } from './suites/http.js';
import { inproc } from './suites/inproc.js';
import { memory } from './suites/memory.js';
import { micro } from './suites/micro.js';
import { pipelined } from './suites/pipelined.js';
import { pos } from './suites/pos.js';
import { recover } from './suites/recover.js';
import { shards } from './suites/shards.js';
import { sink } from './suites/sink.js';
import { statement } from './suites/statement.js';
import { Workplace } from './workplace.js';

/** What Kassa claims of its speed, measured on this machine beside what bounds it, in one command. */

const SUITES: readonly Suite[] = [
  micro,
  pos,
  pipelined,
  batch,
  accounts,
  shards,
  inproc,
  http,
  recover,
  memory,
  analytics,
  sink,
  statement,
];
const BEND_MILLIONS = 20;

interface Flags {
  readonly quick?: true;
  readonly full?: true;
  readonly bend?: number | true;
  readonly rounds?: number;
  readonly seconds?: number;
  readonly loadProcesses?: number;
  readonly tigerbeetle?: string;
  readonly profile?: string | true;
  readonly dir?: string;
  readonly out: string;
  readonly json?: true;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0 is expected');
  return value;
}

function whole(text: string): number {
  const value = positive(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('a whole number is expected');
  return value;
}

const suiteList = SUITES.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join('\n');

const program = new Command('kassa bench')
  .description(
    'measure Kassa on this machine, in rounds that alternate with what it is held against; about 10 minutes',
  )
  .argument('[suites...]', 'which; all of them by default')
  .option(
    '--quick',
    'tiny sizes, one round: shows in seconds that everything works; the figures mean nothing',
  )
  .option('--full', 'also 10 million accounts and 20 million transactions; some 20 minutes more')
  .option(
    '--bend [millions]',
    `batch: so many million sales in a row (default ${BEND_MILLIONS}), the last against the first`,
    whole,
  )
  .option('--rounds <n>', 'alternating rounds', whole)
  .option('--seconds <s>', 'seconds that one round of one contender is measured', positive)
  .option('--load-processes <n>', 'load generators that share the connections', whole)
  .option('--tigerbeetle <path>', 'measure this TigerBeetle server too, behind a gateway for the same frames')
  .option(
    '--profile [directory]',
    'run Kassa alone and write a .cpuprofile of each server thread (default OUT/profiles)',
  )
  .option(
    '--dir <directory>',
    'where data is written: the disk under measurement (default: the temporary directory)',
  )
  .option('--out <directory>', 'where results.jsonl and the pictures go', 'bench-results')
  .option('--json', 'print JSON lines instead of tables')
  .addHelpText(
    'after',
    `\nSuites:\n${suiteList}\n\nExit codes: 0 measured, 1 a sale was refused or lost where none should be, 2 wrong usage, 3 a part could not run.`,
  )
  .exitOverride();

function settingsOf(flags: Flags): Settings {
  const base = flags.quick ? QUICK : STANDARD;
  const { bend, profile } = flags;
  return {
    ...base,
    ...(flags.rounds !== undefined && { rounds: flags.rounds }),
    ...(flags.seconds !== undefined && { seconds: flags.seconds }),
    ...(flags.loadProcesses !== undefined && { loadProcesses: flags.loadProcesses }),
    full: flags.full ?? false,
    bendMillions: bend === true ? BEND_MILLIONS : (bend ?? 0),
    profile: profile === true ? resolve(flags.out, 'profiles') : profile && resolve(profile),
  };
}

function chosen(names: readonly string[]): readonly Suite[] {
  const unknown = names.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    program.error(
      `there is no suite ${unknown.join(', ')}; there are ${SUITES.map(({ name }) => name).join(', ')}`,
    );
  }
  return names.length === 0 ? SUITES : SUITES.filter(({ name }) => names.includes(name));
}

async function measure(suites: readonly Suite[], flags: Flags): Promise<void> {
  const settings = settingsOf(flags);
  const place = new Workplace(flags.dir && resolve(flags.dir));
  const peers = await findPeers(place.root, flags.tigerbeetle);
  const versions = {
    ...(peers.postgres && { postgres: peers.postgres.version }),
    ...(peers.tigerbeetle && { tigerbeetle: peers.tigerbeetle.version }),
  };
  const origin = originOf(place.root, versions);
  const reporter = new Reporter(resolve(flags.out), origin, settings, flags.json ?? false);
  if (settings.profile === undefined && suites.some(({ hasPeers }) => hasPeers))
    for (const hint of peers.hints) reporter.say(`${hint}\n`);
  if (origin.machine.isDiskInMemory)
    reporter.say('The data is in memory, not on a disk: a sync costs nothing here. Choose with --dir.\n');
  if (settings.profile !== undefined) mkdirSync(settings.profile, { recursive: true });
  const bench = new Bench(settings, place, peers, reporter);
  for (const suite of suites) {
    reporter.begin(suite);
    await bench.run(suite);
    reporter.end(suite);
    if (settings.profile !== undefined) {
      for (const line of labelProfiles(settings.profile, suite.name)) reporter.say(`${line}\n`);
    }
  }
  reporter.finish();
  if (reporter.hasRefusals) process.exitCode = EXIT.findings;
}

try {
  program.parse();
  await measure(chosen(program.args), program.opts<Flags>());
} catch (error) {
  if (!(error instanceof CommanderError)) exitWith(error);
  process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
}
