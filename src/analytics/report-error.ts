import type { RefusalCode } from '../../engine/codes.js';

/** A question that gets no answer: what the caller is told. */
export class ReportError extends Error {
  override readonly name = 'ReportError';
  /** @param pointer the field or parameter that is wrong, such as `/sql` */
  constructor(
    readonly code: RefusalCode,
    readonly detail: string,
    readonly pointer?: string,
  ) {
    super(detail);
  }
}
