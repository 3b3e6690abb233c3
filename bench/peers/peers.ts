import { findPostgres, type PostgresPeer } from './postgres.js';
import { findTigerbeetle, type TigerbeetlePeer } from './tigerbeetle.js';

/** Other ledgers and databases that can be measured beside Kassa on this machine. */
export interface Peers {
  readonly postgres: PostgresPeer | undefined;
  readonly tigerbeetle: TigerbeetlePeer | undefined;
  /** What is missing, and how to get it. */
  readonly hints: readonly string[];
}

const GET_TIGERBEETLE =
  'TigerBeetle is measured too with --tigerbeetle PATH; ' +
  'its binary, version 0.17.9, is at https://github.com/tigerbeetle/tigerbeetle/releases';

/**
 * @param directory where data will be
 * @param tigerbeetle path of its server, if the user gave one
 * @throws when that cannot be used
 */
export async function findPeers(directory: string, tigerbeetle: string | undefined): Promise<Peers> {
  const postgres = findPostgres(directory);
  const hints: string[] = [];
  if (typeof postgres === 'string') hints.push(postgres);
  if (tigerbeetle === undefined) hints.push(GET_TIGERBEETLE);
  return {
    postgres: typeof postgres === 'string' ? undefined : postgres,
    tigerbeetle: tigerbeetle === undefined ? undefined : await findTigerbeetle(tigerbeetle),
    hints,
  };
}
