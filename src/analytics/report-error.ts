import type { RefusalCode } from '../../engine/codes.js';

/** A question that gets no answer, in the contract's words. */
export class ReportError extends Error {
  override readonly name = 'ReportError';

  /** @param pointer JSON pointer to the parameter or field at fault */
  constructor(
    readonly code: RefusalCode,
    detail: string,
    readonly pointer?: string,
  ) {
    super(detail);
  }
}
