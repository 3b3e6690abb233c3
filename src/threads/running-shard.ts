import type { Control } from '../../engine/control.js';
import { RingConsumer, RingProducer } from '../../engine/mailbox.js';
import { Shard } from '../../engine/shard.js';
import { State } from '../../engine/state.js';
import { recover } from '../../wal/recover.js';
import type { RunnerData, ShardReady, ShardsStart } from '../ledger/wiring.js';

/** A shard on its thread: recovers what it owns, then takes steps. */
export class RunningShard {
  readonly ready: ShardReady;
  private readonly state: State;
  private readonly shard: Shard;

  constructor(
    { data, wiring, shards, fronts }: RunnerData,
    { key, lsn }: ShardsStart,
    private readonly me: number,
    private readonly control: Control,
  ) {
    const { state, checkpointLsn, fault } = recover(
      () => new State(me, shards, key),
      data,
      lsn,
      (reached) => control.setShardProgress(me, reached),
    );
    const frontBells = fronts.map((_, front) => control.frontBell(front));
    this.state = state;
    this.shard = new Shard(
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
    this.tellFigures();
    this.ready = { checkpointLsn, checkpointFault: fault };
  }

  /** Decides what is there. @returns whether there was anything */
  step(): boolean {
    const { shard, control, me } = this;
    if (!shard.step()) return false;
    control.setShardProgress(me, shard.progress);
    this.tellFigures();
    return true;
  }

  private tellFigures(): void {
    const { accounts, ids, holds } = this.state;
    this.control.setFigures(this.me, {
      accounts: accounts.count,
      accountBytes: accounts.byteLength,
      ids: ids.ids,
      idFacts: ids.count,
      idBytes: ids.byteLength,
      holds: holds.count,
      jobs: this.shard.home.count,
      earmarks: this.shard.owner.standing,
    });
  }
}
