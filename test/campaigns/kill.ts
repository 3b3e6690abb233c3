import { analyticsKillCampaign } from './analytics-kill-campaign.js';
import type { AnalyticsKillReport } from './analytics-kill-report.js';
import { flagsOf, runCampaign } from './campaign-cli.js';
import { killCampaign } from './kill-campaign.js';
import type { KillReport } from './kill-report.js';

const USAGE = `Usage: npm run kill -- [--rounds 200] [--seed 1] [--analytics [--http]] [--json]

Kills a real server process with SIGKILL, again and again, while shops and terminals trade over real sockets: under load, in a
checkpoint, when a segment is rolled, while it closes and while it starts; on 1, 2 and 4 shards by turns, over the same data.
After each kill the log is read, judged by a model of the contract and held against everything that was answered.

  --rounds N   kills under load; each may be followed by kills while the server starts
  --seed N     of what is said, and of when the server is killed (the machine's own timing stays its own)
  --analytics  kills analytics: the server's process, the analytics process (in inserts, while it starts, while it makes its tables) and
               what hangs, while two tenants trade; in the end ClickHouse holds the log row for row, and each view a recount of them
  --http       the same with ClickHouse as a server behind HTTP, which is killed too, and connections to it cut (implies --analytics)
  --json       the report as JSON

Exit code 0: nothing was lost, doubled, half there or told wrongly. 1: something was, and stderr says what. 2: wrong usage.
`;

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

function describeAnalytics(report: AnalyticsKillReport, seconds: number): string {
  const list = (counts: { readonly [name: string]: number }) =>
    Object.entries(counts)
      .map(([name, n]) => `${name} ${n}`)
      .join(', ');
  return [
    `rounds             ${report.rounds}, in ${seconds.toFixed(0)} s: ${list(report.moments)}`,
    `kills              ${list(report.kills)}; ${report.hangs} hung, ${report.cuts} connections cut`,
    `compared           ${report.records.toLocaleString('en')} records and ${report.postings.toLocaleString('en')} postings of ${report.ledgers} ledgers, ${report.viewRows.toLocaleString('en')} rows of views`,
    `acknowledged       ${report.acknowledged.toLocaleString('en')}; the longest wait for an answer ${report.longestMs} ms`,
    `mended             ${report.takenUp} deliveries found cut off, ${report.remade} views made anew`,
    'the tables are the logs, row for row, and the views what a recount gives',
    '',
  ].join('\n');
}

const { values, json, given } = flagsOf(USAGE, { rounds: 200, seed: 1 }, ['analytics', 'http']);
const { rounds, seed } = values;
const isHttp = given.has('http');
if (isHttp || given.has('analytics')) {
  await runCampaign(json, describeAnalytics, (progress) =>
    analyticsKillCampaign({
      ...{ rounds, seed, isHttp },
      onRound: ({ rounds: done }, moment) => progress(`round ${done} of ${rounds}, ${moment}`),
    }),
  );
} else {
  await runCampaign(json, describe, async (progress) => {
    const report = await killCampaign({
      rounds,
      seed,
      onRound: ({ rounds: done, records }, moment) =>
        progress(`round ${done} of ${rounds}, ${moment}, ${records} records`),
    });
    return { seed, ...report };
  });
}
