import { CLOSED, FROZEN, HAS_MAX, HAS_MIN } from './accounts.js';
import { CODES } from './codes.js';
import { Command, ResultFlag } from './command.js';
import { Change, Read } from './earmark.js';
import { isEmpty, judgeLimits } from './ledger.js';
import { Has, RecordKind, RecordView, RecordWriter } from './record.js';
import { type Memory, memoryOf, type Shard } from './shard.js';

/** Bits of an account's update as a command: those of the record, and which of them are given. */
export const UpdateFlag = { frozen: 1, closed: 2, givesFrozen: 4, givesClosed: 8 } as const;

/** Bits of an account in an answer. */
export const AccountFlag = { frozen: 1, closed: 2, hasMin: 4, hasMax: 8 } as const;

/** Commands about one account, at the shard that owns it. */
export class AccountDesk {
  private readonly view = new RecordView();
  private readonly payload = new RecordWriter();

  constructor(private readonly shard: Shard) {}

  /** Points the view at a command's payload. @returns the account's row, or -1 */
  private open(memory: Memory, m: number, kind: number): number {
    const { state } = this.shard;
    this.view
      .over(memory.bytes, memory.view)
      .readPayload(
        m + Command.header,
        kind,
        memory.bytes[m + Command.n]!,
        memory.view.getUint16(m + Command.presence, true),
      );
    const tenant = state.tenantOf(this.view);
    const hash = memory.u32[(m + Command.fingerprint + 4) >> 2]!;
    return state.accounts.find(hash, tenant.number, this.view.bytes, this.view.idAt, this.view.idLength);
  }

  create(front: number, memory: Memory, m: number): void {
    const { state, out } = this.shard;
    const { accounts } = state;
    const { view } = this;
    const known = this.open(memory, m, RecordKind.account);
    const slot = memory.u32[(m + Command.slot) >> 2]!;
    const c0 = memory.u32[(m + Command.content) >> 2]!;
    const c1 = memory.u32[(m + Command.content + 4) >> 2]!;
    if (known >= 0) {
      if (accounts.createdWith(known, c0, c1)) this.readRow(known, front, slot, ResultFlag.known);
      else out.answer(front, slot, CODES.account_exists.n, 0, 0, 0, accounts.lsn(known));
      return;
    }
    if ((view.has(Has.min) && view.min > 0n) || (view.has(Has.max) && view.max < 0n)) {
      out.answer(front, slot, CODES.limit_exceeded.n, 0, 0, 0, 0);
      return;
    }
    view.c0 = c0;
    view.c1 = c1;
    const lsn = out.env.claimLsn();
    out.record(lsn, RecordKind.account, view.n, view.presence, c0, c1, view.view, view.from, view.end);
    const hash = memory.u32[(m + Command.fingerprint + 4) >> 2]!;
    const row = state.addAccount(view, state.tenantOf(view), hash, lsn);
    this.readRow(row, front, slot, 0);
  }

  update(front: number, memory: Memory, m: number): void {
    const row = this.open(memory, m, RecordKind.accountUpdate);
    if (row < 0) {
      this.notFound(front, memory, m);
      return;
    }
    const length = memory.u32[m >> 2]!;
    const change = new Change(row, front, memory.bytes.slice(m, m + ((length + 7) & ~7)));
    if (this.shard.owner.isAccountContended(row)) this.shard.owner.change(change);
    else this.decideUpdate(change);
  }

  /** The owner has nothing standing on the account any more, unless a void or expiry came meanwhile: then it will say so again. */
  decideChange(change: Change): void {
    // A void or an expiry may have been granted since, past the queue; when it has ended the change is announced again.
    if (this.shard.owner.hasEarmarks(change.row)) {
      change.announced = false;
      return;
    }
    this.decideUpdate(change);
    this.shard.owner.changed(change);
  }

