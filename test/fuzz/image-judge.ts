import { State } from '../../engine/state.js';
import { Checkpointer } from '../../wal/checkpoint.js';
import { readRuns } from '../../wal/checkpoint-files.js';
import { loadCheckpoint } from '../../wal/checkpoint-load.js';
import { DamagedLogError } from '../../wal/errors.js';
import { openLog } from '../../wal/log.js';
import { checkTail, recover } from '../../wal/recover.js';
import { type Finding, stateHash, verify } from '../../wal/verify.js';
import type { Image } from './image.js';
import type { Damage } from './image-damage.js';

const SHARDS = 2;

/** What a start made of an image. */
export type Start =
  | { readonly kind: 'refused'; readonly error: DamagedLogError }
  | { readonly kind: 'started' | 'rebuilt'; readonly hash: string };

export interface Verdict {
  readonly findings: readonly Finding[];
  readonly start: Start;
  /** Promises that were broken. */
  readonly broken: readonly string[];
}

/** Looks at a damaged image with `verify` and with a start, and at whether both did what is promised. */
export class Judge {
  private readonly soundHash: string;

  constructor(private readonly image: Image) {
    const start = startFrom(image.data, image.ledger.key);
    if (start.kind === 'refused') throw start.error;
    this.soundHash = start.hash;
  }

  /** @param rebuild whether to make a damaged checkpoint anew as the running server does, and to hold it against the log */
  async judge(damage: Damage, rebuild: boolean): Promise<Verdict> {
    const { image } = this;
    const findings = await findingsOf(image.data);
    const start = startFrom(image.data, image.ledger.key);
    const broken = [
      ...this.brokenByStart(start),
      ...brokenByVerify(damage, findings, start),
      ...(start.kind === 'rebuilt' && rebuild ? await this.brokenByRebuilding() : []),
    ];
    return { findings, start, broken };
  }

  private brokenByStart(start: Start): string[] {
    if (start.kind !== 'refused')
      return start.hash === this.soundHash ? [] : ['it started with another state'];
    const { segment, lsn, message } = start.error;
    const isClear = /^\d{16}$/.test(segment) && lsn >= 1 && message.includes('Run `kassa verify --data');
    return isClear ? [] : [`the refusal does not say where and what next: ${message}`];
  }

  private async brokenByRebuilding(): Promise<string[]> {
    const { data, ledger } = this.image;
    const log = openLog({ data });
    const { lsn } = log.last;
    log.close();
    this.image.willChange('checkpoint');
    new Checkpointer(data, ledger, true).advance(lsn, () => false);
    const state = new State(0, 1, ledger.key);
    loadCheckpoint(state, data, readRuns(data, ledger.id));
    return stateHash(state) === this.soundHash ? [] : ['the rebuilt checkpoint says other than the log'];
  }
}

/** Of a log that is gone `verify` has nothing to report on: it says so by its error. */
async function findingsOf(data: string): Promise<readonly Finding[]> {
  try {
    return (await verify({ data })).findings;
  } catch (error) {
    if (!(error instanceof DamagedLogError)) throw error;
    return [{ where: `segment ${error.segment}, LSN ${error.lsn}`, problem: error.reason }];
  }
}

/** What the threads of a start do, one after the other. @throws whatever is not a refusal */
function startFrom(data: string, key: Uint8Array): Start {
  try {
    const log = openLog({ data });
    const { lsn } = log.last;
    log.close();
    const recovered = Array.from({ length: SHARDS }, (_, shard) =>
      recover(() => new State(shard, SHARDS, key), data, lsn),
    );
    checkTail(data, lsn);
    const hash = stateHash(...recovered.map(({ state }) => state));
    return { kind: recovered.some(({ fault }) => fault !== undefined) ? 'rebuilt' : 'started', hash };
  } catch (error) {
    if (error instanceof DamagedLogError) return { kind: 'refused', error };
    throw error;
  }
}

/**
 * A newest commit whose id lost two looks like one whose meta page could not be written, which a sound log may hold; where the batch is there as a
 * whole it is taken, so nothing is lost (see `newestMeta`).
 */
function isHealed({ sort }: Damage, start: Start): boolean {
  return sort === 'meta page: commit id' && start.kind === 'started';
}

function brokenByVerify(damage: Damage, findings: readonly Finding[], start: Start): string[] {
  const broken: string[] = [];
  const said = findings.map(({ where, problem }) => `${where}: ${problem}`);
  if (damage.isLive && findings.length === 0 && !isHealed(damage, start))
    broken.push('verify does not see it');
  if (start.kind !== 'started' && findings.length === 0)
    broken.push(`verify sees nothing where a start is ${start.kind}`);
  if (damage.isLive && damage.place !== undefined && findings.length > 0) {
    const { file, lsn, kind } = damage.place;
    const segment = /^log\/(\d+)\//.exec(file)?.[1];
    const name = segment === undefined ? file : `segment ${segment}`;
    if (!said.some((line) => line.includes(name)))
      broken.push(`verify does not name ${name}: ${said.join('; ')}`);
    // Of a page the first LSN is named from which on it cannot be read.
    const lsns = findings.map(({ where }) => Number(/LSN (\d+)$/.exec(where)?.[1]));
    const isNamed = kind.startsWith('batch') ? lsns.includes(lsn) : lsns.some((found) => found <= lsn);
    if (lsn > 0 && !isNamed) broken.push(`verify does not name LSN ${lsn}: ${said.join('; ')}`);
  }
  return broken;
}
