import { describe, expect, it } from 'vitest';
import { LiveFigures, liveMemory, Pace } from '../src/gateway/live.js';
import { Dice } from './support/dice.js';

/** Figures by a clock that the test sets. */
function figures(gateways = 1) {
  const memory = liveMemory(gateways);
  const clock = { second: 1_000_000 };
  const of = Array.from({ length: gateways }, (_, i) => new LiveFigures(memory, i, () => clock.second));
  return { clock, of };
}

describe('latency of the last seconds', () => {
  it('is nothing where nothing was timed', () => {
    expect(figures().of[0]!.latency()).toEqual({ p50: null, p99: null });
  });

  it('is right within 9 %, whatever the distribution', () => {
    const dice = new Dice(7);
    const { of } = figures();
    const all = Array.from(
      { length: 5000 },
      () => 0.02 * 2 ** dice.below(14) * (1 + dice.below(1000) / 1000),
    );
    for (const ms of all) of[0]!.observe(ms);
    all.sort((a, b) => a - b);
    const { p50, p99 } = of[0]!.latency();
    for (const [told, exact] of [
      [p50!, all[2499]!],
      [p99!, all[4949]!],
    ] as const) {
      expect(told).toBeGreaterThanOrEqual(exact * 0.999);
      expect(told).toBeLessThanOrEqual(exact * 1.092);
    }
  });

  it('takes the shortest and the longest', () => {
    const { of } = figures();
    for (const ms of [0, 0.0001, 1e9]) of[0]!.observe(ms);
    expect(of[0]!.latency()).toEqual({ p50: 0.001, p99: 16_777.216 });
  });

  it('forgets what is older than ten seconds, also in a slot that is used again', () => {
    const { clock, of } = figures();
    of[0]!.observe(100);
    clock.second += 9;
    expect(of[0]!.latency().p50).toBeGreaterThan(99);
    clock.second += 1;
    expect(of[0]!.latency().p50).toBeNull();
    clock.second += 1;
    of[0]!.observe(1);
    expect(of[0]!.latency().p99).toBeLessThan(1.1);
  });

  it('and the connections are of all gateways together', () => {
    const { of } = figures(3);
    of.forEach((one, i) => {
      one.connections = i + 1;
      one.observe(i + 1);
    });
    for (const one of of) {
      expect(one.connections).toBe(6);
      expect(one.latency().p50).toBeGreaterThanOrEqual(2);
      expect(one.latency().p99).toBeGreaterThanOrEqual(3);
    }
  });
});

describe('the pace of the log', () => {
  it('is over the last five seconds', () => {
    const pace = new Pace(5);
    expect(pace.perSecond(0, 10)).toBe(0);
    for (let half = 0; half <= 40; half++) pace.note(half * 500, half * 50);
    expect(pace.perSecond(20_250, 2025)).toBe(100);
    // Nothing more comes.
    for (let half = 41; half <= 60; half++) pace.note(half * 500, 2000);
    expect(pace.perSecond(30_000, 2000)).toBe(0);
  });
});
