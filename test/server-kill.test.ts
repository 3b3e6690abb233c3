import { describe, expect, onTestFinished, test } from 'vitest';
import { type Deed, FORMS, Shop } from './support/deeds.js';
import { addUp, readRecords } from './support/log-records.js';
import { randomFrom } from './support/random.js';
import { kassa, makeDataDirectory, ServerProcess, until, within } from './support/server.js';
import { createAccounts } from './support/shop.js';

/**
 * SIGKILL at any moment: what was acknowledged is there, once; what was refused is not; what was never answered is there
 * or not, and `status` tells which.
 */

const TIMEOUT_MS = 120_000;
const WAIT_MS = 20_000;
const SHOPS = 6;
const WINDOW = 24;
const TILLS = ['t0', 't1', '{s1}:t2', '{s1}:t3', '{s2}:t4', 't5'];
const ACCOUNTS = ['bank', 'sales', ...TILLS];
/** Few enough that several checkpoints are written in each round. */
const CHECKPOINT_RECORDS = '200';
/** What the load may be told; anything else is a fault. */
const REFUSALS = ['insufficient_funds', 'expired', 'already_voided', 'exceeds_original'];

type Random = (below: number) => number;

/** Everything that was ever said and what became of it. */
class Book {
  readonly done = new Map<Deed, number>();
  readonly refused: Deed[] = [];
  readonly unknown = new Set<Deed>();
  /** Acknowledged sales that may be reversed, and holds that may be ended; each is taken once. */
  readonly reversible: (Deed & { kind: 'sale' })[] = [];
  readonly open: (Deed & { kind: 'hold' })[] = [];
  private serial = 0;

  constructor(private readonly random: Random) {}

  private nextId(): string {
    const tag = ['', '{s1}', '{s2}'][this.random(3)]!;
    return `${tag}d${this.serial++}`;
  }

  next(): Deed {
    const { random } = this;
    const id = this.nextId();
    const till = TILLS[random(TILLS.length)]!;
    const amount = 1 + random(40);
    const dice = random(20);
    if (dice === 0) return { kind: 'tombstone', id };
    if (dice === 1) return { kind: 'account', id };
    if (dice <= 4) {
      return {
        kind: 'hold',
        id,
        debit: till,
        credit: 'sales',
        amount,
        expires_in: random(3) === 0 ? 1 : 3600,
      };
    }
    const hold = dice <= 7 ? this.open.shift() : undefined;
    if (hold !== undefined) {
      if (random(2) === 0) return { kind: 'void', id: hold.id };
      return { kind: 'capture', id: hold.id, amount: 1 + random(hold.amount) };
    }
    const sale = dice <= 9 ? this.reversible.shift() : undefined;
    if (sale !== undefined)
      return { kind: 'reversal', id, original: sale.id, amount: 1 + random(sale.amount) };
    const [debit, credit] = random(5) < 2 ? ['bank', till] : [till, 'sales'];
    return { kind: 'sale', id, debit: debit!, credit: credit!, amount, form: FORMS[random(FORMS.length)]! };
  }

  /** Books the answer to a deed that was said for the first time. */
  answered(deed: Deed, verdict: { lsn: number } | { code: string }): void {
    this.unknown.delete(deed);
    if ('code' in verdict) {
      if (!REFUSALS.includes(verdict.code)) throw new Error(`${JSON.stringify(deed)} got ${verdict.code}`);
      this.refused.push(deed);
      return;
    }
    this.done.set(deed, verdict.lsn);
    if (deed.kind === 'sale') this.reversible.push(deed);
    if (deed.kind === 'hold') this.open.push(deed);
  }
}

/** Keeps `WINDOW` deeds in flight until the connection breaks. @throws for answers that must not be */
async function trade(shop: Shop, book: Book, onAnswer: () => void): Promise<void> {
  const lane = async () => {
    for (;;) {
      const deed = book.next();
      book.unknown.add(deed);
      let verdict: Awaited<ReturnType<Shop['perform']>>;
      try {
        verdict = await shop.perform(deed);
      } catch {
        return;
      }
      book.answered(deed, verdict);
      onAnswer();
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, lane));
}

