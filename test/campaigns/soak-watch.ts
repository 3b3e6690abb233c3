import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openFiles, ownBytes, threads } from '../support/process-figures.js';
import type { ServerProcess } from '../support/server.js';

/** What a server takes while it works, and the laws that it must keep. */

export interface Sample {
  readonly operations: number;
  readonly reversals: number;
  readonly ownBytes: number;
  /** What accounts and remembered ids take, as the server itself counts. */
  readonly dataBytes: number;
  readonly ids: number;
  readonly accounts: number;
  readonly openFiles: number;
  readonly threads: number;
  readonly connections: number;
  readonly openHolds: number;
  readonly lsn: number;
}

/** One life of the server: from its start to its end. */
export interface Life {
  readonly shards: number;
  readonly endedBy: string;
  readonly operations: number;
  readonly records: number;
  /** Own memory after the warm-up and at the end, as medians. */
  readonly bytesWarm: number;
  readonly bytesEnd: number;
  /** How much of the growth the accounts and ids account for. */
  readonly dataGrowth: number;
  /** The rest of it, and how much that may be. */
  readonly besides: number;
  readonly allowed: number;
  readonly openFilesMax: number;
  readonly threadsMax: number;
}

/** What is not memory of accounts and ids may move by so much: young generations, garbage, buffers of sockets and of the checkpointer. */
export const SLACK_BYTES = 48 << 20;
/** A shard's rings: 3 of 8 MiB and some of 1 MiB. Their pages are taken when they are first used, within so many operations a shard. */
export const RING_BYTES = 28 << 20;
const RINGS_FILLED = 100_000;
/** Tables that have doubled leave their old half with the allocator. */
export const TABLE_SLACK = 0.5;
/** Kept for ever for each transaction that was reversed: its sums, leg by leg. */
export const REVERSAL_BYTES = 400;
/** Beyond it nothing may stay of an operation. */
export const BYTES_PER_OPERATION = 16;
/** Log, checkpoint, libraries and pipes, without connections. */
const OTHER_FILES_MAX = 120;
/** Main, shards, writer, reader, checkpointer, and what Node.js has for each and for itself. */
const THREADS_MAX = 40;
/** The first part of a life fills rings, young generations and tables for the first time. */
const WARM_UP = 0.3;
const TAIL = 0.2;

export async function sample(
  server: ServerProcess,
  { operations, reversals }: { readonly operations: number; readonly reversals: number },
): Promise<Sample> {
  const figures = await server.metrics();
  const figure = (name: string) => figures.get(name)!;
  return {
    operations,
    reversals,
    ownBytes: ownBytes(server.pid),
    dataBytes: figure('kassa_remembered_id_bytes') + figure('kassa_account_bytes'),
    ids: figure('kassa_remembered_ids'),
    accounts: figure('kassa_accounts'),
    openFiles: openFiles(server.pid),
    threads: threads(server.pid),
    connections: figure('kassa_connections'),
    openHolds: figure('kassa_open_holds'),
    lsn: figure('kassa_durable_lsn'),
  };
}

export function lifeOf(shards: number, endedBy: string, samples: readonly Sample[]): Life {
  const first = samples[0]!;
  const last = samples.at(-1)!;
  const operations = last.operations - first.operations;
  const warm = samples.filter((one) => one.operations - first.operations >= WARM_UP * operations);
  const count = Math.max(1, Math.floor(TAIL * samples.length));
  const head = warm.slice(0, count);
  const tail = warm.slice(-count);
  const [bytesWarm, bytesEnd] = [median(head, 'ownBytes'), median(tail, 'ownBytes')];
  const dataGrowth = median(tail, 'dataBytes') - median(head, 'dataBytes');
  const since = warm[0]!;
  const rings = since.operations - first.operations < shards * RINGS_FILLED ? shards * RING_BYTES : 0;
  return {
    shards,
    endedBy,
    operations,
    records: last.lsn - first.lsn,
    bytesWarm,
    bytesEnd,
    dataGrowth,
    besides: bytesEnd - bytesWarm - dataGrowth,
    allowed:
      SLACK_BYTES +
      rings +
      TABLE_SLACK * dataGrowth +
      REVERSAL_BYTES * (last.reversals - since.reversals) +
      BYTES_PER_OPERATION * (last.operations - since.operations),
    openFilesMax: Math.max(...samples.map((one) => one.openFiles - one.connections)),
    threadsMax: Math.max(...samples.map((one) => one.threads)),
  };
}

/** @throws when a life took what it may not */
export function checkLife(life: Life): void {
  const { besides, allowed, openFilesMax, threadsMax } = life;
  const faults = [
    besides > allowed && `${besides} bytes grew beside accounts and ids, more than ${allowed}`,
    openFilesMax > OTHER_FILES_MAX && `${openFilesMax} files were open beside connections`,
    threadsMax > THREADS_MAX && `${threadsMax} threads`,
  ].filter((fault) => fault !== false);
  if (faults.length > 0) throw new Error(`${faults.join('; ')}: ${JSON.stringify(life)}`);
}

function median(samples: readonly Sample[], figure: 'ownBytes' | 'dataBytes'): number {
  const sorted = samples.map((one) => one[figure]).sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

/** Bytes on the disk below a directory. */
export function diskBytes(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).blocks * 512, 0);
}
