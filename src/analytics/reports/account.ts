import { ReportError } from '../report-error.js';
import type { Asked } from './asked.js';

export interface Account {
  readonly id: string;
  readonly type: string;
  readonly currency: string;
  readonly group: string;
}

/** An account as it stands. @throws {ReportError} account_not_found */
export async function accountOf(asked: Asked): Promise<Account> {
  const account = await findAccount(asked);
  if (account === undefined)
    throw new ReportError('account_not_found', `no account ${JSON.stringify(asked.id)}`);
  return account;
}

export async function findAccount(asked: Asked): Promise<Account | undefined> {
  const { id } = asked;
  const known = asked.basis === 'committed' ? ` AND lsn <= ${asked.lsn}` : '';
  const [row] = await asked.rows(
    'SELECT toString(type), toString(currency), toString(`group`) FROM accounts ' +
      `WHERE tenant = {tenant:String} AND account = {account:String}${known} ORDER BY lsn DESC LIMIT 1`,
    { account: id },
  );
  if (row === undefined) return undefined;
  const [type, currency, group] = row as [string, string, string];
  return { id, type, currency, group };
}
