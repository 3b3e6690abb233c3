import { CODES, type Code } from '../../engine/codes.js';
import { verify } from '../../wal/verify.js';
import type { Fields } from '../support/exact-json.js';
import { addUp, type LoggedPosting, type LoggedRecord, readRecords } from '../support/log-records.js';

/** What a frame asked for, as far as it can be told from the frame. */
export interface Asked {
  /** The id of the transaction, or of each in a batch; undefined for what has none. */
  readonly ids: readonly (string | undefined)[];
  /** By id, debits positive, where they are certain. */
  readonly postings: ReadonlyMap<string, readonly LoggedPosting[] | undefined>;
}

const KINDS_OF_IDS: readonly LoggedRecord['kind'][] = ['posted', 'pending', 'reversal', 'tombstone'];

/** What the server said it did, to be held against its log when it has stopped. */
export class FuzzBooks {
  /** Ids that were acknowledged, with their postings where they are known for certain. */
  private readonly acknowledged = new Map<string, readonly LoggedPosting[] | undefined>();
  private readonly supposed = new Set<string>();
  /** How often each code was answered. */
  readonly codes = new Map<Code, number>();

  /** @throws when this is no code of the contract */
  countNumber(n: unknown): void {
    const name = Object.entries(CODES).find(([, code]) => code.n === n)?.[0];
    if (name === undefined) throw new Error(`answered with the number ${n}`);
    this.count(name);
  }

  /** @throws when this is no code of the contract */
  count(code: unknown): void {
    if (typeof code !== 'string' || !Object.hasOwn(CODES, code))
      throw new Error(`answered with the code ${code}`);
    this.codes.set(code as Code, (this.codes.get(code as Code) ?? 0) + 1);
  }

  /** An id was answered as done, now or before. */
  acknowledge(id: string, postings: readonly LoggedPosting[] | undefined): void {
    if (this.acknowledged.get(id) === undefined) this.acknowledged.set(id, postings);
  }

  /** These may have been acknowledged: it cannot be told. */
  suppose(ids: Iterable<string | undefined>): void {
    for (const id of ids) if (id !== undefined) this.supposed.add(id);
  }

  /** Takes a body of the contract: an outcome, or a batch of them. */
  takeBody(body: Fields, asked: Asked | undefined): void {
    const results = body['results'];
    if (Array.isArray(results)) {
      for (const result of results as Fields[]) {
        if (result['ok'] !== true) this.count(result['code']);
        else this.takeBody(result, asked);
      }
      return;
    }
    this.count(body['duplicate'] === true ? 'duplicate' : 'ok');
    const { id, status } = body;
    if (typeof id === 'string' && typeof status === 'string') this.acknowledge(id, asked?.postings.get(id));
  }

  /**
   * Holds the log against all that was acknowledged: nothing lost, nothing more, every record balanced, and what accounts say is what the records
   * add up to.
   * @param balances debits less credits by account, as the server told them at the end
   * @returns what is wrong
   */
  async problems(data: string, balances: ReadonlyMap<string, bigint>): Promise<string[]> {
    const records = readRecords(data);
    const problems: string[] = [];
    const logged = new Map<string, LoggedRecord>();
    for (const record of records) {
      if (!KINDS_OF_IDS.includes(record.kind)) continue;
      if (logged.has(record.id)) problems.push(`${record.id} is in the log twice`);
      logged.set(record.id, record);
      const isKnown = this.acknowledged.has(record.id) || this.supposed.has(record.id);
      if (!isKnown) problems.push(`${record.id} is in the log and was never acknowledged`);
    }
    for (const [id, postings] of this.acknowledged) {
      const record = logged.get(id);
      if (record === undefined) problems.push(`${id} was acknowledged and is not in the log`);
      else if (postings !== undefined && !samePostings(postings, record.postings)) {
        problems.push(`${id} is in the log with other postings`);
      }
    }
    const nets = addUp(records);
    for (const [account, balance] of balances) {
      if ((nets.get(account) ?? 0n) !== balance)
        problems.push(`${account} says ${balance}, the log ${nets.get(account)}`);
    }
    const { findings } = await verify({ data });
    return [...problems, ...findings.map(({ where, problem }) => `${where}: ${problem}`)];
  }
}

function samePostings(a: readonly LoggedPosting[], b: readonly LoggedPosting[]): boolean {
  return (
    a.length === b.length &&
    a.every((posting, i) => posting.account === b[i]!.account && posting.amount === b[i]!.amount)
  );
}

/** Reads of a decoded frame or body which postings it asks for under which id; what is strange about it is left out. */
export function askedBy(frame: unknown): Asked {
  const ids: (string | undefined)[] = [];
  const postings = new Map<string, readonly LoggedPosting[] | undefined>();
  const add = (id: unknown, legs: readonly LoggedPosting[] | undefined) => {
    ids.push(typeof id === 'string' ? id : undefined);
    // The same id twice in one batch: which of the two was taken is not told.
    if (typeof id === 'string') postings.set(id, postings.has(id) ? undefined : legs);
  };
  if (Array.isArray(frame)) {
    const entries = Array.isArray(frame[1]) ? (frame[1] as unknown[]) : [frame.slice(1)];
    for (const entry of entries) {
      if (Array.isArray(entry)) add(entry[0], compactPostings(entry));
      else add(undefined, undefined);
    }
  } else if (typeof frame === 'object' && frame !== null) {
    const { transactions, op } = frame as Fields;
    const isCreating = op === undefined || op === 'transaction' || op === 'batch';
    for (const body of (Array.isArray(transactions) ? transactions : [frame]) as (Fields | null)[]) {
      if (typeof body === 'object' && body !== null)
        add(body['id'], isCreating ? mapPostings(body) : undefined);
    }
  }
  return { ids, postings };
}

function compactPostings(entry: readonly unknown[]): readonly LoggedPosting[] | undefined {
  if (!Array.isArray(entry[1])) return shortPostings(entry[1], entry[2], entry[3]);
  return all(
    (entry[1] as unknown[]).map((leg) => (Array.isArray(leg) ? posting(leg[0], leg[1], 1n) : undefined)),
  );
}

function mapPostings(body: Fields): readonly LoggedPosting[] | undefined {
  const { postings } = body;
  if (postings === undefined) return shortPostings(body['debit'], body['credit'], body['amount']);
  if (!Array.isArray(postings)) return undefined;
  return all(
    (postings as (Fields | null)[]).map((leg) => {
      if (typeof leg !== 'object' || leg === null) return undefined;
      const isCredit = leg['credit'] !== undefined;
      return posting(leg['account'], leg[isCredit ? 'credit' : 'debit'], isCredit ? -1n : 1n);
    }),
  );
}

function shortPostings(
  debit: unknown,
  credit: unknown,
  amount: unknown,
): readonly LoggedPosting[] | undefined {
  return all([posting(debit, amount, 1n), posting(credit, amount, -1n)]);
}

function posting(account: unknown, amount: unknown, sign: bigint): LoggedPosting | undefined {
  const isNumber =
    Number.isSafeInteger(amount) ||
    typeof amount === 'bigint' ||
    (typeof amount === 'string' && /^-?\d+$/.test(amount));
  if (typeof account !== 'string' || !isNumber) return undefined;
  return { account, amount: sign * BigInt(amount as number) };
}

function all(postings: readonly (LoggedPosting | undefined)[]): readonly LoggedPosting[] | undefined {
  return postings.every((one) => one !== undefined) ? (postings as readonly LoggedPosting[]) : undefined;
}
