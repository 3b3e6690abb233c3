import { Control } from '../../engine/control.js';
import { PausingBell } from '../support/scheduler.js';

/** A front's bell, which the front itself arms: others may come in between its last look and that. */
class FrontBell extends PausingBell {
  constructor(private readonly lookFirst: () => void) {
    super(lookFirst);
  }

  override arm(): void {
    this.lookFirst();
    super.arm();
  }
}

/** The control words of a ledger whose threads take turns: others may run wherever one looks at them. */
export class SimControl extends Control {
  private readonly bells = new Map<string, PausingBell>();

  constructor(private readonly look: () => void) {
    super(new SharedArrayBuffer(Control.bytes));
  }

  private bell(name: string, Kind: new (look: () => void) => PausingBell = PausingBell): PausingBell {
    let bell = this.bells.get(name);
    if (bell === undefined) {
      bell = new Kind(this.look);
      this.bells.set(name, bell);
    }
    return bell;
  }

  override writerBell(): PausingBell {
    return this.bell('writer');
  }
  override shardBell(shard: number): PausingBell {
    return this.bell(`shard ${shard}`);
  }
  override frontBell(front: number): PausingBell {
    return this.bell(`front ${front}`, FrontBell);
  }

  override claimLsn(): number {
    const lsn = super.claimLsn();
    this.look();
    return lsn;
  }

  override durableLsn(): number {
    this.look();
    return super.durableLsn();
  }

  /** The durable LSN as a bystander sees it. */
  get durableNow(): number {
    return super.durableLsn();
  }

  override committed(firstLsn: number, lastLsn: number, timeMs: number): void {
    super.committed(firstLsn, lastLsn, timeMs);
    this.look();
  }
}
