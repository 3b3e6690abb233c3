import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Half a minute and more, the slowest first: who begins one of these last waits for it alone. */
const slow = [
  'server-analytics',
  'server-dashboard',
  'analytics-sink',
  'analytics-reports',
  'server-kill',
  'server-load',
  'bench',
  'races',
  'analytics-torn',
  'analytics-sink-server',
  'exhaustive',
  'server-analytics-kill',
  'fuzz',
  'server-faultfs',
  'server-feed',
  'model',
  'server-tools',
  'server-vanishing',
  'demo-run',
  'analytics-kill',
];

/** Where nothing is known from a run before, vitest begins with the files of most bytes. */
class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = slow.indexOf(basename(moduleId, '.test.js'));
      return at < 0 ? slow.length : at;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}

// Tests are compiled first (threads start from compiled files) and run from dist.
const long = [
  ...[
    'analytics-kill',
    'analytics-query',
    'analytics-query-hostile',
    'analytics-reports',
    'analytics-reports-questions',
    'analytics-reports-sales',
    'analytics-server-database',
    'analytics-sink',
    'analytics-sink-server',
    'analytics-statement',
    'analytics-torn',
    'backup',
    'batch-order',
    'bench',
    'checkpoint',
    'client-chaos',
    'demo-run',
    'deployment',
    'exhaustive',
    'fuzz',
    'load',
    'model',
    'mutations',
    'package',
    'races',
    'recovery',
    'sim',
    'sim-auditor',
    'transfer',
    'transfer-random',
    'verify',
    'wal-log',
  ],
  'server-*',
].map((name) => `dist/test/${name}.test.js`);

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 30_000,
    pool: 'forks',
    setupFiles: ['dist/test/support/seed.js'],
    // One more than CI has processors: who waits, for a hung process to be killed or a clock, leaves its own to the others.
    maxWorkers: 3,
    sequence: { sequencer: SlowFirst },
    projects: [
      // Quick enough to run before each commit.
      { extends: true, test: { name: 'unit', include: ['dist/test/**/*.test.js'], exclude: long } },
      // Whole servers, killed processes, real load, worlds without number.
      { extends: true, test: { name: 'long', include: long } },
    ],
  },
});
