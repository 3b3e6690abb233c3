import { parseArgs } from 'node:util';
import { EXIT } from '../../src/cli/exit.js';
import { type KillReport, killCampaign } from './kill-campaign.js';

const USAGE = `Usage: npm run kill -- [--rounds 200] [--seed 1] [--json]

Kills a real server process with SIGKILL, again and again, while shops and terminals trade over real sockets: under load, in a
checkpoint, when a segment is rolled, while it closes and while it starts; on 1, 2 and 4 shards by turns, over the same data.
After each kill the log is read, judged by a model of the contract and held against everything that was answered.

  --rounds N   kills under load; each may be followed by kills while the server starts
  --seed N     of what is said, and of when the server is killed (the machine's own timing stays its own)
  --json       the report as JSON

Exit code 0: nothing was lost, doubled, half there or told wrongly. 1: something was, and stderr says what. 2: wrong usage.
`;

const whole = (text: string, name: string) => {
  const n = Number(text);
  if (Number.isSafeInteger(n) && n >= 1) return n;
  process.stderr.write(`--${name} must be a whole number from 1 on, not "${text}"\n`);
  process.exit(EXIT.usage);
};

function flags() {
  try {
    return parseArgs({
      options: {
        rounds: { type: 'string', default: '200' },
        seed: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(EXIT.usage);
  }
}

function describe(report: KillReport, seconds: number): string {
  const { kills, shards, unanswered } = report;
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, n]) => `${name} ${n}`)
      .join(', ');
  return [
    `rounds             ${report.rounds}, in ${seconds.toFixed(0)} s`,
    `kills              ${list(kills)}`,
    `rounds by shards   ${list(shards)}`,
    `records            ${report.records.toLocaleString('en')}, in up to ${report.segments} segments; ${report.onCheckpoint} states on a checkpoint`,
    `acknowledged       ${report.acknowledged.toLocaleString('en')} by the offices; refused ${report.refused.toLocaleString('en')}`,
    `never answered     ${unanswered.done} done, ${unanswered.notDone} not`,
    `holds expired      ${report.expired}`,
    `said again         ${report.repeated.toLocaleString('en')}`,
    `compared           ${report.compared.toLocaleString('en')} accounts and transactions, as told after a restart`,
    'nothing lost, doubled, half there or told wrongly',
    '',
  ].join('\n');
}

const { rounds, seed, json, help } = flags();
if (help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const options = { rounds: whole(rounds, 'rounds'), seed: whole(seed, 'seed') };
const startedAtMs = performance.now();
try {
  const report = await killCampaign({
    ...options,
    onRound: ({ rounds: done, records }, moment) => {
      if (!process.stderr.isTTY) return;
      process.stderr.write(`\r\u001b[Kround ${done} of ${options.rounds}, ${moment}, ${records} records`);
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const seconds = (performance.now() - startedAtMs) / 1000;
  process.stdout.write(
    json ? `${JSON.stringify({ ...options, seconds, ...report })}\n` : describe(report, seconds),
  );
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = EXIT.findings;
}
