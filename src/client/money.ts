/** Fields of replies that are amounts: exact integers, given as bigint however they were encoded. */
const AMOUNTS = new Set([
  'amount',
  'debit',
  'credit',
  'balance',
  'available',
  'debits_posted',
  'credits_posted',
  'debits_pending',
  'credits_pending',
]);

/** A reply's body with its amounts as bigint. Metadata is left as it came. */
export function withAmounts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withAmounts);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => {
    if (name === 'metadata') return [name, field];
    const amount = AMOUNTS.has(name) && (typeof field === 'number' || typeof field === 'bigint');
    return [name, amount ? BigInt(field) : withAmounts(field)];
  });
  return Object.fromEntries(fields);
}
