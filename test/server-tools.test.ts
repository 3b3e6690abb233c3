import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readManifest } from '../wal/backup-manifest.js';
import { openLogReader } from '../wal/log.js';
import { verify } from '../wal/verify.js';
import { randomFrom } from './support/random.js';
import { replayedHash } from './support/recovery.js';
import { kassa, makeDataDirectory, ServerProcess, until } from './support/server.js';
import { createAccounts } from './support/shop.js';
import { temporaryDirectory } from './support/wal.js';

/** Backup, restore, export and import as an operator runs them: beside a server under load, killed, and on what they left. */

const TIMEOUT_MS = 240_000;
const CLI = fileURLToPath(new URL('../src/cli.js', import.meta.url));
const SOCKETS = 6;
const IN_FLIGHT = 16;
const TILLS = ['t0', '{s1}:t1', '{s2}:t2'];
/** Starts of the server, and backups during each. */
const ROUNDS = 2;
const BACKUPS = 2;
const SEED = 20261120;

/** Sales, holds and their ends from several sockets, until it is told to stop. */
class Load {
  private isOver = false;
  private serial = 0;
  private readonly running: Promise<unknown>[] = [];
  private readonly random = randomFrom(SEED);
  answered = 0;

  constructor(
    private readonly server: ServerProcess,
    private readonly round: number,
  ) {}

  static async start(server: ServerProcess, round: number): Promise<Load> {
    const load = new Load(server, round);
    for (let i = 0; i < SOCKETS; i++) load.running.push(...(await load.socket()));
    return load;
  }

  private async socket(): Promise<Promise<void>[]> {
    const wire = await this.server.wire();
    return Array.from({ length: IN_FLIGHT }, async () => {
      while (!this.isOver) {
        const id = `${this.round}-${this.serial++}`;
        const [debit, credit] = [TILLS[this.random(3)]!, 'sales'];
        if (this.random(8) > 0) await wire.compact([id, debit, credit, 1 + this.random(40)]);
        else {
          await wire.call('transaction', {
            id,
            debit,
            credit,
            amount: 9,
            pending: { expires_in: 1 + this.random(3) },
          });
          if (this.random(2) === 0) await wire.call('post', { id, amount: 1 + this.random(9) });
        }
        this.answered++;
      }
    });
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.running);
  }
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [CLI, ...args], { stdio: 'ignore' });
}

/** Kills a command, unless it has come to its end. */
async function kill(child: ChildProcess): Promise<void> {
  const ended = child.exitCode === null ? once(child, 'exit') : undefined;
  child.kill('SIGKILL');
  await ended;
  if (child.signalCode !== 'SIGKILL') expect(child.exitCode).toBe(0);
}

