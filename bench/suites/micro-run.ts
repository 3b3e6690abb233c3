import { Bench } from 'tinybench';
import { MicroSteps } from './micro-steps.js';

/** Runs the steps of a sale under tinybench, in a process of its own. Prints one JSON line. */

export interface MicroOptions {
  /** An empty directory for the log. */
  readonly data: string;
  /** Milliseconds a step. */
  readonly taskMs: number;
  readonly quick: boolean;
}

export interface MicroResult {
  /** Nanoseconds each, by step. */
  readonly ns: Readonly<Record<string, number>>;
}

const options = JSON.parse(process.argv[2]!) as MicroOptions;
const steps = new MicroSteps(options.data, options.quick ? 1000 : 1_000_000);
const bench = new Bench({ time: options.taskMs, warmupTime: options.taskMs / 3, retainSamples: true });
for (const step of steps.all) bench.add(step.name, step.run);
await bench.run();
steps.close();
const ns: Record<string, number> = {};
steps.all.forEach((step, i) => {
  const { result } = bench.tasks[i]!;
  if (result.state !== 'completed') throw new Error(`${step.name}: ${result.state}`);
  // The median: a collection of garbage or another process in between is not the step's.
  ns[step.name] = (result.latency.p50! * 1e6) / step.repeats;
});
process.stdout.write(`${JSON.stringify({ ns } satisfies MicroResult)}\n`);
