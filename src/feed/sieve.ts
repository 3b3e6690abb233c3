import { RecordKind, type RecordView } from '../../engine/record.js';
import type { Interest } from './messages.js';

const WILDCARD = '*';

interface Pattern {
  readonly bytes: Uint8Array;
  readonly isPrefix: boolean;
}

/**
 * Which records a subscription shows, told from their bytes. A token's reach is judged as `status` judges it: every account of the transaction,
 * of an end all those of its hold, must be within it. (The record of an end names every leg of its hold.) A tombstone names no account: it is
 * within every reach, and none of the accounts that a subscription names.
 */
export class Sieve {
  private readonly tenant: Uint8Array;
  private readonly reach: readonly Pattern[] | undefined;
  private readonly accounts: readonly Pattern[] | undefined;

  constructor({ tenant, reach, accounts }: Interest) {
    this.tenant = Buffer.from(tenant, 'latin1');
    this.reach = reach?.map((prefix) => ({ bytes: Buffer.from(prefix), isPrefix: true }));
    this.accounts = accounts?.map(patternOf);
  }

  takes(view: RecordView): boolean {
    if (view.kind >= RecordKind.account) return false;
    const { tenant, reach, accounts } = this;
    if (view.tenantLength !== tenant.length || !startsWith(view.bytes, view.tenantAt, tenant)) return false;
    if (reach !== undefined) {
      for (let leg = 0; leg < view.n; leg++) if (!isAny(reach, view, leg)) return false;
    }
    if (accounts === undefined) return true;
    for (let leg = 0; leg < view.n; leg++) if (isAny(accounts, view, leg)) return true;
    return false;
  }
}

function patternOf(text: string): Pattern {
  const isPrefix = text.endsWith(WILDCARD);
  return { bytes: Buffer.from(isPrefix ? text.slice(0, -1) : text), isPrefix };
}

function isAny(patterns: readonly Pattern[], view: RecordView, leg: number): boolean {
  const at = view.accountAt[leg]!;
  const length = view.accountLength[leg]!;
  for (let i = 0; i < patterns.length; i++) {
    const { bytes, isPrefix } = patterns[i]!;
    const fits = isPrefix ? length >= bytes.length : length === bytes.length;
    if (fits && startsWith(view.bytes, at, bytes)) return true;
  }
  return false;
}

function startsWith(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}
