import { cpSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Deed, type Form, Shop, type Verdict } from '../support/deeds.js';
import { randomFrom } from '../support/random.js';
import { recoveredHash, replayedHash } from '../support/recovery.js';
import { freePort, kassa, ServerProcess, within } from '../support/server.js';
import type { MapReply } from '../support/wire.js';
import { Book, type Random, type Said } from './book.js';
import { killAt, MOMENTS, type Moment, triggerFor } from './kill-moments.js';
import { emptyReport, type KillReport } from './kill-report.js';
import { LedgerAudit } from './ledger-audit.js';
import { Till } from './tills.js';

/**
 * SIGKILL at any moment, again and again: what was acknowledged is there, once and whole; what was refused is not; what was never answered is
 * there once or not at all, and `status` tells which.
 */

export interface KillOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Called after each round. */
  readonly onRound?: (report: KillReport, moment: Moment) => void;
}

const SHARDS = [1, 2, 4] as const;
/** A ledger lives so many rounds; the next one begins with an empty directory. */
const ROUNDS_PER_LEDGER = 10;
const OFFICES = 5;
const WINDOW = 12;
const TILLS = 3;
const WAIT_MS = 60_000;
const START_KILLS_MAX = 3;
/** What is compared after each restart besides every account; all transactions at the end of a ledger. */
const STATUSES_PER_ROUND = 300;
const REPEATS_PER_ROUND = 400;

