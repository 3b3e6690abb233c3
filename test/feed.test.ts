import { describe, expect, it, onTestFinished } from 'vitest';
import { Feed, type FeedOutbox } from '../src/feed/feed.js';
import { FRAME_BYTES, WINDOW_BYTES } from '../src/feed/limits.js';
import type { FeedFault, Interest } from '../src/feed/messages.js';
import { decodeJson } from '../src/gateway/json.js';
import { decodeMsgpack } from '../src/gateway/msgpack.js';
import type { Batch } from '../wal/batch.js';
import { openLogReader } from '../wal/log.js';
import { RecordLog } from './support/record-log.js';
import { temporaryDirectory } from './support/wal.js';
import { flipBatch } from './support/wal-damage.js';

/** The longest event there can be is shorter. */
const EVENT_BYTES_MAX = 20 << 10;

interface Event {
  readonly event: string;
  readonly lsn: number;
  readonly transaction?: { readonly id: string; readonly lsn: number };
}

/** A gateway that reads what it is given when the test says so. */
class Gateway implements FeedOutbox {
  readonly events = new Map<number, Event[]>();
  readonly faults: FeedFault[] = [];
  readonly frameBytes: number[] = [];
  /** By subscription, bytes not given back. */
  readonly unread = new Map<number, number>();

  frame({ subscription, bytes, transactions }: Parameters<FeedOutbox['frame']>[0]): void {
    const frame = (subscription % 2 === 0 ? decodeMsgpack(Buffer.from(bytes)) : decodeJson(bytes)) as {
      rid: number;
      events: Event[];
    };
    expect(frame.rid).toBe(subscription * 100);
    expect(frame.events.filter(({ event }) => event === 'transaction')).toHaveLength(transactions);
    this.of(subscription).push(...frame.events);
    this.frameBytes.push(bytes.length);
    this.unread.set(subscription, (this.unread.get(subscription) ?? 0) + bytes.length);
  }

  fault(fault: FeedFault): void {
    this.faults.push(fault);
  }

  of(subscription: number): Event[] {
    const events = this.events.get(subscription) ?? [];
    this.events.set(subscription, events);
    return events;
  }

  lsns(subscription: number, event = 'transaction'): number[] {
    return this.of(subscription)
      .filter((one) => one.event === event)
      .map(({ lsn }) => lsn);
  }
}

/** Sales in batches of a few, from LSN 1 on, and a feed over them. Odd subscriptions are JSON, even ones MessagePack. */
function feedOver(sales: number, perBatch = 7) {
  const data = temporaryDirectory();
  const log = new RecordLog(data);
  onTestFinished(() => log.close());
  const sell = (count: number) => {
    for (let i = 0; i < count; i++) {
      const lsn = log.transaction(`sale:${log.lsn + 1}`, `till:${log.lsn % 3}`, 'sales', 5);
      if (lsn % perBatch === 0) log.flush();
    }
    log.flush();
  };
  sell(sales);
  const reader = openLogReader({ data });
  onTestFinished(() => reader.close());
  const world = { durable: sales, nowMs: 0, asked: [] as number[] };
  const feed = new Feed({
    durableLsn: () => world.durable,
    batchAt: (lsn): Batch | undefined => {
      world.asked.push(lsn);
      return reader.batchAt(lsn);
    },
    now: () => world.nowMs,
  });
  const gateway = new Gateway();
  const add = (subscription: number, interest: Partial<Interest> = {}) =>
    feed.add(gateway, {
      tenant: 'shop',
      reach: undefined,
      accounts: undefined,
      fromLsn: 1,
      subscription,
      rid: subscription * 100,
      isBinary: subscription % 2 === 0,
      goalLsn: world.durable,
      ...interest,
    });
  const rest = () => {
    while (feed.step());
  };
  const giveBack = (subscription: number) => {
    feed.taken(gateway, subscription, gateway.unread.get(subscription) ?? 0);
    gateway.unread.set(subscription, 0);
  };
  /** Lets a subscription read until nothing more comes. */
  const drain = (subscription: number) => {
    for (let seen = -1; seen !== gateway.of(subscription).length; ) {
      seen = gateway.of(subscription).length;
      giveBack(subscription);
      rest();
    }
  };
  return { data, feed, gateway, world, add, rest, drain, giveBack, sell };
}

function upTo(last: number, from = 1): number[] {
  return Array.from({ length: last - from + 1 }, (_, i) => from + i);
}

