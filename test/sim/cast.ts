import type { AccountInput } from '../../engine/types.js';
import { ROLES } from '../../src/gateway/roles.js';
import type { Caller } from '../../src/session.js';
import { Draw } from './draw.js';

/** Who and what there is in a world: few enough that everything meets everything. */

const PEOPLE: readonly Omit<Caller, 'tenant'>[] = [
  { by: 'ann' },
  { by: 'boss', terminal: 'office', permissions: ROLES.admin },
  { by: 'tom', permissions: ROLES.teller },
  { by: 'pat', permissions: ROLES.approver, terminal: 'desk 2' },
  { by: 'joe', permissions: ROLES.pos, terminal: 'till-3' },
  { by: 'eve', permissions: ROLES.auditor },
  { by: 'lim', permissions: ROLES.approver, accounts: ['{a}', 'sales', 'usd'] },
];

/** So narrow that they are met all the time. The first ones are in every world. */
const ACCOUNTS: readonly AccountInput[] = [
  { id: '{a}:house', currency: 'EUR', type: 'equity' },
  { id: '{a}:till', currency: 'EUR', type: 'asset' },
  { id: '{b}:till', currency: 'EUR', type: 'asset', max_balance: 90, group: 'riga.store17.till3' },
  { id: '{c}:gift', currency: 'EUR', type: 'liability' },
  { id: '{a}:usd', currency: 'USD', type: 'asset', metadata: { bank: 'north', n: 1 } },
  { id: 'usd-house', currency: 'USD', type: 'equity' },
  { id: '{a}:vault', currency: 'EUR', type: 'equity' },
  { id: 'vault', currency: 'EUR', type: 'expense' },
  { id: 'sales', currency: 'EUR', type: 'revenue' },
  { id: '{d}:vat', currency: 'EUR', type: 'liability', min_balance: -30, max_balance: 60 },
  { id: '{b}:cost', currency: 'EUR', type: 'expense', max_balance: 150 },
  { id: '{a}:bank', currency: 'EUR', type: 'asset', min_balance: -50, group: 'riga' },
  { id: '{b}:usd', currency: 'USD', type: 'liability', min_balance: -20 },
  { id: '{b}:yen', currency: 'JPY', type: 'asset', min_balance: null, max_balance: 70 },
  { id: 'yen-house', currency: 'JPY', type: 'revenue', min_balance: -90 },
];
const IN_EVERY_WORLD = 8;
/** Most ids are of the tags that most accounts have, so that what is local meets what crosses shards. */
const TAGS = ['{a}:', '{b}:', '', '{a}:', '{c}:', '', '{b}:', '{d}:'];

/** Accounts between which amounts near the limit of a sum are moved. */
export const VAULTS: readonly string[] = ['{a}:vault', 'vault'];

/** A world that is hot has so few accounts that all money goes through them. */
const HOT_PERCENT = 40;

export class Cast {
  readonly tenants: readonly string[];
  readonly accounts: readonly AccountInput[];
  /** Accounts without those of huge sums, by currency, those of the first currency most often. */
  readonly pools: readonly (readonly string[])[];

  constructor(seed: number) {
    const draw = new Draw(seed, -1);
    this.tenants = draw.chance(50) ? ['dev'] : ['dev', 'other'];
    this.accounts = ACCOUNTS.filter((_, index) => index < IN_EVERY_WORLD || draw.chance(60));
    const ids = (currency: string) =>
      this.accounts.flatMap((account) =>
        account.currency === currency && !VAULTS.includes(account.id) ? [account.id] : [],
      );
    const [all, usd, yen] = [ids('EUR'), ids('USD'), ids('JPY')];
    // Without the house nobody would ever have money.
    const hot = [all[0]!, ...draw.shuffled(all.slice(1)).slice(0, draw.between(2, 3))];
    const eur = draw.chance(HOT_PERCENT) ? hot : all;
    this.pools = [eur, eur, eur, eur, usd, ...(yen.length > 1 ? [yen] : [])];
  }

  /** Whether a debit is what an account's balance grows by. */
  isDebitNormal(account: string): boolean {
    const type = this.accounts.find(({ id }) => id === account)?.type;
    return type === 'asset' || type === 'expense';
  }

  tenant(draw: Draw): string {
    return draw.chance(85) ? this.tenants[0]! : draw.pick(this.tenants);
  }

  caller(draw: Draw, tenant: string): Caller {
    // Most calls come from those who may all.
    return { tenant, ...(draw.chance(60) ? PEOPLE[draw.below(2)]! : draw.pick(PEOPLE)) };
  }

  admin(tenant: string): Caller {
    return { tenant, ...PEOPLE[0]! };
  }

  /** The pool of ids moves on with the actions, so that new ones come and old ones are met for a while. */
  id(draw: Draw, action: number): string {
    return idOf(action + draw.below(10));
  }
}

function idOf(n: number): string {
  return `${TAGS[n % TAGS.length]}t${n}`;
}
