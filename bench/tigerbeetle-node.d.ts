/** What the gateway before TigerBeetle uses of its client, so that the benchmark compiles where that is not installed. */
declare module 'tigerbeetle-node' {
  export interface Account {
    readonly id: bigint;
    readonly debits_pending: bigint;
    readonly debits_posted: bigint;
    readonly credits_pending: bigint;
    readonly credits_posted: bigint;
    readonly user_data_128: bigint;
    readonly user_data_64: bigint;
    readonly user_data_32: number;
    readonly reserved: number;
    readonly ledger: number;
    readonly code: number;
    readonly flags: number;
    readonly timestamp: bigint;
  }
  export interface Transfer {
    readonly id: bigint;
    readonly debit_account_id: bigint;
    readonly credit_account_id: bigint;
    readonly amount: bigint;
    readonly pending_id: bigint;
    readonly user_data_128: bigint;
    readonly user_data_64: bigint;
    readonly user_data_32: number;
    readonly timeout: number;
    readonly ledger: number;
    readonly code: number;
    readonly flags: number;
    readonly timestamp: bigint;
  }
  export interface Result {
    readonly timestamp: bigint;
    readonly status: number;
  }
  export interface Client {
    createAccounts(batch: Account[]): Promise<Result[]>;
    createTransfers(batch: Transfer[]): Promise<Result[]>;
  }
  export const AccountFlags: { readonly none: number };
  export const CreateAccountStatus: { readonly created: number };
  export const CreateTransferStatus: { readonly created: number };
  export function createClient(args: {
    readonly cluster_id: bigint;
    readonly replica_addresses: string[];
  }): Client;
}
