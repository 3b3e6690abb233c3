import { randomInt } from 'node:crypto';

/** A generation starts so small, and doubles. */
const ENTRIES_FIRST = 1 << 10;
const KEY_BYTES_FIRST = 1 << 14;

/**
 * Small numbers by account (tenant and id), for very many accounts, and bounded: two generations, of which the older is dropped when the
 * newer is full; whatever is used meanwhile moves over. So what was used lately stays, and no entry is ever looked for to be thrown out.
 * Names are compared as bytes with their length bytes, as they stand in records; looking one up makes no garbage.
 */
export class AccountTable {
  private young: Generation;
  private old: Generation;
  /** So that nobody can choose ids that fall together. */
  private readonly seed = randomInt(1 << 30);

  /** @param capacity of each generation; a power of two */
  constructor(private readonly capacity: number) {
    this.young = new Generation(capacity);
    this.old = new Generation(capacity);
  }

  /**
   * @param tenantAt where the tenant's length byte is
   * @param idAt where the id's length byte is
   * @returns -1 when the account is not here
   */
  get(bytes: Uint8Array, tenantAt: number, idAt: number): number {
    const hash = this.hash(bytes, tenantAt, idAt);
    const entry = this.young.find(hash, bytes, tenantAt, idAt);
    if (entry >= 0) return this.young.values[entry]!;
    const before = this.old.find(hash, bytes, tenantAt, idAt);
    if (before < 0) return -1;
    const value = this.old.values[before]!;
    this.add(hash, bytes, tenantAt, idAt, value);
    return value;
  }

  set(bytes: Uint8Array, tenantAt: number, idAt: number, value: number): void {
    const hash = this.hash(bytes, tenantAt, idAt);
    const entry = this.young.find(hash, bytes, tenantAt, idAt);
    if (entry >= 0) this.young.values[entry] = value;
    else this.add(hash, bytes, tenantAt, idAt, value);
  }

  clear(): void {
    this.young = new Generation(this.capacity);
    this.old = new Generation(this.capacity);
  }

  private add(hash: number, bytes: Uint8Array, tenantAt: number, idAt: number, value: number): void {
    if (this.young.count === this.capacity) {
      this.old = this.young;
      this.young = new Generation(this.capacity);
    }
    this.young.add(hash, bytes, tenantAt, idAt, value);
  }

  /** FNV-1a over both names, length bytes included. */
  private hash(bytes: Uint8Array, tenantAt: number, idAt: number): number {
    let hash = this.seed ^ 0x811c9dc5;
    const tenantEnd = tenantAt + 1 + bytes[tenantAt]!;
    for (let at = tenantAt; at < tenantEnd; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    const idEnd = idAt + 1 + bytes[idAt]!;
    for (let at = idAt; at < idEnd; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    return (hash ^ (hash >>> 15)) | 0;
  }
}

/** Open addressing; entries are only added, or their value changed. */
class Generation {
  count = 0;
  values = new Int32Array(ENTRIES_FIRST);
  private hashes = new Int32Array(ENTRIES_FIRST);
  private keyAt = new Uint32Array(ENTRIES_FIRST);
  /** Entry plus one, 0 where there is none; twice as many as entries. */
  private slots = new Int32Array(2 * ENTRIES_FIRST);
  private keys = new Uint8Array(KEY_BYTES_FIRST);
  private keyEnd = 0;

  constructor(private readonly capacity: number) {}

  find(hash: number, bytes: Uint8Array, tenantAt: number, idAt: number): number {
    const { slots, hashes } = this;
    const mask = slots.length - 1;
    for (let slot = hash & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const entry = slots[slot]! - 1;
      if (hashes[entry] === hash && this.isNamed(entry, bytes, tenantAt, idAt)) return entry;
    }
    return -1;
  }

  add(hash: number, bytes: Uint8Array, tenantAt: number, idAt: number, value: number): void {
    if (this.count === this.values.length) this.grow();
    const entry = this.count++;
    this.values[entry] = value;
    this.hashes[entry] = hash;
    this.keyAt[entry] = this.keyEnd;
    this.addKey(bytes, tenantAt);
    this.addKey(bytes, idAt);
    this.place(entry);
  }

  private isNamed(entry: number, bytes: Uint8Array, tenantAt: number, idAt: number): boolean {
    const { keys } = this;
    let key = this.keyAt[entry]!;
    const tenantEnd = tenantAt + 1 + bytes[tenantAt]!;
    for (let at = tenantAt; at < tenantEnd; at++) if (keys[key++] !== bytes[at]) return false;
    const idEnd = idAt + 1 + bytes[idAt]!;
    for (let at = idAt; at < idEnd; at++) if (keys[key++] !== bytes[at]) return false;
    return true;
  }

  private addKey(bytes: Uint8Array, from: number): void {
    const end = from + 1 + bytes[from]!;
    if (this.keyEnd + end - from > this.keys.length) this.keys = grown(this.keys);
    for (let at = from; at < end; at++) this.keys[this.keyEnd++] = bytes[at]!;
  }

  private place(entry: number): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let slot = this.hashes[entry]! & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = entry + 1;
  }

  private grow(): void {
    const length = Math.min(2 * this.values.length, this.capacity);
    const copy = <T extends Int32Array | Uint32Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.values = copy(this.values, new Int32Array(length));
    this.hashes = copy(this.hashes, new Int32Array(length));
    this.keyAt = copy(this.keyAt, new Uint32Array(length));
    this.slots = new Int32Array(2 * length);
    for (let entry = 0; entry < this.count; entry++) this.place(entry);
  }
}

function grown(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * bytes.length);
  larger.set(bytes);
  return larger;
}
