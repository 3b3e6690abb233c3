import { type TenantKeys, tenantKeys } from '../../engine/hash.js';
import { NAME_BYTES_MAX } from '../../engine/limits.js';
import type { Caller } from '../session.js';
import type { CallerPrefix } from './encoder.js';

export type { CallerPrefix } from './encoder.js';

const TENANT = /^[A-Za-z0-9._:@{}-]{1,64}$/;
const NAME = /^[\x20-\x7e]{1,64}$/;

/** Keys by tenant; a ledger has few. */
const keysOf = new WeakMap<Uint8Array, Map<string, TenantKeys>>();

/** What every command of this caller begins with. @throws RangeError for a malformed caller */
export function prefixOf(caller: Caller, ledgerKey: Uint8Array, textAmounts: boolean): CallerPrefix {
  const { tenant, by, terminal } = caller;
  if (typeof tenant !== 'string' || !TENANT.test(tenant)) {
    throw new RangeError(`a tenant is 1-${NAME_BYTES_MAX} characters of the id alphabet`);
  }
  if (typeof by !== 'string' || !NAME.test(by)) {
    throw new RangeError(`by is 1-${NAME_BYTES_MAX} printable ASCII characters`);
  }
  if (terminal !== undefined && (typeof terminal !== 'string' || !NAME.test(terminal))) {
    throw new RangeError(`a terminal is 1-${NAME_BYTES_MAX} printable ASCII characters`);
  }
  const parts = [tenant, by, terminal ?? ''].map((text) => Buffer.from(text, 'latin1'));
  const bytes = Buffer.concat(parts.flatMap((part) => [Uint8Array.of(part.length), part]));
  let tenants = keysOf.get(ledgerKey);
  if (tenants === undefined) {
    tenants = new Map();
    keysOf.set(ledgerKey, tenants);
  }
  let keys = tenants.get(tenant);
  if (keys === undefined) {
    keys = tenantKeys(ledgerKey, tenant);
    tenants.set(tenant, keys);
  }
  return { bytes, keys, accounts: caller.accounts, textAmounts };
}