async function mustRun(...args: string[]): Promise<{ [field: string]: unknown }> {
  const { code, stdout, stderr } = await kassa([...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout === '' ? {} : (JSON.parse(stdout) as { [field: string]: unknown });
}

/** A server with the accounts of the load. */
async function shop(data: string): Promise<ServerProcess> {
  const server = await ServerProcess.start({ data, shards: 2 });
  await createAccounts(
    server.http(),
    [...TILLS, 'sales'].map((id) => ({ id, min_balance: null })),
  );
  return server;
}

describe('under full load', () => {
  test('backups, some of them killed, are restored elsewhere, verify, and equal the source at their LSN', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const [data, to, elsewhere] = [
      await makeDataDirectory(),
      await makeDataDirectory(),
      temporaryDirectory(),
    ];
    const taken: { lsn: number; copy: string }[] = [];
    const random = randomFrom(SEED);
    let server = await shop(data);
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const load = await Load.start(server, round);
        for (let i = 0; i < BACKUPS; i++) {
          const seen = load.answered;
          await until(
            () => load.answered > seen + 300,
            30_000,
            () => 'no load',
          );
          // One of two is killed somewhere; whatever it left is a backup.
          const killed = start(['backup', '--data', data, '--to', to]);
          const killAt = load.answered + random(400);
          await until(
            () => killed.exitCode !== null || load.answered >= killAt,
            30_000,
            () => 'no load',
          );
          await kill(killed);
          if (existsSync(join(to, 'backup.json'))) expect((await verify({ data: to })).findings).toEqual([]);
          const { lsn } = (await mustRun('backup', '--data', data, '--to', to)) as { lsn: number };
          expect(lsn).toBe(readManifest(to).end.lsn);
          const copy = join(elsewhere, `${taken.length}`);
          const report = await mustRun('restore', '--from', to, '--data', copy);
          expect(report).toMatchObject({ lsn, left_out: null });
          taken.push({ lsn, copy });
        }
        await load.stop();
        await server.kill();
        server = await ServerProcess.start({ data, shards: 1 + round });
      }
    } finally {
      await server.kill();
    }
    expect(new Set(taken.map(({ lsn }) => lsn)).size).toBe(taken.length);
    for (const { lsn, copy } of taken) expect(replayedHash(copy), `LSN ${lsn}`).toBe(replayedHash(data, lsn));
    const last = taken.at(-1)!.copy;
    expect(await mustRun('verify', '--data', last)).toMatchObject({ ok: true, lsn: taken.at(-1)!.lsn });
    await expectServes(last);
    await expectTimes(data, to, elsewhere);
  });

  test('an export is the ledger at its last line, and an import of it the same ledger, killed or not', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const [data, place] = [await makeDataDirectory(), temporaryDirectory()];
    const server = await shop(data);
    const out = join(place, 'ledger.ndjson');
    let lsn: number;
    try {
      const load = await Load.start(server, 0);
      await until(
        () => load.answered > 3000,
        60_000,
        () => 'no load',
      );
      ({ to_lsn: lsn } = (await mustRun('export', '--data', data, '--out', out)) as { to_lsn: number });
      await load.stop();
    } finally {
      await server.kill();
    }
    const copy = join(place, 'copy');
    // Killed a few times: what is there stays, and no server starts on it.
    for (let i = 0; i < 3; i++) {
      const killed = start(['import', '--data', copy, '--from', out]);
      await until(
        () => existsSync(join(copy, 'importing')) || killed.exitCode !== null,
        30_000,
        () => 'no import',
      );
      await kill(killed);
    }
    expect(await mustRun('import', '--data', copy, '--from', out)).toMatchObject({ ok: true, lsn });
    expect(replayedHash(copy)).toBe(replayedHash(data, lsn));
    const again = join(place, 'again.ndjson');
    await mustRun('export', '--data', copy, '--out', again);
    expect(readFileSync(again).equals(readFileSync(out))).toBe(true);
    await expectServes(copy);
  });
});

/** Restores to the times of some records, and to each a replay. */
async function expectTimes(data: string, from: string, elsewhere: string): Promise<void> {
  const reader = openLogReader({ data });
  const { end } = readManifest(from);
  for (let i = 1; i <= 3; i++) {
    const { timeMs } = reader.batchAt(Math.ceil((end.lsn * i) / 4))!;
    let lsn = 0;
    for (const batch of reader.batchesFrom(1)) {
      if (batch.timeMs > timeMs || batch.firstLsn > end.lsn) break;
      lsn = batch.firstLsn + batch.count - 1;
    }
    const copy = join(elsewhere, `time-${i}`);
    const time = new Date(timeMs).toISOString();
    const report = await mustRun('restore', '--from', from, '--data', copy, '--to-time', time);
    expect(report).toMatchObject({ lsn, committed_at: time, left_out: { records: end.lsn - lsn } });
    expect(replayedHash(copy)).toBe(replayedHash(data, lsn));
  }
  reader.close();
}

/** A server starts on it and sells. */
async function expectServes(data: string): Promise<void> {
  const server = await ServerProcess.start({ data, shards: 2 });
  try {
    const sale = { id: 'after', debit: 't0', credit: 'sales', amount: 1 };
    expect(await server.http().post('/v1/transactions', sale)).toMatchObject({ status: 201 });
  } finally {
    await server.kill();
  }
}

