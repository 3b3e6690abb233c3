import { rmSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { Dice } from '../support/dice.js';
import { Coverage } from './coverage.js';
import type { DecoderWorkerData, TargetReport } from './decoders.js';
import { fastDirectory } from './fast-directory.js';
import { mutate } from './mutate.js';
import type { Target } from './target.js';

/**
 * The thread that gives inputs to the decoders, one target after the other. It tells of each input before it runs it, so that whoever watches can
 * name the one that never ended.
 */

/** Inputs between two looks at the coverage: taking it costs as much as some hundred inputs. */
const GROUP = 100;
const CORPUS_MAX = 500;
const KEPT_BYTES_MAX = 100_000;
/** Memory that an input may make a decoder take, before any collection: some objects per byte, and the decoder's own tables and buffers. */
const ALLOCATED_PER_BYTE = 200;
const ALLOCATED_FREE = 24 << 20;

const { data, inputs, seed, current } = workerData as DecoderWorkerData;
const slots = new Int32Array(current, 0, 3);
const bytesNow = new Uint8Array(current, 12);

const coverage = new Coverage();
const scratch = fastDirectory('kassa-fuzz-');
try {
  // Loaded only now, so that their blocks are counted.
  const { REQUEST_TARGETS } = await import('./target-requests.js');
  const { TOKEN_TARGET } = await import('./target-tokens.js');
  const { storageTargets } = await import('./target-storage.js');
  const targets = [...REQUEST_TARGETS, TOKEN_TARGET, ...storageTargets(data, scratch)];
  for (const [index, target] of targets.entries()) {
    parentPort!.postMessage(await attack(target, index, Math.ceil(inputs / targets.length)));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
  coverage.close();
}

async function attack(target: Target, index: number, count: number): Promise<TargetReport> {
  const dice = new Dice(seed + index);
  const corpus: Uint8Array[] = [];
  const failures: TargetReport['failures'][number][] = [];
  let allocatedMax = 0;
  for (let done = 0; done < count && failures.length < 5; ) {
    const group = Array.from({ length: Math.min(GROUP, count - done) }, () => next(target, dice, corpus));
    // At first nearly every input brings something new: to look for those by halves would run each many times.
    const isFirst = done === 0;
    coverage.takeNews();
    for (const input of group) {
      const { problem, allocated } = await runOne(target, index, input);
      if (problem !== undefined)
        failures.push({ problem, input: Buffer.from(input.subarray(0, 2048)).toString('hex') });
      allocatedMax = Math.max(allocatedMax, allocated);
      if (isFirst && coverage.takeNews()) keep(input, corpus, dice);
    }
    done += group.length;
    if (!isFirst && coverage.hasNews()) await keepNews(target, index, group, corpus, dice);
  }
  return {
    target: target.name,
    inputs: count,
    corpus: corpus.length,
    blocks: coverage.blocks,
    allocatedMax,
    failures,
  };
}

/** A new input, or a change of one that got far. */
function next(target: Target, dice: Dice, corpus: readonly Uint8Array[]): Uint8Array {
  if (corpus.length === 0 || dice.chance(50)) return target.make(dice);
  return mutate(dice, dice.pick(corpus), dice.pick(corpus));
}

/** Finds by halves which inputs of a group that brought something new brought it, and keeps those. */
async function keepNews(
  target: Target,
  index: number,
  group: readonly Uint8Array[],
  corpus: Uint8Array[],
  dice: Dice,
): Promise<void> {
  for (const input of group) await runOne(target, index, input);
  const [only] = group;
  if (group.length > 1) {
    if (!coverage.hasNews()) return;
    await keepNews(target, index, group.slice(0, group.length >> 1), corpus, dice);
    await keepNews(target, index, group.slice(group.length >> 1), corpus, dice);
  } else if (coverage.takeNews()) keep(only!, corpus, dice);
}

function keep(input: Uint8Array, corpus: Uint8Array[], dice: Dice): void {
  if (input.length > KEPT_BYTES_MAX) return;
  if (corpus.length < CORPUS_MAX) corpus.push(input);
  else corpus[dice.below(CORPUS_MAX)] = input;
}

async function runOne(
  target: Target,
  index: number,
  input: Uint8Array,
): Promise<{ problem: string | undefined; allocated: number }> {
  bytesNow.set(input.subarray(0, bytesNow.length));
  Atomics.store(slots, 1, index);
  Atomics.store(slots, 2, input.length);
  Atomics.add(slots, 0, 1);
  const before = memory();
  let problem: string | undefined;
  try {
    await target.run(input);
  } catch (error) {
    problem = (error as Error).stack ?? String(error);
  }
  const allocated = memory() - before;
  if (allocated > ALLOCATED_PER_BYTE * input.length + ALLOCATED_FREE)
    problem ??= `${allocated} bytes allocated for ${input.length}`;
  return { problem, allocated };
}

/** Of this thread alone: objects and the buffers that they hold. */
function memory(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}
