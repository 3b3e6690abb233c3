import { parentPort, workerData } from 'node:worker_threads';
import { Control } from '../../engine/control.js';
import { Checkpointer } from '../../wal/checkpoint.js';
import { CHECKPOINT_INTERVAL_MS, CheckpointRounds } from '../../wal/checkpoint-rounds.js';
import { DamagedLogError, NewerFormatError } from '../../wal/errors.js';
import { openLogReader } from '../../wal/log.js';
import { checkTail } from '../../wal/recover.js';
import type { CheckpointerData, CheckpointerStart } from '../ledger/wiring.js';
import { yieldToOthers } from './priority.js';

/**
 * The checkpointer's thread. While the shards recover it checks the log above the checkpoint; once they are done with the checkpoint's
 * files it begins to move the checkpoint on. It has an event loop and may be late: all that comes of it is a longer start.
 */

const LOOK_EVERY_MS = 250;
/**
 * It works in short pieces: who is woken on its processor waits for the end of a piece, and not for the scheduler's next tick. Beside three
 * threads that together take 1.7 of two processors, 30 ms of work in one piece made p99.9 of their waking 2.6 and 3.1 ms in two runs, in pieces
 * 1.5 and 1.9 ms; without any it was 1.5 and 3.7.
 */
const PIECE_MS = 0.5;
const PAUSE_MS = 0.5;

const { data, wiring, lsn, records } = workerData as CheckpointerData;
const control = new Control(wiring.control);
/** To wait on: nothing ever wakes who does. */
const bed = new Int32Array(new SharedArrayBuffer(4));
let pieceFromMs = performance.now();

/** Asked often by who is at work: also the place for a pause. */
function shouldStop(): boolean {
  if (performance.now() - pieceFromMs >= PIECE_MS) {
    Atomics.wait(bed, 0, 0, PAUSE_MS);
    pieceFromMs = performance.now();
  }
  return control.stopStage() !== 0;
}

checkTail(data, lsn);
yieldToOthers();
parentPort!.postMessage('ready');

let timer: NodeJS.Timeout | undefined;

parentPort!.on('message', (message: CheckpointerStart | 'close') => {
  if (message === 'close') {
    clearTimeout(timer);
    parentPort!.close();
    return;
  }
  begin(message.rebuild);
});

const now = (): number => performance.now();

function begin(rebuild: boolean): void {
  let checkpointer: Checkpointer;
  try {
    checkpointer = open(rebuild);
  } catch (error) {
    complain(error as Error);
    timer = setTimeout(begin, CHECKPOINT_INTERVAL_MS, rebuild);
    return;
  }
  run(checkpointer);
}

function open(rebuild: boolean): Checkpointer {
  const reader = openLogReader({ data });
  const { ledger } = reader;
  reader.close();
  return new Checkpointer(data, ledger, rebuild);
}

function run(checkpointer: Checkpointer): void {
  const rounds = new CheckpointRounds(checkpointer, records, shouldStop, complain);
  const look = (): void => {
    const { isMore, wasTried } = rounds.step(control.durableLsn(), now);
    if (wasTried) parentPort!.postMessage(checkpointer.position.lsn);
    timer = setTimeout(look, isMore ? 0 : LOOK_EVERY_MS);
  };
  look();
}

/** The ledger goes on without new checkpoints: a full disk stops it at the log, if at all. A damaged log does not go on. */
function complain(error: Error): void {
  if (error instanceof DamagedLogError || error instanceof NewerFormatError) throw error;
  process.stderr.write(`kassa: no checkpoint was made, and will be tried again: ${error.message}\n`);
}
