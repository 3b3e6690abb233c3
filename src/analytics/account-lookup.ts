import { ACCOUNT_TYPES } from '../../engine/accounts.js';
import { POSTINGS_MAX } from '../../engine/limits.js';
import { RecordKind, type RecordView } from '../../engine/record.js';
import {
  type AccountState,
  changedState,
  NO_STATE,
  readState,
  STATE_COLUMNS,
  stateOf,
} from './account-state.js';
import { AccountTable } from './account-table.js';
import type { Database, Row } from './database.js';
import { binaryText, RowBuffer } from './row-buffer.js';

/** Whole states of accounts that were changed. Beyond, they are forgotten between two batches. */
const STATES_KEPT = 1 << 14;
/** More than a batch can make. */
const MADE_MAX = 1 << 22;

export interface LookupSizes {
  /** Accounts of which a posting's columns are remembered, at least so many, at most twice. */
  readonly accounts: number;
  /** Different triples of type, group and currency; accounts share them. Beyond, all is forgotten. */
  readonly labels: number;
  /** Accounts asked for at once, and a record's more: no more than the other two. */
  readonly wanted: number;
}
const SIZES: LookupSizes = { accounts: 1 << 19, labels: 1 << 18, wanted: 1 << 17 };

/** Takes the names of accounts that are asked for. */
export const LOOKUPS = 'account_lookups';

/** What a posting says of its account: encoded as the columns type, group and currency. */
export interface Label {
  readonly bytes: Uint8Array;
  readonly currency: string;
  /** The same, encoded. */
  readonly currencyBytes: Uint8Array;
}

/** A name for maps: ids hold no zero. */
function keyOf(tenant: string, account: string): string {
  return `${tenant}\0${account}`;
}

/** The bytes of a key, and where tenant and account begin in them. */
function binaryKey(key: string): [bytes: Uint8Array, tenantAt: number, idAt: number] {
  const end = key.indexOf('\0');
  const bytes = Buffer.concat([binaryText(key.slice(0, end)), binaryText(key.slice(end + 1))]);
  return [bytes, 0, end + 1];
}

type Labelled = Pick<AccountState, 'type' | 'currency' | 'group'>;

/**
 * Accounts as they are at the LSN that the encoder has come to. What it does not remember it asks the table `accounts` for, as of the first LSN
 * of the batch, and what the batch itself has said about accounts stands above that: so a row depends on its LSN alone, and not
 * on who encodes it, when, or what he remembers.
 */
export class AccountLookup {
  private readonly table: AccountTable;
  private labels: Label[] = [];
  private readonly labelIndexes = new Map<string, number>();
  /** Of accounts that an update has changed, in this batch or shortly before. */
  private readonly states = new Map<string, AccountState>();
  /** Of accounts that this batch has made: where their rows begin in {@link rows}. */
  private made = new AccountTable(MADE_MAX);
  private rows = new RowBuffer();
  private readonly wantedLabels = new Set<string>();
  private readonly wantedStates = new Set<string>();
  private readonly wanted = new RowBuffer();

  constructor(
    private readonly database: Database,
    private readonly sizes = SIZES,
  ) {
    this.table = new AccountTable(sizes.accounts);
  }

  /** Forgets everything: the encoder goes back. */
  clear(): void {
    this.states.clear();
    this.forgetLabels();
    this.wantedLabels.clear();
    this.wantedStates.clear();
  }

  /** A batch begins. @param rows that its rows of `accounts` will be written to */
  beginBatch(rows: RowBuffer): void {
    this.rows = rows;
    this.made = new AccountTable(MADE_MAX);
    if (this.states.size > STATES_KEPT) this.states.clear();
  }

  /** The label of a leg's account; undefined when it has to be asked for. */
  label(view: RecordView, leg: number): Label | undefined {
    const index = this.table.get(view.bytes, view.tenantAt - 1, view.accountAt[leg]! - 1);
    return index < 0 ? undefined : this.labels[index];
  }

  /** An account was made; its row begins at `rowAt` of the batch's rows. */
  created(view: RecordView, rowAt: number): void {
    this.made.set(view.bytes, view.tenantAt - 1, view.idAt - 1, rowAt);
    this.remember(view, ACCOUNT_TYPES[view.n]!, view.currency, view.group);
  }

