import type { Refusal } from '../../engine/types.js';
import { forbidden, outOfReach, refusal } from '../ledger/answers.js';
import { invalid } from '../ledger/encoder.js';
import { type Body, checkFields } from '../ledger/fields.js';
import type { Caller } from '../session.js';
import { ACCOUNTS_PER_SUBSCRIPTION } from './limits.js';
import type { Interest } from './messages.js';

const FIELDS = new Set(['from_lsn', 'accounts']);
/** An id, a prefix of one with `*` behind it, or `*` alone. */
const PATTERN = /^(?:[A-Za-z0-9._:@{}-]{1,64}\*?|\*)$/;

/**
 * What a `subscribe` asks for.
 * @param body the frame without `rid` and `op`
 * @param durableLsn now: news begin behind it
 */
export function readSubscribe(caller: Caller, body: Body, durableLsn: number): Interest | Refusal {
  const fault = checkFields(body, FIELDS, '');
  if (fault !== undefined) return refusal(fault);
  const { from_lsn: from = durableLsn + 1, accounts } = body;
  if (typeof from !== 'number' || !Number.isSafeInteger(from) || from < 1) {
    return refusal(invalid('from_lsn is an LSN: an integer from 1 on', '/from_lsn'));
  }
  const patterns = accounts === undefined ? undefined : readPatterns(accounts);
  if (patterns !== undefined && 'ok' in patterns) return patterns;
  if (from > durableLsn + 1) {
    const detail = `the log ends at LSN ${durableLsn}: a subscription begins at ${durableLsn + 1} at most`;
    return refusal(invalid(detail, '/from_lsn'));
  }
  const { permissions, accounts: reach } = caller;
  if (permissions !== undefined && !permissions.has('transactions:read'))
    return forbidden('transactions:read');
  const beyond = reach && patterns?.find((pattern) => !isReachable(pattern, reach));
  if (beyond !== undefined) return outOfReach(beyond);
  return { tenant: caller.tenant, reach, accounts: patterns, fromLsn: from };
}

function readPatterns(given: unknown): readonly string[] | Refusal {
  if (!Array.isArray(given) || given.length === 0 || given.length > ACCOUNTS_PER_SUBSCRIPTION) {
    return refusal(invalid(`accounts is a list of 1-${ACCOUNTS_PER_SUBSCRIPTION} ids`, '/accounts'));
  }
  const wrong = given.findIndex((entry) => typeof entry !== 'string' || !PATTERN.test(entry));
  if (wrong < 0) return given as string[];
  const detail = 'an entry is an account id, or the beginning of some followed by *';
  return refusal(invalid(detail, `/accounts/${wrong}`));
}

/** Whether a token of this reach could read an account that the pattern means. */
function isReachable(pattern: string, reach: readonly string[]): boolean {
  if (!pattern.endsWith('*')) return reach.some((prefix) => pattern.startsWith(prefix));
  const start = pattern.slice(0, -1);
  return reach.some((prefix) => prefix.startsWith(start) || start.startsWith(prefix));
}
