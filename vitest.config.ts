import { defineConfig } from 'vitest/config';

// Tests are compiled first (threads start from compiled files) and run from dist.
const slow = ['dist/test/server-*.test.js', 'dist/test/demo-run.test.js', 'dist/test/package.test.js', 'dist/test/load.test.js'];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 30_000,
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'unit', include: ['dist/test/**/*.test.js'], exclude: slow } },
      { extends: true, test: { name: 'server', include: slow, fileParallelism: false } },
    ],
  },
});
