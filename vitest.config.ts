import { defineConfig } from 'vitest/config';

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
    maxWorkers: 2,
    projects: [
      // Quick enough to run before each commit.
      { extends: true, test: { name: 'unit', include: ['dist/test/**/*.test.js'], exclude: long } },
      // Whole servers, killed processes, real load, worlds without number.
      { extends: true, test: { name: 'long', include: long } },
    ],
  },
});