describe('on the command line', () => {
  /** Runs commands beside each other: exit code, and what is said on either stream. */
  async function expectAll(
    cases: readonly (readonly [args: string, code: number, said: RegExp])[],
  ): Promise<void> {
    const ends = await Promise.all(cases.map(([args]) => kassa(args.split(' '))));
    ends.forEach(({ code, stdout, stderr }, i) => {
      const [args, expected, said] = cases[i]!;
      expect({ args, code, said: stdout + stderr }).toEqual({
        args,
        code: expected,
        said: expect.stringMatching(said),
      });
    });
  }

  test('all of it says what it did, and errors have their codes', { timeout: TIMEOUT_MS }, async () => {
    const place = temporaryDirectory();
    const at = (name: string) => join(place, name);
    const [data, copy, file, to] = [at('data'), at('copy'), at('file'), at('to')];
    const lines = [
      { kassa_export: 1, tenant: 'riga' },
      { op: 'account', id: 'a', currency: 'EUR', type: 'equity' },
      { op: 'account', id: 'b', currency: 'EUR', type: 'equity' },
      { op: 'transaction', id: 'x', debit: 'a', credit: 'b', amount: 1 },
      { op: 'transaction', id: 'y', debit: 'a', credit: 'nowhere', amount: 1 },
    ].map((line) => `${JSON.stringify(line)}\n`);
    writeFileSync(file, lines.join(''));
    const refused = /^kassa: line 5: account_not_found: .*nowhere.* up to LSN 3/;
    await expectAll([[`import --data ${data} --from ${file}`, 1, refused]]);
    await expectAll([
      [`import --data ${data} --from ${file} --json`, 1, /"line": 5,\s*"code": "account_not_found"/],
      [`serve --data ${data} --auth off --port 0`, 3, /Run the same `kassa import` again/],
    ]);
    writeFileSync(file, lines.slice(0, 4).join(''));
    expect(await mustRun('import', '--data', data, '--from', file)).toMatchObject({ imported: 0, known: 3 });

    const pipe = '"$0" "$1" export --data "$2" | "$0" "$1" import --data "$3" --from -';
    execFileSync('sh', ['-c', pipe, process.execPath, CLI, data, copy]);
    expect(replayedHash(copy)).toBe(replayedHash(data));
    await expectAll([
      [`export --data ${data} --out ${file}`, 2, /is there already/],
      [`export --data ${data} --to-lsn 9`, 3, /ends at LSN 3/],
      [`export --data ${data} --to-lsn x`, 2, /--to-lsn: must be an LSN/],
      [`import --data ${copy} --from ${at('none')}`, 3, /ENOENT/],
      [`backup --data ${data} --to ${to}`, 0, /up to lsn 3, .*\n3 records were new; wrote 1 of 1 segments/],
    ]);
    await expectAll([
      [`backup --data ${data} --to ${to}`, 0, /nothing was new/],
      [`serve --data ${to} --auth off --port 0`, 3, /is a backup/],
      [`restore --from ${to} --data ${at('r1')} --to-lsn 1 --to-time 2026-01-01T00:00:00Z`, 2, /either/],
      [`restore --from ${to} --data ${at('r2')} --to-time yesterday`, 2, /RFC 3339/],
      [`restore --from ${to} --data ${at('r3')} --to-lsn 4`, 3, /there is no LSN 4 in it/],
      [`restore --from ${to} --data ${data}`, 3, /is not empty/],
      [
        `restore --from ${to} --data ${at('r4')} --to-lsn 2`,
        0,
        /up to lsn 2, .*verified\n.*\nleft out: 1 records/,
      ],
    ]);
    writeFileSync(join(to, 'backup.json'), '{}');
    await expectAll([[`verify --data ${to}`, 1, /backup.json is damaged/]]);
    rmSync(join(to, 'backup.json'));
    await expectAll([
      [`backup --data ${data} --to ${to}`, 3, /not empty and not a backup/],
      ...['backup', 'restore', 'export', 'import'].map(
        (name) => [`${name} --help`, 0, /Exit codes: 0/] as const,
      ),
    ]);
  });
});
