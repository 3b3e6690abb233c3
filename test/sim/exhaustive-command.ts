import { EXIT } from '../../src/cli/exit.js';
import { paint } from '../../src/cli/style.js';
import { type ScenarioReport, scenariosNamed, searchScenario } from './exhaustive.js';
import { BrokenSchedule } from './explore.js';
import type { Scenario } from './scenario.js';

/** `npm run sim -- --exhaustive`: every schedule of the small worlds. */

export interface ExhaustiveFlags {
  /** Part of a scenario's name; all of them without. */
  readonly scenario?: string;
  /** Interruptions in a schedule at most; default 1. */
  readonly interruptions?: number;
  readonly json?: true;
}

/** What one scenario came to. */
type Result = ScenarioReport | { readonly name: string; readonly finding: string };

/** Searches and prints what came of it. @returns the exit code */
export function exhaustiveCommand(flags: ExhaustiveFlags): number {
  const interruptions = flags.interruptions ?? 1;
  const results: Result[] = [];
  for (const scenario of scenariosNamed(flags.scenario)) {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${scenario.name} …`);
    const result = search(scenario, interruptions);
    results.push(result);
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
    if (!flags.json) process.stdout.write(`${textOf(result)}\n`);
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(results, plain, 2)}\n`);
  else process.stdout.write(`${summary(results)}\n`);
  return results.some((result) => 'finding' in result) ? EXIT.findings : 0;
}

function search(scenario: Scenario, interruptions: number): Result {
  try {
    return searchScenario(scenario, { interruptions });
  } catch (error) {
    if (!(error instanceof BrokenSchedule)) throw error;
    return { name: scenario.name, finding: error.message };
  }
}

function textOf(result: Result): string {
  if ('finding' in result) return `${paint('red', result.name, process.stdout)}\n${result.finding}`;
  const { name, shards, interruptions, schedules, longest, outcomes, worlds, crashes, seconds } = result;
  return (
    `${name}, ${shards} shards, interruptions ≤ ${interruptions}: ${grouped(schedules)} schedules of up to ${longest} actions ` +
    `over ${worlds} worlds, ${crashes} crashes, ${outcomes.length} ends, ${seconds.toFixed(1)} s`
  );
}

function summary(results: readonly Result[]): string {
  const found = results.filter((result) => 'finding' in result).length;
  const schedules = results.reduce((sum, result) => sum + ('finding' in result ? 0n : result.schedules), 0n);
  const seconds = results.reduce((sum, result) => sum + ('finding' in result ? 0 : result.seconds), 0);
  const verdict =
    found === 0
      ? paint('green', 'nothing wrong', process.stdout)
      : paint('red', `${found} scenarios broken`, process.stdout);
  return `${results.length} scenarios, ${grouped(schedules)} schedules, ${seconds.toFixed(0)} s: ${verdict}`;
}

function grouped(count: bigint): string {
  return count < 10n ** 15n ? count.toLocaleString('en') : Number(count).toExponential(2);
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
