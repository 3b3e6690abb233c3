import { expect } from 'vitest';
import type { Fields } from './exact-json.js';
import type { HttpClient } from './http-client.js';
import { type ServerOptions, type ServerProcess, sharedServer } from './server.js';
import { createAccounts } from './shop.js';

/** One server for a file of tests, each of which keeps books of its own on it. */
export interface Books {
  server(): ServerProcess;
  /** An id that was not used before. */
  fresh(prefix?: string): string;
  /** Accounts of a test's own: an asset without minimum, then liabilities. */
  accounts(liabilities?: number): Promise<string[]>;
  /** Posts a transaction as admin. @returns the body of the answer, whose status must be the one given */
  post(body: Fields, status?: number): Promise<Fields>;
  /** The body of an account's balance. */
  balance(account: string): Promise<Fields>;
}

export function sharedBooks(options: Omit<ServerOptions, 'data'>): Books {
  const server = sharedServer(options);
  let client: HttpClient | undefined;
  const http = () => {
    client ??= server().http();
    return client;
  };
  let serial = 0;
  const fresh = (prefix = 'id') => `${prefix}-${serial++}`;
  return {
    server,
    fresh,
    async accounts(liabilities = 1) {
      const [bank, ...tills] = [fresh('bank'), ...Array.from({ length: liabilities }, () => fresh('till'))];
      const others = tills.map((id) => ({ id }));
      await createAccounts(http(), [{ id: bank!, type: 'asset', min_balance: null }, ...others]);
      return [bank!, ...tills];
    },
    async post(body, status = 201) {
      const answer = await http().post('/v1/transactions', body);
      expect(answer.status, answer.text).toBe(status);
      return answer.body;
    },
    async balance(account) {
      return (await http().get(`/v1/accounts/${account}/balance`)).body;
    },
  };
}
