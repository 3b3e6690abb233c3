import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { LoadOptions, LoadResult } from './load.js';
import { finish, runNode, startEcho, startKassa } from './servers.js';

/**
 * Durable sales a second, one a frame, beside a bare uWebSockets.js echo of the same frames in the same run. Rounds alternate between the
 * two, because these figures mean nothing alone: machines differ, and so does the same machine a minute later.
 */

const { values: flags } = parseArgs({
  options: {
    connections: { type: 'string', default: '50' },
    window: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    shards: { type: 'string', default: '1' },
    accounts: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (flags.help) {
  process.stdout.write(
    'Usage: kassa bench [--connections 50] [--window 20] [--seconds 4] [--rounds 5] [--shards 1] [--accounts 1000] [--json]\n\n' +
      'Durable sales a second over WebSocket (one a frame, compact form, two accounts each, WINDOW in flight on each connection),\n' +
      'beside a bare uWebSockets.js echo of the same frames and reply sizes, round by round.\n',
  );
  process.exit(0);
}

const LOAD = new URL('./load.js', import.meta.url);

interface Round {
  readonly echo: LoadResult & { readonly serverCpuS: number };
  readonly kassa: LoadResult & { readonly serverCpuS: number };
}

const data = mkdtempSync(join(tmpdir(), 'kassa-bench-'));
const rounds: Round[] = [];
let logBytesPerSale = 0;
const accounts = Number(flags.accounts);
const kassa = await startKassa(data, Number(flags.shards), accounts);
const echo = await startEcho();
try {
  for (let round = 0; round < Number(flags.rounds); round++) {
    const result: Round = { echo: await measure(echo, round), kassa: await measure(kassa, round) };
    rounds.push(result);
    if (!flags.json) process.stdout.write(line(`round ${round + 1}`, result));
  }
  logBytesPerSale = logBytes() / (await durableLsn(kassa.port));
} finally {
  await finish(echo);
  await finish(kassa);
  rmSync(data, { recursive: true, force: true });
}

const ratio = median(rounds.map((round) => round.kassa.rate / round.echo.rate));
if (flags.json) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  process.stdout.write(
    `${JSON.stringify({ suite: 'pipelined', settings: flags, machine, rounds, ratio, logBytesPerSale })}\n`,
  );
} else {
  const typical = rounds.toSorted((a, b) => a.kassa.rate - b.kassa.rate)[rounds.length >> 1]!;
  process.stdout.write(`${line('median', typical)}median of ratios: ${ratio.toFixed(2)} of the echo\n`);
  process.stdout.write(
    `log: ${logBytesPerSale.toFixed(0)} bytes a sale, ids, checksums, chain and unused pages included\n`,
  );
}

async function measure(server: { port: number; pid: number }, round: number): Promise<Round['kassa']> {
  const options: LoadOptions = {
    port: server.port,
    connections: Number(flags.connections),
    window: Number(flags.window),
    warmupS: 1,
    seconds: Number(flags.seconds),
    accounts,
    run: `r${round}`,
  };
  const before = cpuSeconds(server.pid);
  const result = JSON.parse(await runNode(LOAD, [JSON.stringify(options)])) as LoadResult;
  return { ...result, serverCpuS: cpuSeconds(server.pid) - before };
}

/** Bytes of all segments. */
function logBytes(): number {
  const log = join(data, 'log');
  return readdirSync(log).reduce((sum, segment) => sum + statSync(join(log, segment, 'data.mdb')).size, 0);
}

async function durableLsn(port: number): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^kassa_durable_lsn (\d+)/m.exec(metrics)![1]);
}

/** CPU seconds of a process so far; 0 where /proc does not tell. */
function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

function line(name: string, { echo: base, kassa: ours }: Round): string {
  const rate = (result: LoadResult) => `${(result.rate / 1000).toFixed(0)} k/s`.padStart(10);
  const cpu = (result: Round['kassa']) => `cpu ${result.cpuS.toFixed(1)} + ${result.serverCpuS.toFixed(1)} s`;
  return (
    `${name.padEnd(8)} echo ${rate(base)} (${cpu(base)})   kassa ${rate(ours)} (${cpu(ours)}) ` +
    `p50 ${ours.p50.toFixed(2)} p99 ${ours.p99.toFixed(2)} ms, refused ${ours.refused}   ratio ${(ours.rate / base.rate).toFixed(2)}\n`
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
