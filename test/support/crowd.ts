import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { CrowdOrder, CrowdReport } from './crowd-process.js';
import { within } from './server.js';

const SCRIPT = fileURLToPath(new URL('./crowd-process.js', import.meta.url));
const ANSWER_MS = 60_000;

/** Many connections, held by another process. */
export class Crowd {
  private readonly gone: Promise<never>;

  private constructor(private readonly child: ChildProcess) {
    this.gone = new Promise((_, reject) => child.once('exit', () => reject(new Error('the crowd is gone'))));
    this.gone.catch(() => undefined);
  }

  static start(): Crowd {
    const child = fork(SCRIPT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    return new Crowd(child);
  }

  /** Resolves when the order is carried out. */
  tell(order: CrowdOrder): Promise<CrowdReport> {
    const answer = new Promise<CrowdReport>((resolve) => this.child.once('message', resolve));
    this.child.send(order);
    return within(Promise.race([answer, this.gone]), ANSWER_MS, () => `the crowd does not ${order.op}`);
  }
}
