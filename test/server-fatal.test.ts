import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FaultFs, faultFsMissing } from './support/faultfs.js';
import { makeDataDirectory, type ServerOptions, ServerProcess, until, within } from './support/server.js';
import { createAccounts } from './support/shop.js';

/** A ledger that cannot go on ends in good order, and one that hangs ends at all. */

const WAIT_MS = 20_000;
/** More than the 15 s without progress after which the server gives up. */
const STALLED_MS = 40_000;
const SLOW_SYNC_MS = 18_000;
const STOPPED_MS = 17_000;

/** Lets time pass where how much of it is what the test is about. */
function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function start(options: Omit<ServerOptions, 'data'>): Promise<ServerProcess> {
  const server = await ServerProcess.start({ data: await makeDataDirectory(), ...options });
  onTestFinished(() => server.kill());
  return server;
}

function levers(): FaultFs {
  const faults = new FaultFs();
  onTestFinished(() => faults.remove());
  return faults;
}

const TAGS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** An account to sell from for each tag; what is sold there stays on one shard. */
async function openTills(server: ServerProcess): Promise<void> {
  const ids = TAGS.flatMap((tag) => [`{${tag}}:till`, `{${tag}}:sales`]);
  await createAccounts(
    server.http(),
    ids.map((id) => ({ id, type: 'asset', min_balance: null })),
  );
}

/** Sells on every tag until the connection breaks or `isOver`. @returns how many were answered, by tag */
async function sellEverywhere(server: ServerProcess, isOver = () => false): Promise<Map<string, number>> {
  const wire = await server.wire();
  const answered = new Map(TAGS.map((tag) => [tag, 0]));
  const lane = async (tag: string) => {
    for (let i = 0; !isOver(); i++) {
      const reply = await wire
        .compact([`{${tag}}:${i}`, `{${tag}}:till`, `{${tag}}:sales`, 1])
        .catch(() => [0, -1]);
      if (reply[1] !== 0) return;
      answered.set(tag, i + 1);
    }
  };
  await Promise.all(TAGS.map(lane));
  return answered;
}

const missing = faultFsMissing();

