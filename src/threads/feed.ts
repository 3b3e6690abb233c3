import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Control } from '../../engine/control.js';
import { openLogReader } from '../../wal/log.js';
import { Feed, type FeedOutbox } from '../feed/feed.js';
import type { FeedData, FeedJoin } from '../feed/host.js';
import type { FeedFault, FeedFrame, FeedRequest } from '../feed/messages.js';
import { yieldToOthers } from './priority.js';

/**
 * The feed's thread: tails the log for the subscriptions of all gateways. It sleeps while there are none; while there are it looks at the
 * durable LSN by itself, so that neither writer nor gateways have to tell it.
 */

/** How late it may see a commit. */
const LOOK_EVERY_MS = 10;
/** Looks that found nothing new before it goes over its subscriptions all the same: some may be owed word of their progress. */
const QUIET_LOOKS = 50;
/** Far behind, it works in short pieces, as the checkpointer does and for the same reason: whoever is woken beside it waits for a piece at most. */
const PIECE_MS = 1;
const PAUSE_MS = 0.5;

const { data, control: words } = workerData as FeedData;
const control = new Control(words);
const reader = openLogReader({ data });
const feed = new Feed({
  durableLsn: () => control.durableLsn(),
  batchAt: (lsn) => reader.batchAt(lsn),
  now: () => performance.now(),
});
const gateways = new Set<Gateway>();
/** To wait on: nothing ever wakes who does. */
const bed = new Int32Array(new SharedArrayBuffer(4));
let looks: NodeJS.Timeout | undefined;
let isPlanned = false;
/** The durable LSN of the last piece of work, and the looks since then. */
let seenLsn = 0;
let quietLooks = 0;

/** One gateway: what is to go to it, in one message for each piece of work. */
class Gateway implements FeedOutbox {
  private readonly port: MessagePort;
  private readonly slowest: Float64Array;
  private frames: FeedFrame[] = [];
  private faults: FeedFault[] = [];

  constructor({ port, figures }: FeedJoin) {
    this.slowest = new Float64Array(figures);
    this.port = port;
    port.on('message', (request: FeedRequest) => this.hear(request));
    port.on('close', () => {
      gateways.delete(this);
      feed.removeAll(this);
    });
  }

  frame(frame: FeedFrame): void {
    this.frames.push(frame);
  }

  fault(fault: FeedFault): void {
    this.faults.push(fault);
  }

  send(): void {
    this.slowest[0] = feed.slowest(this);
    const { frames, faults } = this;
    if (frames.length === 0 && faults.length === 0) return;
    this.frames = [];
    this.faults = [];
    this.port.postMessage(
      { frames, faults },
      frames.map(({ bytes }) => bytes.buffer),
    );
  }

  close(): void {
    feed.removeAll(this);
    this.port.close();
  }

  private hear(request: FeedRequest): void {
    if ('start' in request) feed.add(this, request.start);
    else if ('stop' in request) feed.remove(this, request.stop);
    else feed.taken(this, request.taken, request.bytes);
    work();
  }
}

/** Plans a piece of work, once for all messages at hand. */
function work(): void {
  if (isPlanned) return;
  isPlanned = true;
  setImmediate(piece);
}

/** While there are subscriptions, and cheap when nothing is new. */
function look(): void {
  if (control.durableLsn() !== seenLsn || ++quietLooks >= QUIET_LOOKS) work();
}

function piece(): void {
  isPlanned = false;
  seenLsn = control.durableLsn();
  quietLooks = 0;
  const endMs = performance.now() + PIECE_MS;
  let isMore = feed.step();
  while (isMore && performance.now() < endMs) isMore = feed.step();
  for (const gateway of gateways) gateway.send();
  if (isMore) {
    Atomics.wait(bed, 0, 0, PAUSE_MS);
    work();
  }
  if (feed.size > 0) {
    looks ??= setInterval(look, LOOK_EVERY_MS);
  } else {
    clearInterval(looks);
    looks = undefined;
  }
}

parentPort!.on('message', (message: FeedJoin | 'close') => {
  if (message !== 'close') {
    gateways.add(new Gateway(message));
    return;
  }
  clearInterval(looks);
  for (const gateway of gateways) gateway.close();
  reader.close();
  parentPort!.close();
});

yieldToOthers();
