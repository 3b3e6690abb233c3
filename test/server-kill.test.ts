import { expect, test } from 'vitest';
import { killCampaign } from './campaigns/kill-campaign.js';

/** The first rounds of the campaign; `npm run kill` has the others. */
const ROUNDS = 7;
const SEED = 20261120;
const TIMEOUT_MS = 600_000;

test('whenever it is killed, what was acknowledged is there once and whole, and nothing else is', {
  timeout: TIMEOUT_MS,
}, async () => {
  const report = await killCampaign({ rounds: ROUNDS, seed: SEED });
  expect(report.rounds).toBe(ROUNDS);
  // It had the chance to fail: work of every kind was cut off, and looked at afterwards.
  for (const [moment, kills] of Object.entries(report.kills))
    expect([moment, kills > 0]).toEqual([moment, true]);
  const { records, acknowledged, refused, repeated, compared, expired, onCheckpoint, unanswered } = report;
  for (const count of [records, acknowledged, refused, repeated, compared, expired, onCheckpoint]) {
    expect(count).toBeGreaterThan(0);
  }
  expect(unanswered.done + unanswered.notDone).toBeGreaterThan(0);
});
