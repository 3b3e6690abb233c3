import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { edited } from './mutation-hooks.js';
import type { MutationJob, MutationMessage } from './mutation-worker.js';
import { MUTATION_VARIABLE, MUTATIONS, type Mutation } from './mutations.js';

/** Runs the simulator over mutated code, one process for each mutation. */

const WORKER = fileURLToPath(new URL('./mutation-worker.js', import.meta.url));
const HOOKS = new URL('./mutated.js', import.meta.url).href;
const DIST = new URL('../../', import.meta.url);
const WORKER_ARGUMENTS = ['--max-semi-space-size=64'];

export interface MutationOptions {
  readonly mutations: readonly Mutation[];
  readonly seeds: number;
  /** Processes at a time. */
  readonly jobs: number;
  /** Seconds without a result of a seed or scenario after which a process is given up: it spins. */
  readonly patienceSeconds: number;
  /** Search small worlds in place of seeds. */
  readonly isExhaustive: boolean;
  /** Called after each seed or scenario, and with each result as it comes. */
  readonly onProgress: (tried: number, result: MutationResult | undefined) => void;
}

export interface MutationResult {
  readonly name: string;
  /** The seed or the small world that found it; undefined when nothing did. */
  readonly by: string | undefined;
  /** The first line of what it said. */
  readonly finding: string;
  readonly seconds: number;
}

/** @throws when a mutation's place is not in the code exactly once */
export function checkMutations(mutations: readonly Mutation[] = MUTATIONS): void {
  for (const { edits } of mutations) {
    for (const edit of edits) edited(readFileSync(new URL(edit.file, DIST), 'utf8'), edit);
  }
}

/** Tries mutations. @returns a result each, in their order */
export async function runMutations(options: MutationOptions): Promise<readonly MutationResult[]> {
  checkMutations(options.mutations);
  const results: (MutationResult | undefined)[] = options.mutations.map(() => undefined);
  let next = 0;
  let tried = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < options.mutations.length; at = next++) {
      const result = await tryOne(options.mutations[at]!.name, options, () =>
        options.onProgress(++tried, undefined),
      );
      results[at] = result;
      options.onProgress(tried, result);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  return results.map((result) => result!);
}

/** The same without any mutation. */
export function runUnmutated(options: MutationOptions): Promise<MutationResult> {
  let tried = 0;
  return tryOne(undefined, options, () => options.onProgress(++tried, undefined));
}

function tryOne(
  name: string | undefined,
  options: MutationOptions,
  onTried: () => void,
): Promise<MutationResult> {
  const startedMs = performance.now();
  const child = fork(WORKER, {
    execArgv: [...WORKER_ARGUMENTS, ...(name === undefined ? [] : ['--import', HOOKS])],
    env: { ...process.env, ...(name !== undefined && { [MUTATION_VARIABLE]: name }) },
    silent: true,
  });
  const job: MutationJob = { seeds: options.seeds, isExhaustive: options.isExhaustive };
  child.send(job);
  return new Promise((resolve, reject) => {
    const end = (by: string | undefined, finding: string) =>
      resolve({
        name: name ?? 'none',
        by,
        finding: finding.split('\n')[0]!,
        seconds: (performance.now() - startedMs) / 1000,
      });
    watch(child, options.patienceSeconds, { onTried, end, reject });
  });
}

interface Watch {
  readonly onTried: () => void;
  readonly end: (by: string | undefined, finding: string) => void;
  readonly reject: (error: Error) => void;
}

function watch(child: ChildProcess, patienceSeconds: number, { onTried, end, reject }: Watch): void {
  let errors = '';
  let tried = 0;
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const giveUp = () => {
    child.kill('SIGKILL');
    end(`number ${tried + 1}`, `nothing came of it for ${patienceSeconds} s`);
  };
  let timer = setTimeout(giveUp, patienceSeconds * 1000);
  child.on('message', (message: MutationMessage) => {
    clearTimeout(timer);
    if ('tried' in message) {
      tried = message.tried;
      timer = setTimeout(giveUp, patienceSeconds * 1000);
      onTried();
    } else if (message.by === undefined) end(undefined, '');
    else end(message.by, message.finding);
  });
  child.once('exit', (code) => {
    clearTimeout(timer);
    // After a result this changes nothing: a promise is settled once.
    reject(new Error(`the process of a mutation ended with ${code}: ${errors.trim()}`));
  });
}
