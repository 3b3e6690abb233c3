import type { Asked } from './asked.js';
import { type Filter, NO_FILTER } from './filters.js';

/*
 * A till is a token's terminal. An account of the same name is its drawer, and the drawer's group is the till's shop.
 */

/** A subquery with (drawer, shop) of all tills that ever sent anything, as the accounts stand. */
export function drawers(asked: Asked): string {
  const known = asked.basis === 'committed' ? ` AND accounts.lsn <= ${asked.lsn}` : '';
  return (
    '(SELECT account AS drawer, toString(argMax(`group`, accounts.lsn)) AS shop FROM accounts WHERE tenant = {tenant:String} ' +
    "AND account IN (SELECT DISTINCT toString(terminal) FROM sums_month WHERE tenant = {tenant:String} AND terminal != '')" +
    `${known} GROUP BY account)`
  );
}

/** What was sent from the tills of the shop that the question names; of the shop "" it is what came from no shop's till. All where it names none. */
export function ofShop(asked: Asked): Filter {
  const shop = asked.parameters.anyText('shop');
  if (shop === undefined) return NO_FILTER;
  const [isIn, those] = shop === '' ? ['NOT IN', "shop != ''"] : ['IN', 'shop = {shop:String}'];
  return {
    conditions: [`toString(terminal) ${isIn} (SELECT drawer FROM ${drawers(asked)} WHERE ${those})`],
    params: { shop },
  };
}
