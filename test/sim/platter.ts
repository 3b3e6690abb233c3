import type { Dice } from '../support/dice.js';

/*
 * What a disk in memory remembers: directories, files of bytes, and the entries of segments, each with what is visible and what would be
 * there after the power failed.
 *
 * - Bytes are durable once the file was synced; until then each write by itself may be kept, lost or torn at any byte.
 * - A name (new, moved, removed) is durable once its directory was synced; until then each change by itself may be lost. One change is
 *   whole: of a rename both names change or none.
 * - A commit of entries is durable when it returns. One that is under way, or has failed, may be there or not, but whole.
 * - When only the process dies all that was written stays visible, synced or not; a later power failure may still take it.
 */

/** A change of names that a sync of one of its directories makes durable. */
interface NameChange {
  readonly names: readonly {
    readonly directory: Directory;
    readonly name: string;
    readonly node: Node | undefined;
  }[];
}

export type Node = Directory | Bytes | Entries;

export class Directory {
  readonly names = new Map<string, Node>();
  readonly durable = new Map<string, Node>();
}

/** A write, or a cut (without bytes), since the last sync. */
interface Write {
  readonly at: number;
  readonly bytes: Uint8Array | undefined;
}

export class Bytes {
  private content = Buffer.alloc(0);
  private length = 0;
  private durable = Buffer.alloc(0);
  private writes: Write[] = [];

  get size(): number {
    return this.length;
  }

  get isSynced(): boolean {
    return this.writes.length === 0;
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    const end = Math.min(position + length, this.length);
    if (end <= position) return 0;
    into.set(this.content.subarray(position, end), at);
    return end - position;
  }

  write(bytes: Uint8Array, position: number): void {
    const copy = bytes.slice();
    this.writes.push({ at: position, bytes: copy });
    this.put(copy, position);
  }

  truncate(size: number): void {
    this.writes.push({ at: size, bytes: undefined });
    this.cut(size);
  }

  private put(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.content.length) {
      const bigger = Buffer.alloc(Math.max(end, 2 * this.content.length));
      this.content.copy(bigger, 0, 0, this.length);
      this.content = bigger;
    }
    this.content.set(bytes, position);
    this.length = Math.max(this.length, end);
  }

  private cut(size: number): void {
    if (size < this.length) this.content.fill(0, size, this.length);
    else this.put(new Uint8Array(size - this.length), this.length);
    this.length = size;
  }

  sync(): void {
    if (this.writes.length === 0) return;
    this.durable = Buffer.from(this.content.subarray(0, this.length));
    this.writes = [];
  }

  /** The power failed. */
  lose(dice: Dice): void {
    const { writes } = this;
    this.content = Buffer.from(this.durable);
    this.length = this.content.length;
    for (const { at, bytes } of writes) {
      if (dice.chance(50)) continue;
      if (bytes === undefined) this.cut(at);
      else this.put(bytes.subarray(0, dice.chance(50) ? bytes.length : dice.below(bytes.length + 1)), at);
    }
    this.writes = [];
    this.durable = Buffer.from(this.content.subarray(0, this.length));
  }

  /** Another bit where this one was, in the cache and on the disk. Done again, it is as before. */
  flip(bit: number): void {
    const at = bit >>> 3;
    const mask = 1 << (bit & 7);
    this.content[at] = this.content[at]! ^ mask;
    if (at < this.durable.length) this.durable[at] = this.durable[at]! ^ mask;
  }
}

/** One entry of a segment. */
export interface Entry {
  readonly key: number;
  value: Uint8Array;
}

export class Entries {
  readonly list: Entry[] = [];
  /** Those that are there after the power failed. */
  durable = 0;
  /** A commit that has begun and not ended. */
  pending: Entry | undefined;
  /** What flipped bits have made of the number of the newest commit. */
  txnidFlips = 0;

  get isSynced(): boolean {
    return this.durable === this.list.length && this.pending === undefined;
  }

  sync(): void {
    this.durable = this.list.length;
  }

  /** The process died: what was under way may have come as far as the cache. */
  abandon(dice: Dice): void {
    if (this.pending !== undefined && dice.chance(50)) this.list.push(this.pending);
    this.pending = undefined;
  }

  /** The power failed. */
  lose(dice: Dice): void {
    this.abandon(dice);
    while (this.list.length > this.durable && dice.chance(50)) this.list.pop();
    this.sync();
  }
}

export class Platter {
  readonly root = new Directory();
  private changes: NameChange[] = [];
  /** Files that may have something to lose. */
  private readonly dirty = new Set<Bytes | Entries>();

  /** A file may have something to lose from now on. */
  touch(node: Bytes | Entries): void {
    this.dirty.add(node);
  }

  /** The names of a path that are there, and what the last of them leads to. */
  find(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const name of partsOf(path)) {
      if (!(node instanceof Directory)) return undefined;
      node = node.names.get(name);
    }
    return node;
  }

  /** The directory that a path's last name is in, and that name. */
  place(path: string): { readonly directory: Directory; readonly name: string } {
    const parts = partsOf(path);
    const name = parts.pop()!;
    const directory = this.find(parts.join('/'));
    if (!(directory instanceof Directory)) throw new Error(`ENOENT: no such directory, ${path}`);
    return { directory, name };
  }

  /** Changes names, visibly. */
  change(...names: NameChange['names']): void {
    for (const { directory, name, node } of names) setName(directory.names, name, node);
    this.changes.push({ names });
  }

  /** Makes all changes in a directory durable, and those of others that came before in what they touch. */
  syncDirectory(directory: Directory): void {
    const needed = new Set([directory]);
    const kept: NameChange[] = [];
    const chosen: NameChange[] = [];
    for (let i = this.changes.length - 1; i >= 0; i--) {
      const change = this.changes[i]!;
      const isNeeded = change.names.some((name) => needed.has(name.directory));
      if (isNeeded) for (const name of change.names) needed.add(name.directory);
      (isNeeded ? chosen : kept).push(change);
    }
    this.changes = kept.reverse();
    for (const change of chosen.reverse()) makeDurable(change);
  }

  /** The process died. */
  abandon(dice: Dice): void {
    for (const node of this.dirty) if (node instanceof Entries) node.abandon(dice);
  }

  /** The power failed: what was not synced is kept, lost or torn. */
  lose(dice: Dice): void {
    for (const node of this.dirty) node.lose(dice);
    this.dirty.clear();
    const { changes } = this;
    this.changes = [];
    const keepPercent = dice.pick([0, 30, 50, 70, 100]);
    for (const change of changes) if (dice.chance(keepPercent)) makeDurable(change);
    forget(this.root);
  }
}

function makeDurable(change: NameChange): void {
  for (const { directory, name, node } of change.names) setName(directory.durable, name, node);
}

function setName(names: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) names.delete(name);
  else names.set(name, node);
}

/** What is visible is what was durable. */
function forget(directory: Directory): void {
  directory.names.clear();
  for (const [name, node] of directory.durable) {
    directory.names.set(name, node);
    if (node instanceof Directory) forget(node);
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}
