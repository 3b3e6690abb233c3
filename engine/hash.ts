/**
 * Keyed hashing of ids and contents: HalfSipHash-2-4 with 64-bit output (Aumasson, Bernstein 2012; 32-bit words
 * because JavaScript has no cheap 64-bit integers). The key is random per ledger, so nobody outside can
 * choose ids that collide in a table.
 */

/** A view of these bytes, as the hashes want it. */
export function dataViewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The two words of the last {@link halfSip} call. */
export const digest = new Uint32Array(2);

/**
 * Hashes the bytes of `view` from `from` to `to` under the 64-bit key (k0, k1) into {@link digest}.
 *
 * The two rounds of a step are written out, and the end is more steps of the same body with nothing to mix in: as loops over one round
 * 16 bytes took 46 ns, so 33. Words are read by a DataView: put together from bytes, 38 bytes took 63 ns and not 49.
 */
export function halfSip(view: DataView, from: number, to: number, k0: number, k1: number): void {
  let v0 = k0 | 0;
  let v1 = (k1 ^ 0xee) | 0;
  let v2 = (k0 ^ 0x6c796765) | 0;
  let v3 = (k1 ^ 0x74656462) | 0;
  const length = to - from;
  const whole = from + (length & ~3);
  let at = from;
  let m = 0;
  for (; at < whole; at += 4) {
    m = view.getInt32(at, true);
    v3 ^= m;
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
    v0 ^= m;
  }
  const left = length & 3;
  m = length << 24;
  if (left > 2) m |= view.getUint8(at + 2) << 16;
  if (left > 1) m |= view.getUint8(at + 1) << 8;
  if (left > 0) m |= view.getUint8(at);
  // The last bytes with the length, then twice four rounds, each of which gives a word.
  for (let step = 0; step < 5; step++) {
    v3 ^= m;
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
    v0 ^= m;
    if (step === 0) {
      v2 ^= 0xee;
      m = 0;
    } else if (step === 2) {
      digest[0] = v1 ^ v3;
      v1 ^= 0xdd;
    }
  }
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
  const inputView = dataViewOf(input);
  const words: number[] = [];
  for (let purpose = 0; purpose < 3; purpose++) {
    input[0] = purpose;
    const half = purpose === 1 ? 8 : 0;
    halfSip(inputView, 0, input.length, view.getUint32(half, true), view.getUint32(half + 4, true));
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
function hasTag(view: DataView, from: number, to: number): boolean {
  let at = from;
  while (at < to && view.getUint8(at) !== OPEN) at++;
  if (at >= to) return false;
  tagFrom = at + 1;
  for (at = tagFrom; at < to; at++) {
    if (view.getUint8(at) === CLOSE) {
      tagTo = at;
      return tagTo > tagFrom;
    }
  }
  return false;
}

/** As {@link hashAccount}, of an id without `{`. */
export function hashUntagged(
  view: DataView,
  from: number,
  to: number,
  keys: TenantKeys,
  out: Uint32Array,
  at: number,
): void {
  halfSip(view, from, to, keys.a0, keys.a1);
  out[at] = digest[0]!;
  out[at + 1] = digest[1]!;
}

/**
 * The hash of an account id, into `out[at]` (route: which shard) and `out[at + 1]` (place in that shard's table).
 * The route is the hash of the tag where there is one.
 */
export function hashAccount(
  view: DataView,
  from: number,
  to: number,
  keys: TenantKeys,
  out: Uint32Array,
  at: number,
): void {
  hashUntagged(view, from, to, keys, out, at);
  if (hasTag(view, from, to)) {
    halfSip(view, tagFrom, tagTo, keys.a0, keys.a1);
    out[at] = digest[0]!;
  }
}

/**
 * The 128-bit fingerprint of a transaction id into `out[0..3]`; word 0 is the route, so home can be told from it.
 * @param mayHaveTag false when the id is known to hold no `{`
 */
export function fingerprint(
  view: DataView,
  from: number,
  to: number,
  keys: TenantKeys,
  out: Uint32Array,
  mayHaveTag = true,
): void {
  halfSip(view, from, to, keys.b0, keys.b1);
  out[2] = digest[0]!;
  out[3] = digest[1]!;
  if (mayHaveTag) hashAccount(view, from, to, keys, out, 0);
  else hashUntagged(view, from, to, keys, out, 0);
}

/** The shard of a route: equal slices of the 32-bit space, so that a checkpoint sorted by route reads in slices. */
export function shardOf(route: number, shards: number): number {
  return Math.floor((route / 4294967296) * shards);
}
