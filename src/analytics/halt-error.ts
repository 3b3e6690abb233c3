/** What only an operator can put right: the sink stops, and says this. */
export class HaltError extends Error {
  override readonly name = 'HaltError';
}
