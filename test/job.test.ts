import { describe, expect, test } from 'vitest';
import { shardOf } from '../engine/hash.js';
import { Job } from '../engine/job.js';
import { RecordKind } from '../engine/record.js';
import type { State } from '../engine/state.js';

const SHARDS = 5;
const FINGERPRINT = Uint32Array.of(1, 2, 3, 4);

/** A job whose legs are at these routes, with a payload of so many bytes that count up. */
function filled(job: Job, routes: readonly number[], payloadBytes: number): Job {
  const words = routes.length * 2;
  const message = new Uint8Array(8 + words * 4 + ((payloadBytes + 7) & ~7));
  const u32 = new Uint32Array(message.buffer);
  routes.forEach((route, leg) => {
    u32[2 + leg * 2] = route;
  });
  for (let i = 0; i < payloadBytes; i++) message[8 + words * 4 + i] = i;
  job.begin(0, 0, 0, FINGERPRINT, RecordKind.posted, routes.length, 0, 0, 0);
  job.copyBody(u32, 2, words, payloadBytes);
  return job;
}

const payloadOf = (job: Job): number[] => [
  ...job.bytes.subarray(job.payloadAt, job.payloadAt + job.payloadBytes),
];

describe('a job', () => {
  test('asks each shard of its legs once, in ascending order', () => {
    const routes = [7, 1 << 31, 3 << 30, 5, 1 << 29, 0xffffffff].map((route) => route >>> 0);
    const job = filled(new Job(SHARDS), routes, 10);
    job.findParticipants({ shards: SHARDS } as State);
    const expected = [...new Set(routes.map((route) => shardOf(route, SHARDS)))].sort((a, b) => a - b);
    expect(expected.length).toBeGreaterThan(2);
    expect([...job.participants.subarray(0, job.participantCount)]).toEqual(expected);
  });

  test.each([1, 70, 239, 240, 241, 4000])('keeps a payload of %i bytes whole', (bytes) => {
    const job = filled(new Job(SHARDS), [1, 2], bytes);
    expect(payloadOf(job)).toEqual(Array.from({ length: bytes }, (_, i) => i & 255));
  });

  test('that is used again has nothing of the one before', () => {
    const job = filled(new Job(SHARDS), [1, 2, 1 << 30, 0xf0000000], 600);
    job.findParticipants({ shards: SHARDS } as State);
    job.asked = 2;
    job.currency = 7;
    job.currencies.fill(9);
    job.waiting.push({ front: 0, command: new Uint8Array(8) });
    job.batches.push(1);
    expect(job.clear()).toBe(true);
    filled(job, [3, 4], 20).findParticipants({ shards: SHARDS } as State);
    expect(job).toMatchObject({ asked: 0, currency: 0, hold: undefined, waiting: [], batches: [] });
    expect(job.participantCount).toBe(1);
    expect([...job.currencies.subarray(0, 2)]).toEqual([0, 0]);
    expect(payloadOf(job)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  test('that has grown large is not used again', () => {
    expect(filled(new Job(SHARDS), [1, 2], 9000).clear()).toBe(false);
  });
});
