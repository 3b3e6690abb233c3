import { expect, test } from 'vitest';
import { analyticsKillCampaign } from './campaigns/analytics-kill-campaign.js';

/** The first rounds of the campaign; `npm run kill -- --analytics` has the others. */
const ROUNDS = 7;
const SEED = 20261120;
const TIMEOUT_MS = 300_000;

test('whatever is killed at whatever moment, the tables are the log row for row, and the views a recount of them', {
  timeout: TIMEOUT_MS,
}, async () => {
  const report = await analyticsKillCampaign({ rounds: ROUNDS, seed: SEED, isHttp: false });
  expect(report.rounds).toBe(ROUNDS);
  // It had the chance to fail.
  const { kills, ledgers, records, postings, viewRows } = report;
  for (const count of [kills.ledger, kills.sink, ledgers, records, postings, viewRows])
    expect(count).toBeGreaterThan(0);
});
