import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzzDecoders, type TargetReport } from './decoders.js';
import { fuzzFrames } from './frames.js';
import { fuzzImages } from './images.js';
import { makeSoundLedger } from './sound-ledger.js';

/** The command of the fuzzing campaigns: what `npm test` does a little of. */

const HELP = `Usage: npm run fuzz -- [--decoders 100000] [--frames 100000] [--images 10000] [--seed N] [--json]

Tries to break what reads foreign bytes, and says how far it came. A number of 0 leaves a part out.

  --decoders N   inputs to the decoders by themselves, guided by the coverage of our code, each with a deadline and its memory measured:
                 MessagePack, JSON, commands, heads, tokens, batches, records, segment headers, LMDB pages, checkpoint runs and ids
  --frames N     hostile frames, HTTP bodies, heads and tokens over sockets to a server process; its answers, books and memory are checked
  --images N     damaged data directories: "kassa verify" must name the damage, a start must refuse it or come to the same state
  --seed N       repeats a run (default: by the clock)
  --json         print the report as JSON

Exit codes: 0 nothing was found, 1 something was, 2 the command line cannot be used.
`;

const EXIT_FOUND = 1;
const EXIT_USAGE = 2;

interface Flags {
  readonly decoders: number;
  readonly frames: number;
  readonly images: number;
  readonly seed: number;
  readonly json: boolean;
}

function readFlags(): Flags {
  const { values } = parseArgs({
    options: {
      decoders: { type: 'string', default: '100000' },
      frames: { type: 'string', default: '100000' },
      images: { type: 'string', default: '10000' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const number = (name: 'decoders' | 'frames' | 'images' | 'seed'): number => {
    const n = Number(values[name]);
    if (!Number.isSafeInteger(n) || n < 0)
      throw new Error(`--${name} is a whole number from 0, not ${values[name]}`);
    return n;
  };
  return {
    decoders: number('decoders'),
    frames: number('frames'),
    images: number('images'),
    seed: number('seed'),
    json: values.json,
  };
}

let flags: Flags;
try {
  flags = readFlags();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${HELP}`);
  process.exit(EXIT_USAGE);
}

const { decoders, frames, images, seed } = flags;
say(`seed ${seed}`);
const report = {
  seed,
  decoders: decoders === 0 ? undefined : await attackDecoders(),
  frames: frames === 0 ? undefined : await fuzzFrames(frames, seed, progress('frames', frames)),
  images: images === 0 ? undefined : await fuzzImages(images, seed, progress('images', images)),
};
const failures = [
  ...(report.decoders?.flatMap(({ target, failures: found }) =>
    found.map(({ problem, input }) => `${target}: ${problem}\n  input ${input}`),
  ) ?? []),
  ...(report.frames?.failures ?? []),
  ...(report.images?.failures.map(
    ({ image, what, broken }) => `image ${image}, ${what}: ${broken.join('; ')}`,
  ) ?? []),
];
if (flags.json) process.stdout.write(`${JSON.stringify({ ...report, failures }, null, 2)}\n`);
else tell();
process.exitCode = failures.length === 0 ? 0 : EXIT_FOUND;

async function attackDecoders(): Promise<readonly TargetReport[]> {
  const data = mkdtempSync(join(tmpdir(), 'kassa-fuzz-'));
  try {
    await makeSoundLedger(data);
    let done = 0;
    return await fuzzDecoders(data, decoders, seed, (target) => {
      done += target.inputs;
      progress('decoders', decoders)(done);
    });
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

/** One line on a terminal that is written over; nothing elsewhere. */
function progress(what: string, total: number): (done: number) => void {
  return (done) => {
    if (!process.stderr.isTTY) return;
    process.stderr.write(`\r\u001b[K${done >= total ? '' : `${what} ${done} of ${total}`}`);
  };
}

function say(line: string): void {
  if (!flags.json) process.stdout.write(`${line}\n`);
}

function tell(): void {
  for (const { target, inputs, corpus, blocks, allocatedMax } of report.decoders ?? []) {
    say(
      `${target.padEnd(18)} ${inputs} inputs, ${corpus} kept, ${blocks} blocks, at most ${mib(allocatedMax)} allocated`,
    );
  }
  if (report.frames !== undefined) {
    const { sent, codes, memory } = report.frames;
    say(`sent: ${pairs(sent)}`);
    say(`answered: ${pairs(codes)}`);
    say(
      `memory: ${mib(memory.early)} early, ${mib(memory.late)} late, ${mib(memory.highest)} at its highest`,
    );
  }
  if (report.images !== undefined) {
    say(`${'damage'.padEnd(40)} images  verify  refused  rebuilt  only verify  harmless`);
    for (const { sort, images: n, byVerify, refused, rebuilt, onlyVerify, harmless } of report.images.sorts) {
      const cells = [n, byVerify, refused, rebuilt, onlyVerify, harmless].map((cell, i) =>
        String(cell).padStart([6, 8, 9, 9, 13, 10][i]!),
      );
      say(`${sort.padEnd(40)} ${cells.join('')}`);
    }
  }
  for (const failure of failures) say(`FOUND ${failure}`);
  say(failures.length === 0 ? 'nothing was found' : `${failures.length} found; --seed ${seed} repeats it`);
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function pairs(counts: { readonly [name: string]: number }): string {
  return Object.entries(counts)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ');
}
