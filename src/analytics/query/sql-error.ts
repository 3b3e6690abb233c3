/** A statement that is not taken: why, and where in it. */
export class SqlError extends Error {
  override readonly name = 'SqlError';
  /** @param at characters from the statement's beginning, from 0 */
  constructor(
    readonly reason: string,
    readonly at: number,
  ) {
    super(`${reason} (at character ${at + 1})`);
  }
}
