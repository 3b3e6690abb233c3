/** What only an operator can put right: the sink stops, and says this. */
export class HaltError extends Error {
  override readonly name: string = 'HaltError';
}

/** Rows that were delivered are not there, or not as they were. Tables that can be made anew may be. */
export class LostRowsError extends HaltError {
  override readonly name = 'LostRowsError';
}