describe.skipIf(missing !== undefined)(
  `a log that fails${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    test('closes with all its gateways although nobody gets the answers that are owed', {
      timeout: 60_000,
    }, async () => {
      const faults = levers();
      const server = await start({
        shards: 2,
        args: ['--gateways', '3'],
        script: fileURLToPath(new URL('./support/lasting-server.js', import.meta.url)),
        env: faults.env,
      });
      await openTills(server);
      // So many connections that each gateway has some.
      const wires = await Promise.all(Array.from({ length: 24 }, () => server.wire()));
      faults.fail({ ops: ['fdatasync'], error: 'EIO', path: '/log/' });
      faults.delay(['fdatasync'], '/log/', 300);
      const replies = wires.map((wire, i) =>
        wire.compact([`{a}:last-${i}`, '{a}:till', '{a}:sales', 1]).then(
          ([, n]) => n,
          () => 'closed',
        ),
      );
      // Well below the 30 s that a stop waits for answers at most.
      expect(await within(server.exited, WAIT_MS, server.stdout)).toEqual({ code: 0, signal: null });
      expect(server.stdout()).toMatch(/failed: the log in .* cannot be written[\s\S]*closed\n$/);
      expect([...new Set(await Promise.all(replies))]).toEqual(['closed']);
    });
  },
);

describe.skipIf(missing !== undefined)(
  `a thread${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    /** A server whose threads can be made to stop for good. */
    async function stickable(shards: number, threads = shards + 1) {
      const faults = levers();
      const directory = await makeDataDirectory();
      const hook = new URL('./support/stuck-thread.js', import.meta.url).href;
      const env = { ...faults.env, NODE_OPTIONS: `--import=${hook}`, KASSA_TEST_STUCK: directory };
      const server = await start({ shards, threads, env });
      await openTills(server);
      const unstick = (name: string) => rmSync(join(directory, name));
      const stick = async (name: string) => {
        writeFileSync(join(directory, name), '');
        await until(
          () => existsSync(join(directory, `${name}.stuck`)),
          WAIT_MS,
          () => `${name} goes on`,
        );
      };
      return { faults, server, stick, unstick };
    }

    async function stuckShard(): Promise<void> {
      const { server, stick } = await stickable(1);
      await stick('shard-0');
      expect(new Set((await sellEverywhere(server)).values())).toEqual(new Set([0]));
      expect(await within(server.exited, STALLED_MS, server.stdout)).toEqual({ code: 70, signal: null });
      expect(server.stdout()).toContain('shard 0 made no progress for 15 s although work waits for it');
    }

    async function stuckAlone(): Promise<void> {
      const { server, stick } = await stickable(2, 1);
      await stick('writer');
      expect(new Set((await sellEverywhere(server)).values())).toEqual(new Set([0]));
      expect(await within(server.exited, STALLED_MS, server.stdout)).toEqual({ code: 70, signal: null });
      expect(server.stdout()).toMatch(/shard [01] made no progress for 15 s although work waits for it/);
    }

    /** The log is in a commit nearly all the time, each a new one: it is not what the other shard waits for. */
    async function stuckBesideABusyShard(): Promise<void> {
      const { faults, server, stick } = await stickable(2);
      faults.delay(['fdatasync'], '/log/', 100);
      await stick('shard-1');
      const answered = [...(await sellEverywhere(server)).values()];
      expect(answered).toContain(0);
      // Each in a commit after that of the one before.
      expect(Math.max(...answered)).toBeGreaterThan(5);
      expect(await within(server.exited, STALLED_MS, server.stdout)).toEqual({ code: 70, signal: null });
      expect(server.stdout()).toContain('shard 1 made no progress for 15 s although work waits for it');
    }

    async function stuckWriter(): Promise<void> {
      const { server, stick } = await stickable(2);
      await stick('writer');
      expect(new Set((await sellEverywhere(server)).values())).toEqual(new Set([0]));
      expect(await within(server.exited, STALLED_MS, server.stdout)).toEqual({ code: 70, signal: null });
      expect(server.stdout()).toMatch(/LSNs above \d+ are not being written for 15 s/);
    }

    /** Waited for some seconds as the server has it, although its clock is set and it is stopped for longer than it is patient. */
    async function stuckForAMoment(): Promise<void> {
      const { faults, server, stick, unstick } = await stickable(2);
      await stick('writer');
      let isOver = false;
      const selling = sellEverywhere(server, () => isOver);
      await pass(2000);
      isOver = true;
      faults.shiftClock(3_600_000);
      server.signal('SIGSTOP');
      await pass(STOPPED_MS);
      server.signal('SIGCONT');
      await pass(2000);
      unstick('writer');
      expect(new Set((await within(selling, WAIT_MS, server.stdout)).values())).toEqual(new Set([1]));
      expect(await server.stop()).toEqual({ code: 0, signal: null });
    }

    async function slowSync(): Promise<void> {
      const { faults, server } = await stickable(2);
      faults.delay(['fdatasync'], '/log/', SLOW_SYNC_MS);
      let isOver = false;
      const selling = sellEverywhere(server, () => isOver);
      await until(() => faults.delayed > 0, WAIT_MS, server.stdout);
      faults.heal();
      isOver = true;
      expect(new Set((await within(selling, STALLED_MS, server.stdout)).values())).toEqual(new Set([1]));
      expect(await server.stop()).toEqual({ code: 0, signal: null });
    }

    // At a time: each of them takes as long as the server is patient.
    test('that makes no progress while work waits for it ends the process, and says which; a slow sync or a pause does not', {
      timeout: 90_000,
    }, async () => {
      await Promise.all([
        stuckShard(),
        stuckAlone(),
        stuckBesideABusyShard(),
        stuckWriter(),
        stuckForAMoment(),
        slowSync(),
      ]);
    });
  },
);