/** Lets shops trade and kills the server after some answers. */
async function tradeUntilKilled(server: ServerProcess, book: Book, answers: number): Promise<void> {
  const shops = await Promise.all(Array.from({ length: SHOPS }, () => Shop.open(server.port)));
  let left = answers;
  let enough: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const trading = Promise.all(
    shops.map((shop) =>
      trade(shop, book, () => {
        if (--left <= 0) enough();
      }),
    ),
  );
  await within(Promise.race([reached, trading]), WAIT_MS, () => `${left} answers are missing`);
  await server.kill();
  await trading;
  for (const shop of shops) shop.close();
}

/** Asks for the status of all that was not answered; says some of it again. */
async function settleUnknown(shop: Shop, book: Book, random: Random): Promise<void> {
  await Promise.all(
    [...book.unknown].map(async (deed) => {
      const lsn = await shop.settle(deed);
      if (lsn !== undefined) {
        book.answered(deed, { lsn });
      } else if (random(2) === 0) {
        book.answered(deed, await shop.perform(deed));
      } else {
        // Given up: it must never appear.
        book.unknown.delete(deed);
        book.refused.push(deed);
      }
    }),
  );
}

/** Says again what was acknowledged: all of it is known, at its LSN. */
async function repeat(shop: Shop, deeds: Iterable<readonly [Deed, number]>): Promise<void> {
  const all = [...deeds];
  for (let from = 0; from < all.length; from += 1000) {
    const answers = all.slice(from, from + 1000).map(async ([deed, lsn]) => {
      const verdict = await shop.perform(deed);
      if ('code' in verdict) throw new Error(`${JSON.stringify(deed)}, done at ${lsn}, got ${verdict.code}`);
      if (['sale', 'hold', 'reversal', 'account'].includes(deed.kind)) expect(verdict.isAgain).toBe(true);
      // An account answers with its state now, whose LSN may be a later one.
      if (deed.kind !== 'account') expect([deed, verdict.lsn]).toEqual([deed, lsn]);
    });
    await Promise.all(answers);
  }
}

/** Net (debits less credits) of each account by what is in the book. */
function expectedNets(book: Book): Map<string, bigint> {
  const nets = new Map<string, bigint>(ACCOUNTS.map((account) => [account, 0n]));
  const byId = new Map([...book.done.keys()].map((deed) => [`${deed.kind} ${deed.id}`, deed]));
  const move = (debit: string, credit: string, amount: number) => {
    nets.set(debit, nets.get(debit)! + BigInt(amount));
    nets.set(credit, nets.get(credit)! - BigInt(amount));
  };
  for (const deed of book.done.keys()) {
    if (deed.kind === 'sale') move(deed.debit, deed.credit, deed.amount);
    if (deed.kind === 'capture') {
      const hold = byId.get(`hold ${deed.id}`) as Deed & { kind: 'hold' };
      move(hold.debit, hold.credit, deed.amount);
    }
    if (deed.kind === 'reversal') {
      const sale = byId.get(`sale ${deed.original}`) as Deed & { kind: 'sale' };
      move(sale.credit, sale.debit, deed.amount);
    }
  }
  return nets;
}

const LOGGED_AS = {
  sale: 'posted',
  hold: 'pending',
  capture: 'post',
  void: 'void',
  tombstone: 'tombstone',
  reversal: 'reversal',
  account: 'account',
} as const;

/** The log holds the book: each deed done once, at its LSN, and besides only expiries; no till was ever overdrawn. */
function auditLog(data: string, book: Book): Map<string, bigint> {
  const records = readRecords(data);
  const key = (kind: string, id: string) => `${kind} ${id}`;
  const logged = new Map<string, number>();
  for (const { kind, id, lsn } of records) {
    expect(logged.has(key(kind, id)), `${kind} ${id} twice`).toBe(false);
    logged.set(key(kind, id), lsn);
  }
  for (const deed of book.refused) expect(logged.has(key(LOGGED_AS[deed.kind], deed.id))).toBe(false);
  for (const [deed, lsn] of book.done) {
    const at = logged.get(key(LOGGED_AS[deed.kind], deed.id));
    if (deed.kind === 'account') expect(at).toBeDefined();
    else expect([deed, at]).toEqual([deed, lsn]);
  }
  const others = records.filter(({ kind, id }) => kind !== 'expire' && !ACCOUNTS.includes(id));
  expect(others.length).toBe(book.done.size);
  return addUp(records, (account, net, { lsn }) => {
    if (TILLS.includes(account) && net > 0n)
      throw new Error(`${account} is overdrawn by ${net} at LSN ${lsn}`);
  });
}