describe('a subscription', () => {
  it.each([1, 2])('sees every record once, in order, from its LSN on (encoding %i)', (subscription) => {
    for (const fromLsn of [1, 4, 100, 500, 501]) {
      const { gateway, add, drain } = feedOver(500);
      add(subscription, { fromLsn });
      drain(subscription);
      expect(gateway.lsns(subscription)).toEqual(upTo(500, fromLsn));
      for (const { transaction, lsn } of gateway.of(subscription))
        expect(transaction).toMatchObject({ id: `sale:${lsn}`, lsn });
    }
  });

  it('sees nothing above the durable LSN, although it is in the log', () => {
    const { gateway, world, add, drain } = feedOver(100);
    world.durable = 40;
    add(1);
    drain(1);
    expect(gateway.lsns(1)).toEqual(upTo(40));
    world.durable = 41;
    drain(1);
    expect(gateway.lsns(1)).toEqual(upTo(41));
  });

  it('goes on with what is new', () => {
    const { gateway, world, add, rest, sell } = feedOver(10);
    add(1, { fromLsn: 11 });
    rest();
    expect(gateway.of(1)).toEqual([]);
    sell(5);
    world.durable = 15;
    rest();
    expect(gateway.lsns(1)).toEqual(upTo(15, 11));
  });

  it('rests when its window is used up, and goes on where it stood when it is given back', () => {
    const { gateway, world, add, rest, drain, giveBack } = feedOver(6000, 500);
    add(1);
    rest();
    const held = gateway.unread.get(1)!;
    expect(held).toBeGreaterThanOrEqual(WINDOW_BYTES);
    expect(held).toBeLessThan(WINDOW_BYTES + FRAME_BYTES + EVENT_BYTES_MAX);
    const seen = gateway.lsns(1).length;
    const asked = world.asked.length;
    world.nowMs += 60_000;
    rest();
    expect([gateway.lsns(1).length, world.asked.length]).toEqual([seen, asked]);
    giveBack(1);
    rest();
    expect(gateway.lsns(1).length).toBeGreaterThan(seen);
    drain(1);
    expect(gateway.lsns(1)).toEqual(upTo(6000));
    expect(Math.max(...gateway.frameBytes)).toBeLessThan(FRAME_BYTES + EVENT_BYTES_MAX);
  });

  it('that is far behind or rests holds up nobody', () => {
    const { feed, gateway, world, add, sell } = feedOver(30_000, 2000);
    add(1);
    add(3, { fromLsn: 30_001 });
    sell(50);
    world.durable = 30_050;
    // One turn of the one behind, at most, before the other's.
    feed.step();
    feed.step();
    expect(gateway.lsns(3)).toEqual(upTo(30_050, 30_001));
    expect(gateway.lsns(1).length).toBeLessThan(2500);
  });

  it('reads a batch once, however many turns and subscriptions it serves', () => {
    const { world, add, drain, gateway } = feedOver(4000, 4000);
    for (const subscription of [1, 2, 3, 4]) add(subscription);
    for (const subscription of [1, 2, 3, 4]) drain(subscription);
    for (const subscription of [1, 2, 3, 4]) expect(gateway.lsns(subscription)).toEqual(upTo(4000));
    expect(world.asked).toEqual([1]);
  });

  it('hears nothing more once it is removed, and others do', () => {
    const { feed, gateway, world, add, rest, sell } = feedOver(10);
    for (const subscription of [1, 2, 3]) add(subscription);
    rest();
    feed.remove(gateway, 2);
    sell(5);
    world.durable = 15;
    rest();
    expect(gateway.lsns(2)).toEqual(upTo(10));
    expect(gateway.lsns(1)).toEqual(upTo(15));
    expect(gateway.lsns(3)).toEqual(upTo(15));
    feed.removeAll(gateway);
    expect(feed.size).toBe(0);
    expect(feed.slowest(gateway)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('progress', () => {
  const nobody = { accounts: ['nobody'] };

  it('is told when the LSN of the reply is reached, and then every two seconds if LSNs moved', () => {
    const { gateway, world, add, rest, sell } = feedOver(100);
    add(1, nobody);
    rest();
    expect(gateway.lsns(1, 'progress')).toEqual([100]);
    sell(10);
    world.durable = 110;
    world.nowMs += 1999;
    rest();
    expect(gateway.lsns(1, 'progress')).toEqual([100]);
    world.nowMs += 1;
    rest();
    expect(gateway.lsns(1, 'progress')).toEqual([100, 110]);
    world.nowMs += 60_000;
    rest();
    expect(gateway.lsns(1, 'progress')).toEqual([100, 110]);
  });

  it('is told on the way through what does not match', () => {
    const { gateway, world, add, feed } = feedOver(10_000, 1000);
    add(1, nobody);
    while (feed.step()) world.nowMs += 2500;
    const told = gateway.lsns(1, 'progress');
    expect(told.length).toBeGreaterThan(2);
    expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
    expect(told.at(-1)).toBe(10_000);
  });

  it('is not told where events tell as much', () => {
    const { gateway, world, add, rest } = feedOver(100);
    add(1);
    rest();
    world.nowMs += 60_000;
    rest();
    expect(gateway.lsns(1, 'progress')).toEqual([]);
    expect(gateway.lsns(1).at(-1)).toBe(100);
  });
});

it('a damaged batch ends the subscriptions that come to it, behind what was sound; others go on', () => {
  const { data, feed, gateway, world, add, drain, sell } = feedOver(70, 7);
  flipBatch(data, 1, 36, 90);
  add(1);
  add(2, { fromLsn: 50 });
  add(3, { fromLsn: 71 });
  for (const subscription of [1, 2, 3]) drain(subscription);
  sell(3);
  world.durable = 73;
  for (const subscription of [1, 2, 3]) drain(subscription);
  expect(gateway.lsns(1)).toEqual(upTo(35));
  expect(gateway.faults).toEqual([{ subscription: 1, lsn: 36, reason: expect.stringContaining('damaged') }]);
  expect(gateway.lsns(2)).toEqual(upTo(73, 50));
  expect(gateway.lsns(3)).toEqual(upTo(73, 71));
  expect(feed.size).toBe(2);
});