/** @throws Error that names the round and the seed when anything is lost, doubled, half or told wrongly */
export async function killCampaign(options: KillOptions): Promise<KillReport> {
  const report = emptyReport();
  for (let first = 0; first < options.rounds; first += ROUNDS_PER_LEDGER) {
    const directory = await mkdtemp(join(tmpdir(), 'kassa-kill-'));
    try {
      const ledger = new Campaign(directory, await freePort(), options.seed, first, report);
      await ledger.run(Math.min(ROUNDS_PER_LEDGER, options.rounds - first), options.onRound);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
  return report;
}

interface Question {
  readonly id: string;
  readonly ask: () => Promise<MapReply>;
  readonly differs: (reply: MapReply) => string | undefined;
}

/** The rounds of one ledger. */
class Campaign {
  private readonly data: string;
  private readonly random: Random;
  private readonly book: Book;
  private readonly audit: LedgerAudit;
  private readonly tills: readonly Till[];
  private shards: number;
  private server: ServerProcess | undefined;
  private startMs = 1000;

  constructor(
    private readonly directory: string,
    private readonly port: number,
    private readonly seed: number,
    private readonly first: number,
    private readonly report: KillReport,
  ) {
    this.data = join(directory, 'data');
    this.random = randomFrom(seed * 1_000_003 + first);
    this.book = new Book(this.random, `l${first}.`);
    this.audit = new LedgerAudit(this.book, 'shop');
    this.tills = Array.from(
      { length: TILLS },
      (_, i) => new Till(`till-${i}`, port, join(directory, 'queues'), this.book),
    );
    this.shards = SHARDS[this.random(SHARDS.length)]!;
  }

  async run(rounds: number, onRound: KillOptions['onRound']): Promise<void> {
    let round = this.first;
    try {
      for (const till of this.tills) await till.open();
      for (; round < this.first + rounds; round++) {
        const moment = MOMENTS[round % MOMENTS.length]!;
        await this.round(moment);
        onRound?.(this.report, moment);
      }
      await this.finish();
    } catch (error) {
      const said = this.server === undefined ? '' : `\nthe server said: ${this.server.output()}`;
      throw new Error(
        `round ${round + 1} with seed ${this.seed}, ${this.shards} shards: ${(error as Error).message}${said}`,
        { cause: error },
      );
    } finally {
      await this.server?.kill();
      for (const till of this.tills) await till.close();
    }
  }

  private async round(moment: Moment): Promise<void> {
    const { report } = this;
    await this.start();
    await this.settle();
    await this.tradeUntilKilled(moment);
    await this.inspect();
    report.rounds++;
    report.kills[moment]++;
    report.shards[this.shards]!++;
  }

  /** Starts on another number of shards than before, killed some times on the way there. */
  private async start(): Promise<void> {
    const { random } = this;
    this.shards = SHARDS.filter((n) => n !== this.shards)[random(SHARDS.length - 1)]!;
    for (let kills = random(START_KILLS_MAX); kills > 0; kills--) {
      const starting = await ServerProcess.launch(this.options());
      this.server = starting;
      const lifeMs = random(Math.ceil(this.startMs));
      await new Promise((resolve) => setTimeout(resolve, lifeMs));
      await starting.kill();
      this.report.kills.start++;
    }
    const before = performance.now();
    this.server = await ServerProcess.launch(this.options());
    await this.server.ready();
    this.startMs = performance.now() - before;
  }

  private options() {
    const { random, data, port, shards } = this;
    const small = ['--segment-bytes', `${(1 + random(4)) << 16}`];
    return {
      data,
      port,
      shards,
      args: [...small, '--checkpoint-records', `${50 + random(400)}`, '--drain-s', '5'],
    };
  }

  /** Everything that was in doubt is cleared up, and all that the server tells is what the log says. */
  private async settle(): Promise<void> {
    const { book, audit, data } = this;
    const shop = await Shop.open(this.port);
    if (book.said.size === 0) {
      for (const deed of book.openingDeeds()) await this.say(shop, 'map', [deed]);
    } else {
      await Promise.all([...book.said.values()].map((said) => this.settleOne(shop, said)));
      for (const deed of book.thawingDeeds()) await this.say(shop, 'map', [deed]);
      await Promise.all(this.tills.map((till) => till.drained()));
      await this.repeat(shop);
    }
    audit.follow(data);
    audit.check();
    const ids = audit.model.transactionIds('shop');
    await this.compare(
      shop,
      Array.from({ length: Math.min(STATUSES_PER_ROUND, ids.length) }, () => ids[this.random(ids.length)]!),
    );
    shop.close();
  }

  private async say(shop: Shop, form: Form, deeds: readonly Deed[]): Promise<void> {
    const said = this.book.say(form, deeds);
    const verdicts = await shop.perform(form, deeds);
    this.note(said, verdicts);
  }

  private note(said: readonly Said[], verdicts: readonly Verdict[]): void {
    said.forEach((one, i) => {
      this.book.answered(one, verdicts[i]!);
      if (one.state === 'done') this.report.acknowledged++;
      else this.report.refused++;
    });
  }

  /** One that was never answered: asked about; if it was not done, said again or given up. Tills do that by themselves. */
  private async settleOne(shop: Shop, said: Said): Promise<void> {
    const { deed, state } = said;
    const { unanswered } = this.report;
    if (state !== 'sent' || deed.caller.by.startsWith('till')) return;
    if (deed.op === 'updateAccount') return;
    const isLogged = this.audit.isLogged(said);
    unanswered[isLogged ? 'done' : 'notDone']++;
    const found = await shop.settle(deed);
    if ((found !== undefined) !== isLogged) {
      throw new Error(
        `${said.key} is ${isLogged ? '' : 'not '}in the log, and status says ${JSON.stringify(found)}`,
      );
    }
    if (found !== undefined) this.book.answered(said, found);
    else if (this.random(2) === 0) this.note([said], await shop.perform('map', [deed]));
    else this.book.giveUp(said);
  }

  /** Says again what was acknowledged: it is known, at its LSN. */
  private async repeat(shop: Shop): Promise<void> {
    const done = [...this.book.said.values()].filter(
      ({ state, deed }) => state === 'done' && deed.op !== 'updateAccount' && deed.caller.by === 'ann',
    );
    // Most of them recent ones.
    const half = REPEATS_PER_ROUND / 2;
    const some = [
      ...done.slice(-half),
      ...Array.from({ length: half }, () => done[this.random(done.length)]!),
    ];
    await Promise.all(
      some.map(async ({ key, deed, verdict }) => {
        const again = (await shop.perform('map', [deed]))[0]!;
        if ('code' in again) throw new Error(`${key}, done at LSN ${verdict!.lsn}, got ${again.code}`);
        const isNew = (deed.op === 'transaction' || deed.op === 'reverse') && !again.isAgain;
        if (isNew || (verdict!.isExact && again.lsn !== verdict!.lsn)) {
          throw new Error(
            `${key}, done at LSN ${verdict!.lsn}, was done ${isNew ? 'anew ' : ''}at LSN ${again.lsn}`,
          );
        }
        this.report.repeated++;
      }),
    );
  }

  /** All accounts and these transactions, as the server tells them, are as the log has them. */
  private async compare(shop: Shop, ids: readonly string[]): Promise<void> {
    const { audit } = this;
    const questions: Question[] = [
      ...audit.model.accountIds('shop').map((id) => ({
        id,
        ask: () => shop.account(id),
        differs: (body: MapReply) => audit.accountDisagreement(body),
      })),
      ...ids.map((id) => ({
        id,
        ask: () => shop.status(id),
        differs: (body: MapReply) => audit.statusDisagreement(id, body),
      })),
    ];
    // A hold may expire between the answer and the look at the log: then it is asked anew.
    let open = questions;
    for (let left = 5; open.length > 0; left--) {
      const replies = await Promise.all(open.map(({ ask }) => ask()));
      audit.follow(this.data);
      const differences = open.map(({ differs }, i) => differs(replies[i]!));
      const first = differences.findIndex((difference) => difference !== undefined);
      if (left === 0 && first >= 0) {
        throw new Error(`${open[first]!.id}: ${differences[first]}: ${JSON.stringify(replies[first])}`);
      }
      open = open.filter((_, i) => differences[i] !== undefined);
    }
    this.report.compared += questions.length;
  }

  /** Offices and tills trade until the moment has come; the tills go on for a while without a server. */
  private async tradeUntilKilled(moment: Moment): Promise<void> {
    const server = this.server!;
    const shops = await Promise.all(Array.from({ length: OFFICES }, () => Shop.open(this.port)));
    const trigger = triggerFor(moment, this.data, this.random);
    let isOver = false;
    const trading = [
      ...shops.flatMap((shop) =>
        Array.from({ length: WINDOW }, () => this.office(shop, trigger.answered, () => isOver)),
      ),
      ...this.tills.map((till) => till.trade(() => isOver)),
    ];
    // The first fault ends the round; those still trading are waited for in any case.
    const all = Promise.all(trading);
    try {
      await within(Promise.race([trigger.reached, all]), WAIT_MS, () => `the moment ${moment} does not come`);
      await killAt(moment, server, this.random);
    } finally {
      isOver = true;
      trigger.stop();
      await server.kill();
      await Promise.allSettled(trading);
    }
    await all;
    for (const shop of shops) shop.close();
    if (this.random(3) === 0) {
      const till = this.tills[this.random(TILLS)]!;
      await till.close();
      await till.open();
    }
  }

  /** One request after the other until the connection breaks. */
  private async office(shop: Shop, answered: () => void, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const { form, deeds } = this.book.next();
      const said = this.book.say(form, deeds);
      let verdicts: readonly Verdict[];
      let seen: MapReply | undefined;
      try {
        verdicts = await shop.perform(form, deeds);
        if (this.random(8) === 0) seen = await shop.account(this.book.anyTill());
      } catch {
        return;
      }
      this.note(said, verdicts);
      if (seen?.ok) this.book.seen.push(seen);
      answered();
    }
  }

  /** What the kill left on the disk: sound, all that it must be, and the same state whatever it is recovered by. */
  private async inspect(): Promise<void> {
    const { data, audit, report } = this;
    const { code, stdout, stderr } = await kassa(['verify', '--data', data, '--json']);
    const verified = JSON.parse(stdout || '{}') as { checkpointLsn?: number; segments?: number };
    if (code !== 0) throw new Error(`kassa verify ended with ${code}: ${stdout}${stderr}`);
    if (verified.checkpointLsn! > 0) report.onCheckpoint++;
    report.segments = Math.max(report.segments, verified.segments!);
    const [records, expired] = [audit.lsn, audit.expired];
    audit.reread(data);
    audit.check();
    report.records += audit.lsn - records;
    report.expired += audit.expired - expired;
    this.compareRecoveries();
  }

  /** On a copy: what opening a log clears away is left to the server's own next start. */
  private compareRecoveries(): void {
    const copy = join(this.directory, 'copy');
    cpSync(this.data, copy, { recursive: true });
    const due = replayedHash(copy);
    for (const shards of SHARDS) {
      const { hash, faults } = recoveredHash(copy, shards);
      if (faults.length > 0) throw new Error(`the checkpoint: ${faults.join('; ')}`);
      if (hash !== due) throw new Error(`${shards} shards recover another state than the log has`);
    }
    rmSync(copy, { recursive: true });
  }

  /** The last start: nothing is in doubt any more, every short hold has ended, and all of the ledger is compared. */
  private async finish(): Promise<void> {
    await this.start();
    await this.settle();
    const shop = await Shop.open(this.port);
    const { model } = this.audit;
    const ids = model.transactionIds('shop');
    const isLeft = (id: string) => {
      const deed = this.book.said.get(`transaction ${id}`)?.deed as
        | (Deed & { op: 'transaction' })
        | undefined;
      const pending = deed?.body.pending;
      const isShort = typeof pending === 'object' && pending.expires_in! < 60;
      return isShort && model.transaction('shop', id)!.status === 'pending';
    };
    const end = performance.now() + WAIT_MS;
    while (ids.some(isLeft)) {
      if (performance.now() > end) throw new Error(`${ids.filter(isLeft).join()} do not expire`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      this.audit.follow(this.data);
    }
    await this.compare(shop, ids);
    shop.close();
    const { code } = await this.server!.stop();
    if (code !== 0) throw new Error(`the stop ended with ${code}`);
    await this.inspect();
  }
}
