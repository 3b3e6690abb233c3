import { Worker } from 'node:worker_threads';

/** What a campaign on one decoder found. */
export interface TargetReport {
  readonly target: string;
  readonly inputs: number;
  /** Inputs that were kept because they got further. */
  readonly corpus: number;
  /** Blocks of code known so far, by order of magnitude of their count. */
  readonly blocks: number;
  /** Bytes that one input made the decoder take at most, collected or not. */
  readonly allocatedMax: number;
  readonly failures: readonly { readonly problem: string; readonly input: string }[];
}

export interface DecoderWorkerData {
  readonly data: string;
  readonly inputs: number;
  readonly seed: number;
  /** Count of inputs, target, length; then the input itself. */
  readonly current: SharedArrayBuffer;
}

/** No input takes a decoder so long, however busy the machine is. */
const DEADLINE_MS = 20_000;
const LOOK_MS = 250;
const SHOWN_BYTES = 4096;

/**
 * Gives so many inputs to the decoders, in a thread of their own that is watched from here.
 * @param data a sound data directory, only read
 * @param onTarget called as each target is done
 * @throws when an input does not come to an end, with its bytes
 */
export async function fuzzDecoders(
  data: string,
  inputs: number,
  seed: number,
  onTarget: (report: TargetReport) => void = () => undefined,
): Promise<readonly TargetReport[]> {
  const current = new SharedArrayBuffer(12 + SHOWN_BYTES);
  const slots = new Int32Array(current, 0, 3);
  const workerData: DecoderWorkerData = { data, inputs, seed, current };
  const worker = new Worker(new URL('./decoder-worker.js', import.meta.url), { workerData });
  const reports: TargetReport[] = [];
  worker.on('message', (report: TargetReport) => {
    reports.push(report);
    onTarget(report);
  });
  let seen = -1;
  let sinceMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', () => resolve());
      timer = setInterval(() => {
        const count = Atomics.load(slots, 0);
        if (count !== seen) sinceMs = performance.now();
        seen = count;
        if (performance.now() - sinceMs < DEADLINE_MS) return;
        const length = Math.min(slots[2]!, SHOWN_BYTES);
        const input = Buffer.from(new Uint8Array(current, 12, length)).toString('hex');
        reject(
          new Error(
            `seed ${seed}: input ${count} of target ${slots[1]} does not end: ${slots[2]} bytes, ${input}`,
          ),
        );
      }, LOOK_MS);
    });
  } finally {
    clearInterval(timer);
    await worker.terminate();
  }
  return reports;
}
