import { parentPort, workerData } from 'node:worker_threads';
import { Control } from '../../engine/control.js';
import { RingConsumer, RingProducer } from '../../engine/mailbox.js';
import { Shard } from '../../engine/shard.js';
import { State } from '../../engine/state.js';
import { recover } from '../../wal/recover.js';
import type { ShardData, ShardReady } from '../ledger/wiring.js';

/** A shard's thread: recovers what it owns, says so, then blocks in its loop. */

const SLEEP_MS = 1000;

const { data, wiring, shard: me, shards, key, lsn, fronts } = workerData as ShardData;
const control = new Control(wiring.control);
const { state, checkpointLsn, fault } = recover(
  () => new State(me, shards, key),
  data,
  lsn,
  (reached) => control.setShardProgress(me, reached),
);

const frontBells = fronts.map((_, front) => control.frontBell(front));
const shard = new Shard(
  state,
  {
    results: wiring.results.map((rings) => new RingProducer(rings[me]!)),
    log: new RingProducer(wiring.log[me]!),
    peers: wiring.peers[me]!.map((buffer) => buffer && new RingProducer(buffer)),
    peerBells: Array.from({ length: shards }, (_, other) => control.shardBell(other)),
    writerBell: control.writerBell(),
    claimLsn: () => control.claimLsn(),
    claimedLsn: () => control.claimedLsn(),
    durableLsn: () => control.durableLsn(),
    wakeFront(front) {
      if (frontBells[front]!.take()) fronts[front]!.postMessage(0);
    },
    wantsDecisions: (front) => control.wantsDecisions(front),
  },
  wiring.commands.map((rings) => new RingConsumer(rings[me]!)),
  wiring.peers.map((rings) => rings[me] && new RingConsumer(rings[me])),
);

function tellFigures(): void {
  const { accounts, ids, holds } = state;
  control.setFigures(me, {
    accounts: accounts.count,
    accountBytes: accounts.byteLength,
    ids: ids.ids,
    idFacts: ids.count,
    idBytes: ids.byteLength,
    holds: holds.count,
    jobs: shard.home.count,
    earmarks: shard.owner.standing,
  });
}

tellFigures();
const ready: ShardReady = { checkpointLsn, checkpointFault: fault };
parentPort!.postMessage(ready);

const bell = control.shardBell(me);
while (control.stopStage() === 0) {
  if (step()) continue;
  bell.arm();
  if (step()) bell.disarm();
  else if (control.stopStage() === 0) bell.wait(SLEEP_MS);
}
for (const port of fronts) port.close();

function step(): boolean {
  if (!shard.step()) return false;
  control.setShardProgress(me, shard.progress);
  tellFigures();
  return true;
}
