import { expect, test } from 'vitest';
import { soak } from './campaigns/soak-campaign.js';
import { HAS_PROC } from './support/process-figures.js';

/** The short form; `npm run soak` has the hour. */
const MINUTES = 0.3;
const OPERATIONS = 60_000;
const TIMEOUT_MS = 600_000;

test.skipIf(!HAS_PROC)(
  'through steady mixed trade, a kill included, memory, files and disk stay within their bounds and the books are right',
  { timeout: TIMEOUT_MS },
  async () => {
    const report = await soak({ minutes: MINUTES, operations: OPERATIONS, restarts: 1 });
    expect(report.lives.length).toBe(2);
    const { operations, refused, duplicates, reconnects, garbage, expired } = report;
    for (const count of [operations, refused, duplicates, reconnects, garbage, expired]) {
      expect(count).toBeGreaterThan(0);
    }
  },
);
