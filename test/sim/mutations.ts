/**
 * Mistakes that the simulator must find: each is made in compiled production code while it is loaded, so nothing of it ships and no file is
 * changed. What is to be found must be there exactly once; when the code moves on the list fails rather than rots.
 */

/** Environment variable that names the mutation of a process. */
export const MUTATION_VARIABLE = 'KASSA_MUTATION';

export interface Edit {
  /** Compiled file, below `dist/`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutation {
  readonly name: string;
  /** What a shop would see. */
  readonly costs: string;
  readonly edits: readonly Edit[];
  /** Among the few that `npm test` tries. */
  readonly isQuick?: boolean;
}

const one = (file: string, find: string, replace: string): readonly Edit[] => [{ file, find, replace }];

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'ack before sync',
    costs: 'a sale that was confirmed is gone after a power cut',
    isQuick: true,
    edits: one(
      'wal/writer.js',
      '        this.store.append(this.batch.subarray(0, end), this.nextLsn - firstLsn, timeMs);',
      '        this.env.committed(firstLsn, this.nextLsn - 1, timeMs);\n        this.store.append(this.batch.subarray(0, end), this.nextLsn - firstLsn, timeMs);',
    ),
  },
  {
    name: 'commit with an LSN gap',
    costs: 'the log holds a spending without the money that it spent',
    edits: one(
      'wal/writer.js',
      'ring.f64[(m + LogMessage.lsn) >> 3] === this.nextLsn',
      'ring.f64[(m + LogMessage.lsn) >> 3] >= this.nextLsn',
    ),
  },
  {
    name: 'earmark not released',
    costs: 'money of a refused sale stays blocked until the next start',
    isQuick: true,
    edits: one(
      'engine/owner.js',
      'this.end(this.take(home, slot), Number.POSITIVE_INFINITY);',
      'this.take(home, slot);',
    ),
  },
  {
    name: 'expiry twice',
    costs: 'a hold gives back twice what it reserved',
    edits: [
      {
        file: 'engine/transaction-desk.js',
        find: 'else if (job.hold !== undefined)\n',
        replace: 'else if (job.hold !== undefined && job.kind !== RecordKind.expire)\n',
      },
    ],
  },
  {
    name: 'content of a copy not compared',
    costs: 'another sale under a used id is called done, and is nowhere',
    edits: one(
      'engine/ids.js',
      'return this.word(entry, 6) === c0 && this.word(entry, 7) === c1;',
      'return true;',
    ),
  },
  {
    name: 'read without waiting',
    costs: 'a balance is shown that a crash takes back',
    edits: one(
      'engine/account-desk.js',
      'this.shard.out.answerWith(front, slot, CODES.ok.n, flags, 0, lsn, lsn, payload);',
      'this.shard.out.answerWith(front, slot, CODES.ok.n, flags, 0, lsn, 0, payload);',
    ),
  },
  {
    name: 'earmarks asked in any order',
    costs: 'two sales wait for each other for ever',
    edits: one(
      'engine/job.js',
      'while (at > 0 && participants[at - 1] > shard)',
      'while (at > 0 && participants[at - 1] !== shard && participants[at - 1] > shard === this.commandSlot % 2 > 0)',
    ),
  },
  {
    name: 'a no given although a standing earmark may still bring the money',
    costs: 'a sale is refused although the money was on its way, with figures that were never true',
    edits: [
      {
        file: 'engine/ledger.js',
        find: 'if (standing === null ? need > room : need > room + standing.lowUp) {',
        replace: 'if (need > room) {',
      },
      {
        file: 'engine/owner.js',
        find: 'if (verdict === CODES.insufficient_funds.n && standing !== null)',
        replace: 'if (verdict === PARK)',
      },
    ],
  },
  {
    name: 'a read that does not wait for standing earmarks',
    costs: 'a balance that the ledger never had at the LSN that it names',
    edits: one(
      'engine/account-desk.js',
      'if (this.shard.owner.hasEarmarks(row)) {\n            this.shard.owner.read',
      'if (false) {\n            this.shard.owner.read',
    ),
  },
  {
    name: 'void and expiry that do not ask',
    costs: 'a read misses a void that has its place in the log already',
    edits: [
      {
        file: 'engine/owner.js',
        find: 'resource.add(ask, at);',
        replace:
          'if (ask.kind !== RecordKind.void && ask.kind !== RecordKind.expire)\n                resource.add(ask, at);',
      },
      {
        file: 'engine/earmark.js',
        find: 'const last = this.earmarks.pop();',
        replace:
          'if (this.earmarks[earmark.places[at]] !== earmark)\n            return;\n        const last = this.earmarks.pop();',
      },
    ],
  },
  {
    name: 'reversal bound checked by the new id’s home only',
    costs: 'a sale is refunded twice from two tills',
    isQuick: true,
    edits: one(
      'engine/owner.js',
      'if (verdict <= 0 && ask.original !== undefined) {',
      'if (verdict < -9 && ask.original !== undefined) {',
    ),
  },
  {
    name: 'limit change not waiting for earmarks',
    costs: 'an account below its new limit, or a closed one with money',
    edits: one('engine/account-desk.js', 'if (this.shard.owner.isAccountContended(row))', 'if (false)'),
  },
  {
    name: 'tombstone not logged',
    costs: 'a sale that was given up is booked by its late copy after a restart',
    edits: one(
      'engine/transaction-desk.js',
      'const lsn = out.env.claimLsn();\n        out.record(lsn, RecordKind.tombstone, 0, presence, c0, c1, view.view, view.from, view.end);',
      'const lsn = out.env.claimedLsn();',
    ),
  },
  {
    name: 'checkpoint without its LSN',
    costs: 'after a restart sums miss what came between checkpoint and crash, or have it twice',
    edits: one(
      'wal/recover.js',
      'checkpointLsn = runs.at(-1)?.end.lsn ?? 0;',
      'checkpointLsn = runs.length > 0 ? lsn : 0;',
    ),
  },
  {
    name: 'a lost wake-up of the writer',
    costs: 'a till waits until somebody else sells something',
    edits: one(
      'engine/outbox.js',
      'if (env.log.publish())\n            env.writerBell.ring();',
      'env.log.publish();',
    ),
  },
  {
    name: 'a lost wake-up of a front',
    costs: 'a till hears nothing of a refusal until somebody else sells something',
    edits: one(
      'engine/outbox.js',
      'if (this.lowestWait[front] <= env.durableLsn() || env.wantsDecisions(front))',
      'if (env.wantsDecisions(front))',
    ),
  },
  {
    name: 'a lost wake-up of another shard',
    costs: 'a sale across shards hangs',
    edits: one(
      'engine/outbox.js',
      'if (env.peers[shard]?.publish())\n                env.peerBells[shard].ring();',
      'env.peers[shard]?.publish();',
    ),
  },
  {
    name: 'the front does not wait for the log',
    costs: 'a sale that was confirmed is gone after a power cut',
    isQuick: true,
    edits: one(
      'src/ledger/front.js',
      'for (let m = ring.peek(); m >= 0 && ring.f64[(m + Result.wait) >> 3] <= durable; m = ring.peek()) {',
      'for (let m = ring.peek(); m >= 0; m = ring.peek()) {',
    ),
  },
  {
    name: 'a refusal that does not wait',
    costs: 'a sale is refused for want of money that a crash gives back',
    edits: one('engine/owner.js', 'wait: this.accounts.lsn(row),', 'wait: 0,'),
  },
  {
    name: 'a local refusal that does not wait',
    costs: 'a sale is refused for want of money that a crash gives back',
    edits: one(
      'engine/transaction-desk.js',
      'shard.refuse(front, slot, flags, code, accounts.lsn(row), detail);',
      'shard.refuse(front, slot, flags, code, 0, detail);',
    ),
  },
  {
    name: 'a duplicate is told before its first is durable',
    costs: 'a till throws away a sale that a crash takes back',
    edits: one(
      'engine/transaction-desk.js',
      'code === CODES.duplicate.n ? lsn : 0, lsn);',
      'code === CODES.duplicate.n ? lsn : 0, 0);',
    ),
  },
  {
    name: 'a copy of an ended hold is not a duplicate',
    costs: 'a till believes that its hold was given up',
    edits: one(
      'engine/transaction-desk.js',
      'if (kind === IdKind.tombstone)\n            code = CODES.already_voided.n;',
      'if (kind === IdKind.tombstone || (kind === IdKind.pending && this.shard.state.holds.get(entry) === undefined))\n            code = CODES.already_voided.n;',
    ),
  },
  {
    name: 'copies in flight do not wait for each other',
    costs: 'one sale is booked twice',
    isQuick: true,
    edits: one(
      'engine/transaction-desk.js',
      'const job = home.findBatch(front, batch) ?? home.find(fp);',
      'const job = home.findBatch(front, batch);',
    ),
  },
  {
    name: 'ids lost by a checkpoint',
    costs: 'after a restart an old sale is booked again',
    edits: one(
      'wal/checkpoint-load.js',
      'else\n                ids.addPacked(words, at);',
      'else if (words[at + 5] >>> 16 !== IdKind.posted)\n                ids.addPacked(words, at);',
    ),
  },
  {
    name: 'a hold lost by a checkpoint',
    costs: 'a hold cannot be ended after a restart, and its money stays blocked',
    edits: one('wal/checkpoint-round.js', 'this.holds.set(lsn, { route: fp[0], entry });', 'void entry;'),
  },
  {
    name: 'the end of a hold lost by a checkpoint',
    costs: 'a hold is ended twice, once after a restart',
    edits: one(
      'wal/checkpoint-round.js',
      'if (!this.holds.delete(createdLsn))',
      'if (!this.holds.delete(createdLsn) && lsn < 0)',
    ),
  },
  {
    name: 'sums of reversals lost by a checkpoint',
    costs: 'a sale is refunded again after a restart',
    edits: one(
      'wal/checkpoint-round.js',
      'sums[leg] = sums[leg] + view.amounts[i];',
      'sums[leg] = view.amounts[i];',
    ),
  },
  {
    name: 'a merge of checkpoints counts an account once',
    costs: 'a balance loses sales when checkpoints are merged',
    edits: one('wal/checkpoint-merge.js', 'sum.add(later);', 'void later;'),
  },
  {
    name: 'a checkpoint named before it is synced',
    costs: 'after a power cut the checkpoint has its name and half of its bytes',
    edits: one('wal/checkpoint-files.js', 'block.sync();\n        isWhole = true;', 'isWhole = true;'),
  },
  {
    name: 'a new segment whose directory is not synced',
    costs: 'a whole segment of confirmed sales is gone after a power cut',
    edits: one('wal/segment.js', '    disk.syncDirectory(dirname(path));\n}', '}'),
  },
  {
    name: 'previous hash not chained',
    costs: 'a batch may be exchanged and nobody sees it',
    edits: one(
      'wal/log.js',
      'prevHash: this.#last.hash, commitNumber',
      'prevHash: LOG_START.hash, commitNumber',
    ),
  },
  {
    name: 'the clock goes back',
    costs: 'the ledger stops when the clock of the machine is set',
    edits: [
      { file: 'wal/writer.js', find: 'Math.max(this.lastTimeMs, this.env.now())', replace: 'this.env.now()' },
      {
        file: 'src/ledger/wiring.js',
        find: 'Math.max(lastCommitMs, wallMs)',
        replace: 'wallMs',
      },
    ],
  },
  {
    name: 'legs of an account not netted',
    costs: 'a sale that an account could bear is refused, or one that it cannot is booked',
    edits: one(
      'engine/ledger.js',
      'while (at < plan.n && plan.rows[at] !== row)\n            at++;',
      'at = plan.n;',
    ),
  },
  {
    name: 'spilled commands are overtaken',
    costs: 'entries of a batch that share an account are decided out of their order',
    edits: one(
      'src/ledger/front.js',
      'if (this.spilled[shard].length === 0) {',
      'if (this.spilled[shard] !== undefined) {',
    ),
  },
  {
    name: 'a credit given back twice',
    costs: 'the ring between two shards overflows under load, and the ledger stops',
    edits: one('engine/home.js', 'this.credits[shard]++;', 'this.credits[shard] += 2;'),
  },
  {
    name: 'a credit not given back',
    costs: 'sales across shards stop after a while',
    edits: one('engine/home.js', 'this.credits[shard]++;', 'void shard;'),
  },
  {
    name: 'currencies not checked across shards',
    costs: 'euros are booked against dollars',
    edits: one(
      'engine/home.js',
      'const code = job.kind === RecordKind.void || job.kind === RecordKind.expire',
      'const code = job.kind >= 0 || job.kind === RecordKind.expire',
    ),
  },
  {
    name: 'a read counts in what was settled after it',
    costs: 'a balance that the ledger never had at the LSN that it names',
    edits: one('engine/owner.js', 'if (lsn <= read.lsn)', 'if (lsn < Number.POSITIVE_INFINITY)'),
  },
  {
    name: 'the last settle names the LSN of an account',
    costs: 'a read names an LSN at which the balance was another',
    edits: one('engine/accounts.js', 'if (lsn > lsns[at])\n', 'if (lsn > 0)\n'),
  },
  {
    name: 'commands that came after a settle are taken before it',
    costs: 'a transaction that was told is not shown to who asks next',
    edits: one(
      'engine/shard.js',
      'const m = isFront ? ring.peekNoted() : ring.peek();',
      'const m = ring.peek();',
    ),
  },
  {
    name: 'a change is decided although a void stands',
    costs: 'an account is closed with money on it',
    edits: one('engine/account-desk.js', 'if (this.shard.owner.hasEarmarks(change.row)) {', 'if (false) {'),
  },
  {
    name: 'a batch’s entry overtaken while its id is in flight',
    costs: 'entries of a batch that share an account are decided out of their order',
    edits: one(
      'engine/transaction-desk.js',
      'home.findBatch(front, batch) ?? home.find(fp);',
      'home.find(fp);',
    ),
  },
];

/** The mutation of a name. @throws RangeError when there is none */
export function mutationNamed(name: string): Mutation {
  const found = MUTATIONS.find((mutation) => mutation.name === name);
  if (found === undefined) throw new RangeError(`there is no mutation "${name}"`);
  return found;
}
