/** The contract is broken. The message names what is wrong, the calls and the LSNs. */
export class AuditError extends Error {
  override readonly name = 'AuditError';
}
