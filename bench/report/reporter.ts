import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Suite } from '../bench.js';
import type { Settings } from '../settings.js';
import { suiteChart } from './chart.js';
import type { Origin } from './machine.js';
import type { CaseResult } from './result.js';
import { tableRows } from './table.js';
import { judgeTargets, targetTable } from './targets.js';

/** Says what was measured, as it comes: a table for people or JSON lines on stdout, and both lines and pictures in a directory. */
export class Reporter {
  readonly results: CaseResult[] = [];
  private readonly file: string;
  /** What stands above the rows at the moment. */
  private head = '';
  private readonly isScreen = process.stderr.isTTY;

  /**
   * @param directory of `results.jsonl`, which grows from run to run, and of one picture a suite
   * @param json lines on stdout instead of the table
   */
  constructor(
    private readonly directory: string,
    private readonly origin: Origin,
    private readonly settings: Settings,
    private readonly json: boolean,
  ) {
    mkdirSync(directory, { recursive: true });
    this.file = join(directory, 'results.jsonl');
  }

  progress(text: string): void {
    if (this.isScreen) process.stderr.write(`\r\u001b[2K${text}`);
  }

  /** Whether Kassa refused a sale of a closed loop; an open loop may ask for more than there is. */
  get hasRefusals(): boolean {
    return this.results.some(
      ({ settings, contenders }) =>
        !('rate' in settings) &&
        contenders.some(({ name, typical }) => name.startsWith('kassa') && (typical.refused ?? 0) > 0),
    );
  }

  /** Clears the line of progress. */
  private settle(): void {
    if (this.isScreen) process.stderr.write('\r\u001b[2K');
  }

  /** A line for people. */
  say(text: string): void {
    this.settle();
    if (!this.json) process.stdout.write(text);
  }

  private line(value: object): void {
    const line = `${JSON.stringify({ ...value, origin: this.origin, settings: this.settings })}\n`;
    appendFileSync(this.file, line);
    if (this.json) process.stdout.write(line);
  }

  begin(suite: Suite): void {
    this.say(`\n${suite.name}: ${suite.about}\n`);
    this.head = '';
  }

  result(result: CaseResult): void {
    this.results.push(result);
    this.settle();
    const { settings, ...rest } = result;
    this.line({ type: 'result', ...rest, load: settings });
    const { head, lines } = tableRows(result, this.settings.loadProcesses);
    this.say(head === this.head ? lines : head + lines);
    this.head = head;
  }

  /** Draws the suite's picture. */
  end(suite: Suite): void {
    const results = this.results.filter((result) => result.suite === suite.name);
    if (results.length === 0) return;
    const { commit, at, machine } = this.origin;
    const footer = `Kassa ${commit}, ${at.slice(0, 10)}, ${machine.cores} × ${machine.cpu}, load beside the server`;
    writeFileSync(join(this.directory, `${suite.name}.svg`), suiteChart(suite.name, results, footer));
  }

  /** The targets, at the end. */
  finish(): void {
    if (this.settings.quick) this.say('\n--quick: sizes are tiny, and the figures mean nothing.\n');
    else this.judge();
    this.say(`\n${this.file} has every round; the pictures are beside it.\n`);
  }

  private judge(): void {
    const targets = judgeTargets(this.results);
    this.line({ type: 'targets', targets });
    const suites = new Set(this.results.map(({ suite }) => suite));
    this.say(targetTable(targets.filter(({ suite }) => suites.has(suite))));
  }
}
