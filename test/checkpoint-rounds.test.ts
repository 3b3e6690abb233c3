import { describe, expect, it } from 'vitest';
import { CHECKPOINT_INTERVAL_MS, CheckpointRounds } from '../wal/checkpoint-rounds.js';
import type { LogPosition } from '../wal/store.js';

const HASH = new Uint8Array(32);

/** A checkpointer whose rounds take so long on a clock of its own. */
class Fake {
  nowMs = 1000;
  roundMs = 0;
  recordsMax = Number.MAX_SAFE_INTEGER;
  fails = false;
  position: LogPosition = { lsn: 0, timeMs: 0, hash: HASH };

  advance(toLsn: number): boolean {
    this.nowMs += this.roundMs;
    if (this.fails) throw new Error('no space left');
    const lsn = Math.min(toLsn, this.position.lsn + this.recordsMax);
    this.position = { ...this.position, lsn };
    return lsn < toLsn;
  }
}

function started(records: number) {
  const fake = new Fake();
  const rounds = new CheckpointRounds(
    fake,
    records,
    () => false,
    () => {},
  );
  const step = (durableLsn: number) => rounds.step(durableLsn, () => fake.nowMs);
  step(0);
  return { fake, step };
}

describe('a round of the checkpoint', () => {
  it('begins when so many records are new, or after the interval if any is', () => {
    const { fake, step } = started(10);
    expect(step(9).wasTried).toBe(false);
    expect(step(10).wasTried).toBe(true);
    expect(step(12).wasTried).toBe(false);
    fake.nowMs += CHECKPOINT_INTERVAL_MS;
    expect(step(12).wasTried).toBe(true);
    fake.nowMs += CHECKPOINT_INTERVAL_MS;
    expect(step(12).wasTried).toBe(false);
  });

  it('is followed by a rest of nine times its length', () => {
    const { fake, step } = started(10);
    fake.roundMs = 20;
    expect(step(10).wasTried).toBe(true);
    fake.nowMs += 9 * 20 - 1;
    expect(step(1000).wasTried).toBe(false);
    fake.nowMs += 1;
    expect(step(1000).wasTried).toBe(true);
  });

  it('that is full is followed by the next one at once', () => {
    const { fake, step } = started(10);
    fake.roundMs = 20;
    fake.recordsMax = 50;
    expect(step(120)).toEqual({ wasTried: true, isMore: true });
    expect(step(120)).toEqual({ wasTried: true, isMore: true });
    expect(step(120)).toEqual({ wasTried: true, isMore: false });
    expect(fake.position.lsn).toBe(120);
    expect(step(200).wasTried).toBe(false);
  });

  it('that failed is tried again after the interval', () => {
    const { fake, step } = started(10);
    fake.fails = true;
    expect(step(10)).toEqual({ wasTried: true, isMore: false });
    fake.fails = false;
    expect(step(100).wasTried).toBe(false);
    fake.nowMs += CHECKPOINT_INTERVAL_MS;
    expect(step(100).wasTried).toBe(true);
    expect(fake.position.lsn).toBe(100);
  });
});
