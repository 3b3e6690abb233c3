/** What a client sent cannot be read. Its message is meant for the client. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

/**
 * How deep a request may nest. The deepest body of the contract has five levels and metadata of 1 KiB; the limit keeps
 * recursive readers far from the stack's end.
 */
export const DEPTH_MAX = 32;
