import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { FromAnalytics, Start, ToAnalytics } from './messages.js';

const MODULE = new URL('./process.js', import.meta.url);

/**
 * Silence after which the process counts as hung, while its engine opens and then; it speaks each second. Time in which it only waited for a
 * processor does not count: under full load the lowest priority may have to wait long.
 */
const SILENCE_STARTING_MS = 60_000;
const SILENCE_MS = 15_000;
/** From here on it is noted how long the process has waited for a processor. */
const QUIET_MS = 2_000;
/** A look that comes this late was itself held up, and says nothing about the process. */
const LATE_MS = 1_000;
const STOP_MS = 5_000;
/** What is kept of what the process wrote to stderr. */
const LAST_WORDS_BYTES = 2_000;

/**
 * The engine runs on as many of libuv's threads as there are queries at a time, sink included. With UTC around it, nothing depends on where
 * the machine stands. Everything else is kept from it: secrets of the server's environment are nothing to a process that runs SQL.
 */
const SETTINGS = { UV_THREADPOOL_SIZE: '16', TZ: 'UTC' };
const INHERITED = [
  ...['PATH', 'HOME', 'TMPDIR', 'LANG', 'LC_ALL', 'LD_LIBRARY_PATH', 'SystemRoot', 'TEMP'],
  ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
];

export interface ChildEvents {
  message(message: FromAnalytics): void;
  /**
   * @param why how it ended, in words
   * @param lastWords of its own on stderr: for the log only, nobody knows what is in them
   */
  gone(why: string, lastWords: string): void;
}

/** One run of the analytics process. */
export class AnalyticsChild {
  private readonly child: ChildProcess;
  private readonly startedAtMs = performance.now();
  private heardAtMs = this.startedAtMs;
  private lookedAtMs = this.startedAtMs;
  /** How long it had waited for a processor when it became quiet. */
  private waitedMs: number | undefined;
  private isStarting = true;
  private isGone = false;
  private unsent = 0;
  private lastWords = '';
  private whyKilled: string | undefined;
  private readonly exited: Promise<void>;

  constructor(start: Start, events: ChildEvents) {
    this.child = fork(MODULE, [], {
      serialization: 'advanced',
      execArgv: [],
      env: environment(),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.exited = new Promise((resolve) => {
      const gone = (why: string) => {
        if (this.isGone) return;
        this.isGone = true;
        events.gone(this.whyKilled ?? why, this.lastWords.trim());
        resolve();
      };
      // An error of a process that runs is told by its exit; without a process there is none.
      this.child.once('error', ({ message }) => {
        if (this.child.pid === undefined) gone(`it could not be started: ${message}`);
      });
      this.child.once('close', (code, signal) =>
        gone(signal === null ? `it ended with ${code}` : `it was ended by ${signal}`),
      );
    });
    this.child.on('message', (message: FromAnalytics) => {
      if (message.type === 'status') {
        this.heardAtMs = performance.now();
        this.waitedMs = undefined;
        this.isStarting = message.state === 'starting';
      }
      events.message(message);
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.lastWords = (this.lastWords + text).slice(-LAST_WORDS_BYTES);
    });
    this.send(start);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Milliseconds since it was started. */
  get ageMs(): number {
    return performance.now() - this.startedAtMs;
  }

  /** Messages that the channel has not taken: they lie in this process's memory. */
  get backlog(): number {
    return this.unsent;
  }

  /** Never throws: a process that cannot be told anything is about to be gone. */
  send(message: ToAnalytics): void {
    if (!this.child.connected) return;
    this.unsent++;
    this.child.send(message, () => {
      this.unsent--;
    });
  }

  /** To be called several times a second: kills the process when it hangs. */
  look(): void {
    const nowMs = performance.now();
    const sinceLookMs = nowMs - this.lookedAtMs;
    this.lookedAtMs = nowMs;
    if (sinceLookMs > LATE_MS) this.heardAtMs += sinceLookMs;
    const silentMs = nowMs - this.heardAtMs;
    if (silentMs < QUIET_MS || this.whyKilled !== undefined) return;
    this.waitedMs ??= waitedForProcessorMs(this.pid);
    const limitMs = this.isStarting ? SILENCE_STARTING_MS : SILENCE_MS;
    if (silentMs < limitMs) return;
    const heldUpMs = waitedForProcessorMs(this.pid) - this.waitedMs;
    if (silentMs - heldUpMs < limitMs) return;
    this.kill(`it said nothing for ${Math.round(silentMs / 1000)} s and was killed`);
  }

  /** In good order if it can within 5 s. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.send({ type: 'stop' });
    const timer = setTimeout(() => this.kill('it did not stop and was killed'), STOP_MS);
    await this.exited;
    clearTimeout(timer);
  }

  private kill(why: string): void {
    this.whyKilled = why;
    this.child.kill('SIGKILL');
  }
}

function environment(): NodeJS.ProcessEnv {
  const inherited = INHERITED.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(inherited), ...SETTINGS };
}

/** Milliseconds that a process's main thread was ready to run and did not, so far; 0 where the system does not tell. */
function waitedForProcessorMs(pid: number | undefined): number {
  try {
    const [, waitedNs] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
    return Number(waitedNs) / 1e6;
  } catch {
    return 0;
  }
}
