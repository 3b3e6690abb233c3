import { expect } from 'vitest';
import type { HttpClient } from './http-client.js';

/** What most server tests begin with. */

export interface AccountSpec {
  readonly id: string;
  readonly type?: string;
  readonly currency?: string;
  readonly min_balance?: bigint | number | null;
  readonly max_balance?: bigint | number | null;
}

/** Creates accounts, liabilities in EUR unless said otherwise. */
export async function createAccounts(admin: HttpClient, specs: readonly AccountSpec[]): Promise<void> {
  const accounts = specs.map((spec) => ({ type: 'liability', currency: 'EUR', ...spec }));
  const { status, body } = await admin.post('/v1/accounts/batch', { accounts });
  expect(status).toBe(200);
  for (const result of body['results'] as { ok: boolean }[]) expect(result).toMatchObject({ ok: true });
}

/** Balance of each account. */
export async function balancesOf(
  client: HttpClient,
  accounts: readonly string[],
): Promise<Record<string, number | bigint>> {
  const answers = await Promise.all(accounts.map((id) => client.get(`/v1/accounts/${id}/balance`)));
  return Object.fromEntries(
    answers.map(({ status, body }, i) => {
      expect(status).toBe(200);
      return [accounts[i]!, body['balance'] as number | bigint];
    }),
  );
}

/** Debits less credits over all these accounts, posted ones; zero when they are a whole ledger in one currency. */
export async function sumOf(client: HttpClient, accounts: readonly string[]): Promise<bigint> {
  const answers = await Promise.all(accounts.map((id) => client.get(`/v1/accounts/${id}/balance`)));
  return answers.reduce(
    (sum, { body }) =>
      sum + BigInt(body['debits_posted'] as number) - BigInt(body['credits_posted'] as number),
    0n,
  );
}
