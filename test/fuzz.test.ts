import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { verify } from '../wal/verify.js';
import { fuzzDecoders } from './fuzz/decoders.js';
import { fuzzFrames } from './fuzz/frames.js';
import { Image } from './fuzz/image.js';
import { BYTE_KINDS } from './fuzz/image-map.js';
import { fuzzImages } from './fuzz/images.js';
import { makeSoundLedger } from './fuzz/sound-ledger.js';
import { kassa, ServerProcess, until } from './support/server.js';

/** A little of what `npm run fuzz` does much of. Seed and input of a failure stand in its message. */

const SEED = Number(process.env['KASSA_TEST_SEED'] ?? 20_261_120) || Date.now() % 2 ** 31;

describe('hostile bytes', { timeout: 180_000 }, () => {
  let data: string;

  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'kassa-fuzz-'));
    await makeSoundLedger(data);
  });

  afterAll(() => rmSync(data, { recursive: true, force: true }));

  it('are refused by every decoder, or read as a reference reads them, without a hang and within their memory', async () => {
    const reports = await fuzzDecoders(data, 2200, SEED);
    expect(
      reports.flatMap(({ target, failures }) => failures.map((failure) => ({ target, ...failure }))),
    ).toEqual([]);
    // A target that never gets on is not tried at all.
    for (const { target, corpus } of reports) expect(corpus, target).toBeGreaterThan(0);
  });

  it('get an answer each from a server whose books hold what it acknowledged and nothing else', async () => {
    const { failures, codes } = await fuzzFrames(2000, SEED);
    expect(failures, `seed ${SEED}`).toEqual([]);
    for (const code of ['ok', 'duplicate', 'invalid_request', 'invalid_amount', 'unauthenticated']) {
      expect(codes[code], code).toBeGreaterThan(0);
    }
  });
});

describe('a damaged data directory', { timeout: 180_000 }, () => {
  let data: string;
  let image: Image;

  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'kassa-fuzz-'));
    await makeSoundLedger(data);
    image = new Image(data);
  });

  afterEach(() => image.restore());
  afterAll(() => rmSync(data, { recursive: true, force: true }));

  it('ends `kassa verify` with 1 and `kassa serve` with 3, both by segment and LSN, where the log is damaged', async () => {
    // Not the last batch, which the writer would see before there are other threads: a shard finds it while the others still begin.
    const place = image.places
      .get('batch: records')!
      .toSorted((one, other) => one.lsn - other.lsn)
      .at(-2)!;
    const bytes = image.bytes(place.file);
    bytes[place.from]! ^= 1;
    image.write(place.file, bytes);
    const segment = place.file.split('/')[1]!;
    const verified = await kassa(['verify', '--data', data]);
    expect(verified).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(`segment ${segment}, LSN ${place.lsn}`),
    });
    for (const shards of [1, 2, 4, 8]) {
      const server = await ServerProcess.launch({ data, shards });
      expect(await server.exited).toEqual({ code: 3, signal: null });
      expect(server.stderr()).toContain(`segment ${segment} at LSN ${place.lsn}`);
      expect(server.stderr()).toContain(`Run \`kassa verify --data ${data}\` to see more`);
    }
  });

  it('is served all the same where only the checkpoint is damaged, and has a sound one afterwards', async () => {
    const place = image.places.get('checkpoint: accounts')![0]!;
    const bytes = image.bytes(place.file);
    bytes[place.from]! ^= 1;
    image.willChange('log');
    image.write(place.file, bytes);
    expect((await kassa(['verify', '--data', data])).stdout).toContain(place.file);
    const server = await ServerProcess.start({ data, args: ['--checkpoint-records', '1'] });
    await until(
      () => {
        const names = filesOf(join(data, 'checkpoint'));
        return names.some((name) => name.endsWith('.run')) && !names.includes(basename(place.file));
      },
      30_000,
      () => 'no new checkpoint',
    );
    expect(await server.stop()).toMatchObject({ code: 0 });
    expect(await verify({ data })).toMatchObject({ ok: true });
  });

  it('is named by verify, and refused by a start or brought to the same state', async () => {
    const { failures, sorts } = await fuzzImages(250, SEED);
    expect(failures, `seed ${SEED}`).toEqual([]);
    const live = sorts.filter(({ sort }) => BYTE_KINDS[sort as keyof typeof BYTE_KINDS]);
    expect(live.length).toBeGreaterThan(12);
    // Of the commit ids a bit may heal itself.
    for (const { sort, images, byVerify, harmless } of live) {
      expect(byVerify + (sort === 'meta page: commit id' ? harmless : 0), sort).toBe(images);
    }
  });
});

/** None while the directory is being replaced, as a damaged checkpoint's is. */
function filesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
