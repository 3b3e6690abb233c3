import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { Control } from '../../engine/control.js';
import type { RunnerData, ShardsStart } from '../ledger/wiring.js';
import { RunningShard } from './running-shard.js';
import { RunningWriter } from './running-writer.js';

/**
 * A thread that runs shards, the log writer, or both: makes them ready, then blocks in its loop. An error leaves it and ends the process.
 */

/** So long it sleeps at most before it looks again; a lost wake-up would be a bug, and cost this. */
const SLEEP_MS = 1000;
/**
 * Shards step so often at most before what they decided is committed. Each step takes what is there, up to its bound, so at most times one or
 * two do.
 */
const STEPS_PER_COMMIT = 16;

const data = workerData as RunnerData;
const control = new Control(data.wiring.control);
let writer: RunningWriter | undefined;
if (data.log !== undefined) {
  writer = await RunningWriter.open(data, data.log, control);
  parentPort!.postMessage(writer.ready);
}
let shards: readonly RunningShard[] = [];
if (data.shardNumbers.length > 0) {
  const [start] = (await once(parentPort!, 'message')) as [ShardsStart];
  shards = data.shardNumbers.map((shard) => new RunningShard(data, start, shard, control));
  parentPort!.postMessage(shards.map((shard) => shard.ready));
}
const bell = writer === undefined ? control.shardBell(data.shardNumbers[0]!) : control.writerBell();
const lastStage = writer === undefined ? 1 : 2;

for (;;) {
  // Read before looking: what shards published before they stopped is found by the step that follows.
  const stage = control.stopStage();
  if (step(stage)) continue;
  if (stage >= lastStage) break;
  bell.arm();
  if (step(stage)) bell.disarm();
  else if (control.stopStage() === stage) bell.wait(SLEEP_MS);
  else bell.disarm();
}
writer?.close();
for (const port of data.fronts) port.close();

/** @returns whether anything was done */
function step(stage: number): boolean {
  let any = false;
  if (stage === 0) for (let i = 0; i < STEPS_PER_COMMIT && stepShards(); i++) any = true;
  return (writer?.step() ?? false) || any;
}

function stepShards(): boolean {
  let any = false;
  for (const shard of shards) any = shard.step() || any;
  return any;
}
