import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

/** `npm run faults`: more rounds of random faults than a test run has time for. */

const HELP = `Faults of the file system at random in the real server, each followed by a start and an audit of the books.

  npm run faults -- [--rounds N] [--seed S]

  --rounds N  how many (default 50; about 6 s each)
  --seed S    of the random choices (default 1)
  --help      this text

Exits with 0 when all went well, otherwise with 1; the failure names round, seed and fault.
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
for (const [name, value] of [
  ['--rounds', values.rounds],
  ['--seed', values.seed],
] as const) {
  if (/^[1-9]\d{0,8}$/.test(value)) continue;
  process.stderr.write(`${name}: must be a whole number above 0, not "${value}"\n`);
  process.exit(2);
}
const { status } = spawnSync('npx', ['vitest', 'run', 'dist/test/server-fault-rounds.test.js'], {
  stdio: 'inherit',
  env: { ...process.env, KASSA_FAULT_ROUNDS: values.rounds, KASSA_FAULT_SEED: values.seed },
});
process.exit(status === 0 ? 0 : 1);