  private decideUpdate(change: Change): void {
    const { state, out } = this.shard;
    const { accounts } = state;
    const { view } = this;
    const memory = memoryOf(change.command);
    const { row, front } = change;
    this.open(memory, 0, RecordKind.accountUpdate);
    const slot = memory.u32[Command.slot >> 2]!;
    const flags = view.has(Has.flags) ? view.flags : 0;
    let code = 0;
    if (flags & UpdateFlag.closed && !isEmpty(accounts, row)) code = CODES.balance_not_zero.n;
    if (code === 0)
      code = judgeLimits(
        accounts,
        row,
        view.has(Has.min) ? view.min : null,
        view.has(Has.max) ? view.max : null,
      );
    if (code !== 0) {
      this.shard.refuse(
        front,
        slot,
        memory.bytes[Command.flags]!,
        code,
        accounts.lsn(row),
        this.shard.detailOf(row, code, 0n, 0n),
      );
      return;
    }
    if (view.has(Has.flags)) {
      const now = accounts.flags(row);
      let after = 0;
      if (flags & UpdateFlag.givesFrozen ? flags & UpdateFlag.frozen : now & FROZEN)
        after |= UpdateFlag.frozen;
      if (flags & UpdateFlag.givesClosed ? flags & UpdateFlag.closed : now & CLOSED)
        after |= UpdateFlag.closed;
      // The flags are the last of the fields that have bytes.
      view.bytes[view.end - 1] = after;
      view.flags = after;
    }
    const c0 = memory.u32[Command.content >> 2]!;
    const c1 = memory.u32[(Command.content + 4) >> 2]!;
    const lsn = out.env.claimLsn();
    out.record(lsn, RecordKind.accountUpdate, 0, view.presence, c0, c1, view.view, view.from, view.end);
    state.updateAccount(view, row, lsn);
    this.readRow(row, front, slot, 0);
  }

  read(front: number, memory: Memory, m: number): void {
    const row = this.open(memory, m, RecordKind.accountUpdate);
    if (row < 0) this.notFound(front, memory, m);
    else this.readRow(row, front, memory.u32[(m + Command.slot) >> 2]!, 0);
  }

  private notFound(front: number, memory: Memory, m: number): void {
    const detail = { account: this.view.id, available: '', required: '', shortage: '' };
    const slot = memory.u32[(m + Command.slot) >> 2]!;
    this.shard.refuse(front, slot, memory.bytes[m + Command.flags]!, CODES.account_not_found.n, 0, detail);
  }

  private readRow(row: number, front: number, slot: number, flags: number): void {
    const { accounts } = this.shard.state;
    if (this.shard.owner.hasEarmarks(row)) {
      this.shard.owner.read(new Read(row, front, slot, flags, this.shard.out.env.claimedLsn(), accounts));
      return;
    }
    this.answer(
      row,
      front,
      slot,
      flags,
      accounts.lsn(row),
      accounts.debitsPosted(row),
      accounts.creditsPosted(row),
      accounts.debitsPending(row),
      accounts.creditsPending(row),
    );
  }

  /** The earmarks that a read waited for are gone. */
  answerRead(read: Read): void {
    const { row, front, slot, flags, lsn } = read;
    this.answer(
      row,
      front,
      slot,
      flags,
      lsn,
      read.debits,
      read.credits,
      read.debitsPending,
      read.creditsPending,
    );
  }

  private answer(
    row: number,
    front: number,
    slot: number,
    flags: number,
    lsn: number,
    debits: bigint,
    credits: bigint,
    debitsPending: bigint,
    creditsPending: bigint,
  ): void {
    const { accounts } = this.shard.state;
    const { payload } = this;
    payload.start();
    payload.i64(debits);
    payload.i64(credits);
    payload.i64(debitsPending);
    payload.i64(creditsPending);
    payload.i64(accounts.min(row));
    payload.i64(accounts.max(row));
    payload.u8(accounts.type(row));
    const set = accounts.flags(row);
    payload.u8(
      (set & FROZEN ? AccountFlag.frozen : 0) |
        (set & CLOSED ? AccountFlag.closed : 0) |
        (set & HAS_MIN ? AccountFlag.hasMin : 0) |
        (set & HAS_MAX ? AccountFlag.hasMax : 0),
    );
    payload.text(accounts.currency(row));
    payload.text(accounts.group(row));
    payload.long(Buffer.from(accounts.metadata(row), 'utf8'));
    this.shard.out.answerWith(front, slot, CODES.ok.n, flags, 0, lsn, lsn, payload);
  }
}