/** @returns the report of `kassa verify`, which finds nothing wrong */
async function verifyData(data: string): Promise<{ checkpointLsn: number }> {
  const { code, stdout, stderr } = await kassa(['verify', '--data', data, '--json']);
  expect(code, `${stdout}${stderr}`).toBe(0);
  const report = JSON.parse(stdout) as { ok: boolean; findings: unknown[]; checkpointLsn: number };
  expect(report).toMatchObject({ ok: true, findings: [] });
  return report;
}

describe.each([
  [1, 7],
  [2, 7],
  [4, 6],
])('on %i shards, killed %i times under load', { timeout: TIMEOUT_MS }, (shards, kills) => {
  test('what was acknowledged is there exactly once, what was refused is not, and nothing is out of balance', async () => {
    const random = randomFrom(0xdead + shards);
    const data = await makeDataDirectory();
    let server = await ServerProcess.start({
      data,
      shards,
      args: ['--checkpoint-records', CHECKPOINT_RECORDS],
    });
    onTestFinished(() => server.kill());
    await createAccounts(server.http(), [
      { id: 'bank', type: 'asset', min_balance: null },
      { id: 'sales', type: 'revenue' },
      ...TILLS.map((id) => ({ id })),
    ]);
    const book = new Book(random);
    for (let kill = 0; kill < kills; kill++) {
      const doneBefore = new Set(book.done.keys());
      await tradeUntilKilled(server, book, 1 + random(kill % 3 === 0 ? 100 : 2500));
      if (kill % 3 === 2) await verifyData(data);
      if (kill % 3 === 1) {
        // Killed again while it starts.
        const starting = await ServerProcess.launch(server.options);
        await until(() => starting.stdout().includes('listening on'), WAIT_MS, starting.stderr);
        await starting.kill();
      }
      server = await server.restart();
      const shop = await Shop.open(server.port);
      await settleUnknown(shop, book, random);
      expect(book.unknown.size).toBe(0);
      await repeat(
        shop,
        [...book.done].filter(([deed]) => !doneBefore.has(deed)),
      );
      shop.close();
    }
    const kinds = new Set([...book.done.keys()].map(({ kind }) => kind));
    expect(kinds).toEqual(new Set(Object.keys(LOGGED_AS)));
    expect(book.refused.length).toBeGreaterThan(0);

    const shop = await Shop.open(server.port);
    await repeat(shop, book.done);
    const shortHolds = [...book.done.keys()].filter((deed) => deed.kind === 'hold' && deed.expires_in === 1);
    await until(
      async () =>
        (await Promise.all(shortHolds.map(({ id }) => shop.status(id)))).every((s) => s !== 'pending'),
      WAIT_MS,
      () => 'holds do not expire',
    );
    shop.close();

    const nets = expectedNets(book);
    const http = server.http();
    for (const [account, net] of nets) {
      const { body } = await http.get(`/v1/accounts/${account}/balance`);
      const sign = account === 'bank' ? 1n : -1n;
      expect([account, BigInt(body['balance'] as number)]).toEqual([account, net * sign]);
    }
    expect([...nets.values()].reduce((sum, net) => sum + net, 0n)).toBe(0n);
    await server.kill();
    const logged = auditLog(data, book);
    for (const [account, net] of nets) expect([account, logged.get(account) ?? 0n]).toEqual([account, net]);
    // Checkpoints were written between the kills, and the state rests on one.
    expect((await verifyData(data)).checkpointLsn).toBeGreaterThan(0);
  });
});
