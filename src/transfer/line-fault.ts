import type { RefusalCode } from '../../engine/codes.js';
import type { Fault } from '../ledger/encoder.js';

/** A code of the contract where it has one; `other_record`: the ledger holds something else there. */
export type LineCode = RefusalCode | 'duplicate' | 'other_record';

/** Why a line cannot be taken. */
export class LineFault extends Error {
  override readonly name = 'LineFault';

  constructor(
    readonly code: LineCode,
    readonly detail: string,
  ) {
    super(detail === '' ? code : `${code}: ${detail}`);
  }
}

/** A fault of a request, as that of its line. */
export function lineFault(fault: Fault): LineFault {
  return new LineFault(fault.code, fault.pointer ? `${fault.pointer}: ${fault.detail}` : fault.detail);
}

/** @throws {LineFault} if there is a fault */
export function refuseFault(fault: Fault | undefined): void {
  if (fault !== undefined) throw lineFault(fault);
}
