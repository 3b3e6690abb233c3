import { dirname } from 'node:path';
import type { Dice } from '../support/dice.js';
import type { Image, Place } from './image.js';
import { BYTE_KINDS, type ByteKind } from './image-map.js';

/** What was done to an image. */
export interface Damage {
  /** Of what sort, for the table. */
  readonly sort: string;
  /** Whether something that Kassa reads is certainly not as it was. */
  readonly isLive: boolean;
  /** Where, when it is one place. */
  readonly place?: Place;
  readonly what: string;
}

const PAGE = 4096;
const SECTOR = 512;

/** Damages an image: every other time some bits of one kind of byte, else something larger. */
export function damage(dice: Dice, image: Image): Damage {
  if (dice.chance(60)) return flipBits(dice, image, dice.pick([...image.places.keys()]));
  return dice.pick(WAYS)(dice, image);
}

/** Flips one to eight bits within one place. */
export function flipBits(dice: Dice, image: Image, kind: ByteKind): Damage {
  const place = dice.pick(image.places.get(kind)!);
  const bytes = image.bytes(place.file);
  const flipped = new Set<number>();
  const bits = dice.chance(70) ? 1 : 1 + dice.below(8);
  while (flipped.size < Math.min(bits, 8 * (place.to - place.from))) {
    flipped.add(8 * place.from + dice.below(8 * (place.to - place.from)));
  }
  for (const bit of flipped) bytes[bit >> 3]! ^= 1 << (bit & 7);
  image.write(place.file, bytes);
  const where = [...flipped].map((bit) => `${bit >> 3}.${bit & 7}`).join(', ');
  return { sort: kind, isLive: BYTE_KINDS[kind], place, what: `${place.file}: bits ${where} of ${kind}` };
}

type Way = (dice: Dice, image: Image) => Damage;

const segments = (image: Image) => image.files(/^log\/\d+\/data\.mdb$/);
const runs = (image: Image) => image.files(/\.run$/);
const done = (sort: string, isLive: boolean, what: string): Damage => ({ sort, isLive, what });

/** The pages of the newest commit are live; so whether a page mattered is not told here but by what is found. */
const WAYS: readonly Way[] = [
  function zeroedPage(dice, image) {
    const file = dice.pick([...segments(image), ...runs(image), ...image.files(/ids$/)]);
    const bytes = image.bytes(file);
    const size = dice.pick([SECTOR, PAGE]);
    const at = dice.below(Math.ceil(bytes.length / size)) * size;
    bytes.fill(dice.pick([0, 0xff]), at, Math.min(at + size, bytes.length));
    image.write(file, bytes);
    return done('zeroed page or sector', false, `${file}: ${size} bytes from ${at}`);
  },
  function copiedPage(dice, image) {
    const file = dice.pick(segments(image));
    const bytes = image.bytes(file);
    const size = dice.pick([SECTOR, PAGE]);
    const [from, to] = [dice.below(bytes.length / size) * size, dice.below(bytes.length / size) * size];
    bytes.copyWithin(to, from, from + size);
    image.write(file, bytes);
    return done('page or sector over another', false, `${file}: ${size} bytes from ${from} to ${to}`);
  },
  function swappedPages(dice, image) {
    const file = dice.pick(segments(image));
    const bytes = image.bytes(file);
    const [a, b] = [dice.below(bytes.length / PAGE) * PAGE, dice.below(bytes.length / PAGE) * PAGE];
    const kept = Buffer.from(bytes.subarray(a, a + PAGE));
    bytes.copyWithin(a, b, b + PAGE);
    kept.copy(bytes, b);
    image.write(file, bytes);
    return done('swapped pages', false, `${file}: ${a} and ${b}`);
  },
  function cutOff(dice, image) {
    const file = dice.pick([...segments(image), ...runs(image), ...image.files(/ids$/)]);
    const bytes = image.bytes(file);
    const size = dice.chance(30)
      ? dice.below(bytes.length)
      : bytes.length - dice.below(Math.min(bytes.length, 3 * PAGE));
    image.write(file, bytes.subarray(0, size));
    return done('cut off', false, `${file}: at ${size} of ${bytes.length}`);
  },
  function tornTail(dice, image) {
    const file = segments(image).at(-1)!;
    const bytes = image.bytes(file);
    const from = bytes.length - SECTOR * (1 + dice.below(24));
    for (let at = from; at < bytes.length; at += SECTOR) if (dice.chance(50)) bytes.fill(0, at, at + SECTOR);
    image.write(file, bytes);
    return done('torn tail of the newest segment', false, `${file}: from ${from}`);
  },
  function swappedFiles(dice, image) {
    const files = dice.chance(60) ? segments(image) : runs(image);
    const a = dice.pick(files);
    const b = dice.pick(files.filter((file) => file !== a));
    image.write(a, image.bytes(b));
    if (dice.chance(50)) image.write(b, image.bytes(a));
    return done('files in each other’s place', true, `${b} as ${a}`);
  },
  function missingSegment(dice, image) {
    const directory = dirname(dice.pick(segments(image)));
    image.remove(directory);
    return done('missing segment', true, directory);
  },
  function newestSegmentGone(_dice, image) {
    const directory = dirname(segments(image).at(-1)!);
    image.remove(directory);
    return done('newest segment gone', true, directory);
  },
  function logGone(_dice, image) {
    image.remove('log');
    return done('log gone', true, 'log');
  },
  function missingFile(dice, image) {
    const file = dice.pick([...segments(image), ...image.files(/ids$/)]);
    image.remove(file);
    return done('missing file', true, file);
  },
  function missingRuns(dice, image) {
    const all = runs(image);
    // Without its last runs, or without all, a checkpoint is an older one and as good.
    const first = dice.below(all.length);
    const gone = dice.chance(50) ? all.slice(first, first + 1) : all.slice(first);
    for (const file of gone) image.remove(file);
    return done('missing runs', false, gone.join(', '));
  },
  function staleMeta(dice, image) {
    const file = dice.pick(segments(image));
    const bytes = image.bytes(file);
    const at = bytes.readBigUInt64LE(152) > bytes.readBigUInt64LE(PAGE + 152) ? 0 : PAGE;
    // As it was some commits ago: LMDB takes the other one for the newest.
    const back = BigInt(2 * (1 + dice.below(4)));
    if (bytes.readBigUInt64LE(at + 152) <= back) return flipBits(dice, image, 'meta page: what is checked');
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at + 152) - back, at + 152);
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at + 128) - back, at + 128);
    image.write(file, bytes);
    return done('stale meta page', true, `${file}: ${back} commits ago`);
  },
  function leftovers(dice, image) {
    const some = image.bytes(dice.pick(runs(image)));
    const names = [
      'checkpoint/new-0000000000000000-0000000000000007.run',
      'log/new-0000000000000999/data.mdb',
      'log/notes.txt',
      'checkpoint/readme',
    ];
    const name = dice.pick(names);
    image.write(name, some.subarray(0, dice.below(some.length)));
    return done('leftover file', false, name);
  },
  function longerIds(dice, image) {
    const [file] = image.files(/ids$/);
    image.write(
      file!,
      Buffer.concat([image.bytes(file!), Buffer.alloc(1 + dice.below(9000), dice.below(256))]),
    );
    return done('leftover facts behind the ids', false, file!);
  },
];
