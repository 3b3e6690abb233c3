import { expect, test } from 'vitest';
import { Crowd } from './support/crowd.js';
import type { CrowdReport } from './support/crowd-process.js';
import { HAS_PROC, openFilesMax, ownBytes } from './support/process-figures.js';
import { ServerProcess, until } from './support/server.js';
import { createAccounts } from './support/shop.js';
import { makeToken } from './support/token.js';

/** Thousands of connections on one server. */

const TIMEOUT_MS = 600_000;
const WAIT_MS = 90_000;
/** The shortest there is: a silent peer is pinged after 5 s and given up 4 s later. */
const IDLE_TIMEOUT = ['--idle-timeout-s', '9'];

const IDLE = 10_000;
const BUSY = 1_000;
/** Of the server: log, libraries, threads and whoever looks at `/metrics`. */
const OTHER_FILES = 500;
const IDLE_CROWDS = 2;
const TILLS = 100;
const PACE_MS = 150;
/** Two pings answered: without them a connection would have been closed twice over. */
const PINGS = 2;
/** What an open connection may cost the server, kernel's memory aside. */
const CONNECTION_BYTES = 16 << 10;
/** A remembered id, slack included (docs: at most 64). */
const ID_BYTES = 64;
const SLACK_BYTES = 96 << 20;

test.skipIf(!HAS_PROC)(
  '10,000 idle and 1,000 busy connections: all are served, in bounded memory, and told goodbye',
  { timeout: TIMEOUT_MS },
  async () => {
    const server = await ServerProcess.fresh({ shards: 2, args: IDLE_TIMEOUT });
    const idle = Math.min(IDLE, openFilesMax(server.pid) - BUSY - OTHER_FILES);
    if (idle < IDLE) {
      process.stderr.write(
        `the limit of open files (ulimit -n) allows ${idle} idle connections, not ${IDLE}: raise it to ${IDLE + BUSY + OTHER_FILES}\n`,
      );
    }
    const http = server.http();
    const tills = Array.from({ length: TILLS }, (_, i) => ({ id: `till${i}` }));
    await createAccounts(http, [{ id: 'bank', type: 'asset', min_balance: null }, ...tills]);
    const bytesBefore = ownBytes(server.pid);

    const busy = Crowd.start();
    const idlers = Array.from({ length: IDLE_CROWDS }, () => Crowd.start());
    const each = Math.floor(idle / IDLE_CROWDS);
    const token = makeToken();
    // Addresses of their own: the ports of one would just do, and not beside others.
    const opened = await Promise.all([
      busy.tell({ op: 'open', count: BUSY, port: server.port, token, from: '127.0.0.2' }),
      ...idlers.map((crowd, i) =>
        crowd.tell({ op: 'open', count: each, port: server.port, token, from: `127.0.0.${3 + i}` }),
      ),
    ]);
    expect(opened.map(({ open }) => open)).toEqual([BUSY, ...idlers.map(() => each)]);
    const connections = BUSY + each * IDLE_CROWDS;
    expect(await server.metric('kassa_connections')).toBe(connections);

    await busy.tell({ op: 'sell', everyMs: PACE_MS, prefix: 's', tills: TILLS });
    let peak = 0;
    await until(
      async () => {
        peak = Math.max(peak, ownBytes(server.pid));
        const reports = await Promise.all(idlers.map((crowd) => crowd.tell({ op: 'report' })));
        return reports.every(({ pingsMin }) => pingsMin >= PINGS);
      },
      WAIT_MS,
      () => 'the idle ones are not pinged',
    );
    const sales = await busy.tell({ op: 'rest' });
    expect(sales.wrong).toEqual([]);
    expect(sales.sold).toBeGreaterThan(BUSY);
    for (const [i, count] of sales.byTill.entries()) {
      expect(await http.get(`/v1/accounts/till${i}/balance`)).toMatchObject({ body: { balance: count } });
    }
    expect(peak - bytesBefore).toBeLessThan(
      connections * CONNECTION_BYTES + sales.sold * ID_BYTES + SLACK_BYTES,
    );

    const asked = await Promise.all(idlers.map((crowd) => crowd.tell({ op: 'ask' })));
    for (const report of asked)
      expect(report).toMatchObject({ open: each, asked: each, wrong: [], closed: {} });
    expect(await server.metric('kassa_connections')).toBe(connections);

    expect(await server.stop()).toEqual({ code: 0, signal: null });
    const goodbye = async (crowd: Crowd, count: number) => {
      let report: CrowdReport | undefined;
      await until(
        async () => {
          report = await crowd.tell({ op: 'report' });
          return Object.values(report.closed).reduce((sum, closed) => sum + closed, 0) === count;
        },
        WAIT_MS,
        () => `not all were closed: ${JSON.stringify(report)}`,
      );
      expect(report).toMatchObject({ closed: { 1001: count } });
    };
    await goodbye(busy, BUSY);
    for (const crowd of idlers) await goodbye(crowd, each);
  },
);
