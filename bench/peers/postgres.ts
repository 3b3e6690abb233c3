import { execFileSync, spawnSync } from 'node:child_process';
import { chownSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { accountIds } from '../load/accounts.js';
import { DATABASE, DATABASE_USER } from '../load/postgres-wire.js';
import { freePort, lineOf, outputOf, type Server, startProgram, stop } from '../process.js';
import type { Workplace } from '../workplace.js';

/**
 * PostgreSQL on a loopback port, its data in a directory of the benchmark. Its durability is the default: a sale is answered when it is
 * synced. What is set differs from the defaults in its favour only: more memory, and no checkpoint amid a run.
 */
export interface PostgresPeer {
  /** As it says itself. */
  readonly version: string;
  /** Starts a new cluster with the accounts of the benchmark. */
  start(place: Workplace, accounts: number): Promise<Server>;
}

const DEBIAN_VERSIONS = '/usr/lib/postgresql';
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  max_connections: '100',
  shared_buffers: '512MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h',
  logging_collector: 'off',
};
/** The server refuses to run as root. */
const UNPRIVILEGED_USERS = ['postgres', 'nobody'];
const ACCOUNT_MIN = -(10 ** 15);

/**
 * The same sale as Kassa's: an id is booked once and the same content again is a duplicate; both accounts exist, share a currency and keep
 * their limit. Accounts are locked in one order, so that no two sales wait for each other in a circle.
 */
const SCHEMA = `
create table account (
  id text primary key,
  currency text not null,
  min_balance bigint not null,
  debits bigint not null default 0,
  credits bigint not null default 0
) with (fillfactor = 50);
create table sale (
  id text primary key,
  debit text not null,
  credit text not null,
  amount bigint not null check (amount > 0),
  at timestamptz not null default now()
);
create function sale(sale_id text, debit_id text, credit_id text, sum bigint) returns int language plpgsql as $$
declare
  debited account;
  credited account;
  known sale;
begin
  insert into sale (id, debit, credit, amount) values (sale_id, debit_id, credit_id, sum) on conflict do nothing;
  if not found then
    select * into known from sale where id = sale_id;
    return case when (known.debit, known.credit, known.amount) = (debit_id, credit_id, sum) then 1 else 23 end;
  end if;
  if debit_id < credit_id then
    update account set debits = debits + sum where id = debit_id returning * into debited;
    update account set credits = credits + sum where id = credit_id returning * into credited;
  else
    update account set credits = credits + sum where id = credit_id returning * into credited;
    update account set debits = debits + sum where id = debit_id returning * into debited;
  end if;
  if debited.id is null or credited.id is null then raise exception 'account not found'; end if;
  if debited.currency <> credited.currency then raise exception 'currency mismatch'; end if;
  if credited.debits - credited.credits < credited.min_balance then raise exception 'insufficient funds'; end if;
  return 0;
end $$;
`;

/**
 * The installation that Debian or the PATH has, the newest first.
 * @param directory where its data will be
 * @returns the reason, when there is none that can be used, and what to do
 */
export function findPostgres(directory: string): PostgresPeer | string {
  const versions = existsSync(DEBIAN_VERSIONS) ? readdirSync(DEBIAN_VERSIONS) : [];
  const folders = [
    ...versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(DEBIAN_VERSIONS, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ];
  const bin = folders.find((folder) =>
    ['initdb', 'postgres', 'psql'].every((name) => existsSync(join(folder, name))),
  );
  if (bin === undefined)
    return 'PostgreSQL was not found: install it (Debian: apt install postgresql-15), and it is measured too';
  const user = serverUser();
  if (user === undefined)
    return 'PostgreSQL does not run as root, and no other user was found: run the benchmark as one, and it is measured too';
  if (spawnSync('test', ['-x', directory], user).status !== 0)
    return `PostgreSQL is left out: its user may not enter ${directory}; choose another --dir`;
  const version = execFileSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }).trim();
  return { version, start: (place, accounts) => start(bin, user, place, accounts) };
}

interface ServerUser {
  readonly uid?: number;
  readonly gid?: number;
}

/** Who the server runs as: this user, or, when that is root, another. Undefined when there is none. */
function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return {};
  for (const name of UNPRIVILEGED_USERS) {
    try {
      const [uid, gid] = ['-u', '-g'].map((flag) =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })),
      );
      return { uid: uid!, gid: gid! };
    } catch {
      // There is no such user.
    }
  }
  return undefined;
}

async function start(bin: string, user: ServerUser, place: Workplace, accounts: number): Promise<Server> {
  const directory = place.directory('postgres');
  if (user.uid !== undefined) chownSync(directory, user.uid, user.gid!);
  const data = join(directory, 'data');
  const init = ['-D', data, '-U', DATABASE_USER, '--auth=trust', '--encoding=UTF8', '--no-locale'];
  await outputOf(startProgram(join(bin, 'initdb'), init, user), 'initdb');

  const port = await freePort();
  const settings = { ...SETTINGS, port: String(port), unix_socket_directories: directory };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // It says that it is ready on stderr.
  const child = startProgram(
    '/bin/sh',
    ['-c', 'exec "$@" 2>&1', 'sh', join(bin, 'postgres'), '-D', data, ...flags],
    // Its immediate shutdown: a SIGKILL would leave its processes behind for a while.
    { ...user, lastSignal: 'SIGQUIT' },
  );
  await lineOf(child, /ready to accept connections/, 'PostgreSQL');
  fill(bin, port, accounts);
  return {
    port,
    pids: [child.pid!],
    stop: async () => {
      // SIGINT is its fast shutdown: clients are sent away.
      await stop(child, 'SIGINT');
      place.remove(directory);
    },
  };
}

function fill(bin: string, port: number, accounts: number): void {
  const rows = [...accountIds({ accounts, tags: 0 })].map((id) => `${id}\tEUR\t${ACCOUNT_MIN}\n`);
  const input = `${SCHEMA}\ncopy account (id, currency, min_balance) from stdin;\n${rows.join('')}\\.\nanalyze;\n`;
  const target = ['-h', '127.0.0.1', '-p', String(port), '-U', DATABASE_USER, '-d', DATABASE];
  execFileSync(join(bin, 'psql'), ['-q', '-v', 'ON_ERROR_STOP=1', ...target], {
    input,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
}
