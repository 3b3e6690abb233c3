import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SeedJob, SeedResult } from './seed-worker.js';

const WORKER = fileURLToPath(new URL('./seed-worker.js', import.meta.url));
/** Worlds that a worker is given ahead, so that it never waits. */
const AHEAD = 3;
/** Short-lived objects have much room: half the time would go into clearing it away. */
const WORKER_ARGUMENTS = ['--max-semi-space-size=64'];

export interface CampaignOptions {
  readonly from: number;
  readonly seeds: number;
  /** Processes. */
  readonly jobs: number;
  readonly steps: number | undefined;
  /** Called after each world. */
  readonly onProgress: (campaign: CampaignFigures) => void;
}

/** What a run of many seeds came to. */
export interface CampaignFigures {
  readonly done: number;
  readonly steps: number;
  readonly records: number;
  readonly calls: number;
  readonly lives: number;
  readonly events: ReadonlyMap<string, number>;
  /** Seeds that failed, with what was found, ascending. */
  readonly failures: readonly { readonly seed: number; readonly finding: string }[];
  readonly seconds: number;
}

/** Plays many seeds in child processes. */
export function runCampaign(options: CampaignOptions): Promise<CampaignFigures> {
  return new Campaign(options).run();
}

class Campaign {
  private next: number;
  private done = 0;
  private steps = 0;
  private records = 0;
  private calls = 0;
  private lives = 0;
  private readonly events = new Map<string, number>();
  private readonly failures: { seed: number; finding: string }[] = [];
  private readonly startedMs = performance.now();

  constructor(private readonly options: CampaignOptions) {
    this.next = options.from;
  }

  async run(): Promise<CampaignFigures> {
    const workers = Array.from({ length: this.options.jobs }, () => this.worker());
    await Promise.all(workers);
    return this.figures;
  }

  private get figures(): CampaignFigures {
    return {
      done: this.done,
      steps: this.steps,
      records: this.records,
      calls: this.calls,
      lives: this.lives,
      events: this.events,
      failures: this.failures.toSorted((a, b) => a.seed - b.seed),
      seconds: (performance.now() - this.startedMs) / 1000,
    };
  }

  private worker(): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = fork(WORKER, { execArgv: WORKER_ARGUMENTS });
      let outstanding = 0;
      let isOver = false;
      const give = (): void => {
        while (outstanding < AHEAD && this.giveOne(child)) outstanding++;
        if (outstanding > 0) return;
        isOver = true;
        child.disconnect();
        resolve();
      };
      child.on('message', (result: SeedResult) => {
        outstanding--;
        this.take(result);
        give();
      });
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        if (!isOver) reject(new Error(`a process that plays seeds ended (${code ?? signal})`));
      });
      give();
    });
  }

  private giveOne(child: ChildProcess): boolean {
    const { from, seeds, steps } = this.options;
    if (this.next >= from + seeds) return false;
    const job: SeedJob = { seed: this.next++, steps };
    child.send(job);
    return true;
  }

  private take(result: SeedResult): void {
    this.done++;
    this.steps += result.steps;
    this.records += result.records;
    this.calls += result.calls;
    this.lives += result.lives;
    for (const [event, count] of result.events) this.events.set(event, (this.events.get(event) ?? 0) + count);
    if (result.finding !== undefined) this.failures.push({ seed: result.seed, finding: result.finding });
    this.options.onProgress(this.figures);
  }
}