  /** The state after an account's update; undefined when the one before has to be asked for and is not known to be missing. */
  updated(view: RecordView, isKnown: boolean): AccountState | undefined {
    const key = keyOf(view.tenant, view.id);
    const before =
      this.states.get(key) ??
      this.madeState(view.bytes, view.tenantAt - 1, view.idAt - 1) ??
      (isKnown ? NO_STATE : undefined);
    if (before === undefined) return undefined;
    const state = changedState(view, before);
    this.states.set(key, state);
    this.remember(view, state.type, state.currency, state.group);
    return state;
  }

  /** Before anything is wanted: what is found then is not forgotten while the rest is being found. */
  makeRoom(): void {
    if (this.labels.length + this.sizes.wanted + POSTINGS_MAX > this.sizes.labels) this.forgetLabels();
  }

  /** Notes what a record needs and is not here. @returns false when enough is wanted for one question */
  want(view: RecordView): boolean {
    if (view.kind === RecordKind.accountUpdate) {
      const key = keyOf(view.tenant, view.id);
      if (!this.states.has(key)) this.wantedStates.add(key);
    }
    for (let leg = 0; view.kind < RecordKind.account && leg < view.n; leg++) {
      if (this.label(view, leg) === undefined) this.wantedLabels.add(keyOf(view.tenant, view.account(leg)));
    }
    return this.wantedLabels.size + this.wantedStates.size < this.sizes.wanted;
  }

  /**
   * Asks the table for what is wanted. All batches before the one that is being encoded must be there.
   * @param firstLsn of the batch
   */
  async resolve(firstLsn: number): Promise<void> {
    for (const key of this.wantedLabels) {
      // Forgotten since this batch said it: the table does not have it yet.
      const state = this.states.get(key) ?? this.madeState(...binaryKey(key));
      if (state === undefined) continue;
      this.wantedLabels.delete(key);
      this.setLabel(key, state);
    }
    const labels = await this.ask(this.wantedLabels, 'type, currency, `group`', firstLsn);
    const states = await this.ask(this.wantedStates, STATE_COLUMNS, firstLsn);
    for (const [tenant, account, ...row] of states) {
      const key = keyOf(tenant as string, account as string);
      if (!this.states.has(key)) this.states.set(key, stateOf(row));
    }
    for (const [tenant, account, type, currency, group] of labels) {
      this.setLabel(keyOf(tenant as string, account as string), { type, currency, group } as Labelled);
    }
    this.wantedLabels.clear();
    this.wantedStates.clear();
  }

  /** The newest rows below an LSN of the accounts named: tenant, account and the columns asked for. */
  private async ask(keys: ReadonlySet<string>, columns: string, beforeLsn: number): Promise<readonly Row[]> {
    if (keys.size === 0) return [];
    const { wanted } = this;
    wanted.clear();
    for (const key of keys) {
      const [bytes] = binaryKey(key);
      wanted.ensure(bytes.length);
      wanted.put(bytes);
    }
    await this.database.command(`TRUNCATE TABLE ${LOOKUPS}`);
    await this.database.insert({
      table: LOOKUPS,
      structure: 'tenant String, account String',
      bytes: wanted.filled,
    });
    const named = `(tenant, account) IN (SELECT tenant, account FROM ${LOOKUPS})`;
    return await this.database.rows(
      `SELECT tenant, account, untuple(argMax((${columns}), lsn)) FROM accounts ` +
        `WHERE lsn < {before:UInt64} AND ${named} GROUP BY tenant, account`,
      { before: beforeLsn },
    );
  }

  private setLabel(key: string, { type, currency, group }: Labelled): void {
    this.table.set(...binaryKey(key), this.labelIndex(type, currency, group));
  }

  private remember(view: RecordView, type: string, currency: string, group: string): void {
    const label = this.labelIndex(type, currency, group);
    this.table.set(view.bytes, view.tenantAt - 1, view.idAt - 1, label);
  }

  private labelIndex(type: string, currency: string, group: string): number {
    const key = `${type} ${currency} ${group}`;
    const known = this.labelIndexes.get(key);
    if (known !== undefined) return known;
    if (this.labels.length === this.sizes.labels) this.forgetLabels();
    // As the columns stand in the table.
    const bytes = Buffer.concat([type, group, currency].map(binaryText));
    const index = this.labels.push({ bytes, currency, currencyBytes: binaryText(currency) }) - 1;
    this.labelIndexes.set(key, index);
    return index;
  }

  private forgetLabels(): void {
    this.table.clear();
    this.labels = [];
    this.labelIndexes.clear();
  }

  private madeState(bytes: Uint8Array, tenantAt: number, idAt: number): AccountState | undefined {
    const at = this.made.get(bytes, tenantAt, idAt);
    return at < 0 ? undefined : readState(this.rows.filled, at);
  }
}
