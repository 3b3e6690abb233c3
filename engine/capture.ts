import { CODES } from './codes.js';
import type { Hold } from './holds.js';
import { Leg, RecordKind, type RecordView } from './record.js';

/**
 * Works out what an end takes of each leg of a hold: all, nothing, an amount of both legs, or what its postings name, from the legs in
 * their order.
 * @param part the command's payload
 * @param whole set to the hold's payload
 * @param captured set to what is taken, by leg
 * @returns 0, or the code that refuses
 */
export function allocate(
  hold: Hold,
  kind: number,
  isAmountForm: boolean,
  part: RecordView,
  whole: RecordView,
  captured: BigInt64Array,
): number {
  whole.over(hold.payload).readPayload(0, RecordKind.pending, hold.n, hold.presence);
  const isWhole = kind === RecordKind.post && part.n === 0;
  for (let leg = 0; leg < hold.n; leg++) captured[leg] = isWhole ? whole.amounts[leg]! : 0n;
  if (kind !== RecordKind.post || isWhole) return 0;
  if (isAmountForm) {
    if (hold.n !== 2) return CODES.invalid_request.n;
    const amount = part.amounts[0]!;
    if (amount > whole.amounts[0]!) return CODES.exceeds_original.n;
    captured[0] = amount;
    captured[1] = amount;
    return 0;
  }
  for (let i = 0; i < part.n; i++) {
    let rest = part.amounts[i]!;
    let isNamed = false;
    for (let leg = 0; leg < hold.n && rest > 0n; leg++) {
      if (!sameLeg(part, i, whole, leg)) continue;
      isNamed = true;
      const left = whole.amounts[leg]! - captured[leg]!;
      const taken = left < rest ? left : rest;
      captured[leg] = captured[leg]! + taken;
      rest -= taken;
    }
    if (rest > 0n) return isNamed ? CODES.exceeds_original.n : CODES.invalid_request.n;
  }
  return 0;
}

function sameLeg(part: RecordView, i: number, whole: RecordView, leg: number): boolean {
  return (
    (part.legFlags[i]! & (Leg.credit | Leg.tag)) === (whole.legFlags[leg]! & (Leg.credit | Leg.tag)) &&
    sameBytes(
      part.bytes,
      part.accountAt[i]!,
      part.accountLength[i]!,
      whole.bytes,
      whole.accountAt[leg]!,
      whole.accountLength[leg]!,
    ) &&
    ((part.legFlags[i]! & Leg.tag) === 0 ||
      sameBytes(
        part.bytes,
        part.tagAt[i]!,
        part.tagLength[i]!,
        whole.bytes,
        whole.tagAt[leg]!,
        whole.tagLength[leg]!,
      ))
  );
}

function sameBytes(
  a: Uint8Array,
  aAt: number,
  aLength: number,
  b: Uint8Array,
  bAt: number,
  bLength: number,
): boolean {
  if (aLength !== bLength) return false;
  for (let i = 0; i < aLength; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}
