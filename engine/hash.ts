/**
 * Keyed hashing of ids and contents: HalfSipHash-2-4 with 64-bit output (Aumasson, Bernstein 2012; 32-bit words
 * because JavaScript has no cheap 64-bit integers). The key is random per ledger, so nobody outside can
 * choose ids that collide in a table.
 */

/** The two words of the last {@link halfSip} call. */
export const digest = new Uint32Array(2);

/** Hashes `bytes[from, to)` under the 64-bit key (k0, k1) into {@link digest}. */
export function halfSip(bytes: Uint8Array, from: number, to: number, k0: number, k1: number): void {
  let v0 = k0 | 0;
  let v1 = (k1 ^ 0xee) | 0;
  let v2 = (k0 ^ 0x6c796765) | 0;
  let v3 = (k1 ^ 0x74656462) | 0;
  const length = to - from;
  const whole = from + (length & ~3);
  let at = from;
  for (;;) {
    let m: number;
    if (at < whole) {
      m = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    } else {
      m = length << 24;
      const left = length & 3;
      if (left > 2) m |= bytes[at + 2]! << 16;
      if (left > 1) m |= bytes[at + 1]! << 8;
      if (left > 0) m |= bytes[at]!;
    }
    v3 ^= m;
    for (let round = 0; round < 2; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    v0 ^= m;
    if (at >= whole) break;
    at += 4;
  }
  v2 ^= 0xee;
  let first = 0;
  for (let round = 0; round < 8; round++) {
    if (round === 4) {
      first = v1 ^ v3;
      v1 ^= 0xdd;
    }
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  digest[0] = first;
  digest[1] = v1 ^ v3;
}

/**
 * The keys of one tenant. Mixing the tenant into the key makes (tenant, id) one hash of the id alone.
 * a: route and table hash; b: second half of a fingerprint; c: content.
 */
export interface TenantKeys {
  readonly a0: number;
  readonly a1: number;
  readonly b0: number;
  readonly b1: number;
  readonly c0: number;
  readonly c1: number;
}

/** Derives a tenant's keys from the ledger's 16-byte key. */
export function tenantKeys(ledgerKey: Uint8Array, tenant: string): TenantKeys {
  const view = new DataView(ledgerKey.buffer, ledgerKey.byteOffset, 16);
  const input = new TextEncoder().encode(` ${tenant}`);
  const words: number[] = [];
  for (let purpose = 0; purpose < 3; purpose++) {
    input[0] = purpose;
    const half = purpose === 1 ? 8 : 0;
    halfSip(input, 0, input.length, view.getUint32(half, true), view.getUint32(half + 4, true));
    words.push(digest[0]!, digest[1]!);
  }
  return { a0: words[0]!, a1: words[1]!, b0: words[2]!, b1: words[3]!, c0: words[4]!, c1: words[5]! };
}

const OPEN = 0x7b;
const CLOSE = 0x7d;

/** Where the tag of the last {@link hasTag} call lies. */
let tagFrom = 0;
let tagTo = 0;

/** As in Redis Cluster: the bytes between the first `{` and the first `}` after it, unless empty. */
function hasTag(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  while (at < to && bytes[at] !== OPEN) at++;
  if (at >= to) return false;
  tagFrom = at + 1;
  for (at = tagFrom; at < to; at++) {
    if (bytes[at] === CLOSE) {
      tagTo = at;
      return tagTo > tagFrom;
    }
  }
  return false;
}

/**
 * The hash of an account id, into `out[at]` (route: which shard) and `out[at + 1]` (place in that shard's table).
 * The route is the hash of the tag where there is one.
 */
export function hashAccount(
  bytes: Uint8Array,
  from: number,
  to: number,
  keys: TenantKeys,
  out: Uint32Array,
  at: number,
): void {
  halfSip(bytes, from, to, keys.a0, keys.a1);
  out[at] = digest[0]!;
  out[at + 1] = digest[1]!;
  if (hasTag(bytes, from, to)) {
    halfSip(bytes, tagFrom, tagTo, keys.a0, keys.a1);
    out[at] = digest[0]!;
  }
}

/** The 128-bit fingerprint of a transaction id into `out[0..3]`; word 0 is the route, so home can be told from it. */
export function fingerprint(
  bytes: Uint8Array,
  from: number,
  to: number,
  keys: TenantKeys,
  out: Uint32Array,
): void {
  halfSip(bytes, from, to, keys.b0, keys.b1);
  out[2] = digest[0]!;
  out[3] = digest[1]!;
  hashAccount(bytes, from, to, keys, out, 0);
}

/** The shard of a route: equal slices of the 32-bit space, so that a checkpoint sorted by route reads in slices. */
export function shardOf(route: number, shards: number): number {
  return Math.floor((route / 4294967296) * shards);
}
