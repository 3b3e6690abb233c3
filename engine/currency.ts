/**
 * A currency as a number, equal exactly when the currencies are (8 characters in base 37 stay below 2^42).
 */
export function currencyCode(currency: string): number {
  let code = 0;
  for (let i = 0; i < currency.length; i++) {
    const c = currency.charCodeAt(i);
    code = code * 37 + (c >= 65 ? c - 54 : c - 47);
  }
  return code;
}
