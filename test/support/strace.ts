import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a process asked of the kernel, as `strace` saw it from outside. */

/** Calls that bring bytes in, take bytes out, or make them durable. */
const CALLS = [
  'openat',
  ...['read', 'readv', 'recvfrom', 'recvmsg'],
  ...['write', 'writev', 'pwrite64', 'pwritev', 'sendto', 'sendmsg'],
  ...['fdatasync', 'fsync', 'msync'],
];
/** Longer than any write of a test: what is cut off cannot be found. */
const TEXT_BYTES_MAX = 1 << 20;
/** What each sync takes longer than it would: an answer that does not wait for it is before it. */
const SYNC_DELAY_US = 20_000;

/** Why this machine cannot do it; undefined when it can. */
export function straceMissing(): string | undefined {
  const { status, error, stderr } = spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], {
    encoding: 'utf8',
  });
  if (status === 0) return undefined;
  return error === undefined ? `strace may not trace: ${stderr.trim()}` : 'strace is not installed';
}

/** The command to run a process under; it stays the direct child of who starts it, and the trace goes to `path`. */
export function straceCommand(path: string): string[] {
  const what = ['-e', `trace=${CALLS.join(',')}`, '-e', `inject=fdatasync:delay_enter=${SYNC_DELAY_US}`];
  return ['strace', '-D', '-f', '-y', '-s', `${TEXT_BYTES_MAX}`, ...what, '-o', path];
}

export interface SystemCall {
  readonly name: string;
  /** With the path or socket that each descriptor stands for. */
  readonly text: string;
  readonly result: number;
  /** Lines of the trace, so of one order for all threads: `start` before the kernel began, `end` after it was done. */
  readonly start: number;
  readonly end: number;
}

/** Whether the process has ended and its trace is whole. */
export function isTraceComplete(path: string, pid: number): boolean {
  return new RegExp(`^${pid} +\\+\\+\\+ `, 'm').test(readFileSync(path, 'latin1'));
}

/** All calls of all threads by their start. A call that another thread's interrupted takes two lines. */
export function readTrace(path: string): SystemCall[] {
  const calls: SystemCall[] = [];
  const unfinished = new Map<
    string,
    { readonly name: string; readonly text: string; readonly start: number }
  >();
  readFileSync(path, 'latin1')
    .split('\n')
    .forEach((line, at) => {
      const [, pid = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
      const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest);
      const begun = /^(\w+)\((.*)$/.exec(rest);
      if (resumed !== null) {
        const before = unfinished.get(pid);
        if (before !== undefined) calls.push(finished(before, before.text + resumed[2], at));
        unfinished.delete(pid);
      } else if (begun !== null) {
        const call = { name: begun[1]!, text: begun[2]!.replace(/ <unfinished \.\.\.>$/, ''), start: at };
        if (rest.endsWith('<unfinished ...>')) unfinished.set(pid, call);
        else calls.push(finished(call, call.text, at));
      }
    });
  return calls.sort((a, b) => a.start - b.start);
}

function finished(
  call: { readonly name: string; readonly start: number },
  text: string,
  end: number,
): SystemCall {
  const result = Number(/\) += (-?\d+)[^)]*(?:\(.*\))?$/.exec(text)?.[1] ?? Number.NaN);
  return { name: call.name, text, result, start: call.start, end };
}

const INCOMING = ['read', 'readv', 'recvfrom', 'recvmsg'];
const OUTGOING = ['write', 'writev', 'sendto', 'sendmsg'];
const LOG_FILE = /^(\d+)<[^>]*\/log\/[^>]*\/data\.mdb>/;

/** A request by what its bytes contain, and its answer by what it contains. */
export interface Exchange {
  readonly request: string;
  readonly answer: string;
}

/**
 * Looks for the chain that makes an answer true: the request was read; then its record was written to the log's file; then a sync of that
 * file began and was done; then the commit was written by a descriptor that syncs by itself; then the answer was sent.
 * @returns what is missing of it, for each exchange where something is
 */
export function unsyncedAnswers(calls: readonly SystemCall[], exchanges: readonly Exchange[]): string[] {
  const isSocket = (call: SystemCall) => /^\d+<(socket|TCP)/.test(call.text);
  const incoming = calls.filter((call) => INCOMING.includes(call.name) && isSocket(call));
  const outgoing = calls.filter((call) => OUTGOING.includes(call.name) && isSocket(call));
  const logWrites = calls.filter(
    (call) => /write/.test(call.name) && LOG_FILE.test(call.text) && call.result > 0,
  );
  const syncs = calls.filter(
    (call) => /sync$/.test(call.name) && LOG_FILE.test(call.text) && call.result === 0,
  );
  const syncing = new Set(
    calls
      .filter(({ name, text }) => name === 'openat' && /O_D?SYNC/.test(text) && text.includes('/log/'))
      .map(({ result }) => String(result)),
  );
  const commits = logWrites.filter(({ text }) => syncing.has(LOG_FILE.exec(text)![1]!));
  return exchanges.flatMap(({ request, answer }) => {
    const read = incoming.find(({ text }) => text.includes(request));
    const sent = outgoing.find(({ text }) => text.includes(answer));
    if (read === undefined || sent === undefined) return [`${request}: no request or no answer in the trace`];
    const written = logWrites.find(({ text, start }) => start > read.end && text.includes(request));
    const synced = syncs.find(({ start }) => written !== undefined && start > written.end);
    const committed = commits.find(({ start }) => synced !== undefined && start > synced.end);
    const end = committed?.end ?? Number.POSITIVE_INFINITY;
    return end < sent.start ? [] : [`${request}: answered in line ${sent.start}, durable in line ${end}`];
  });
}
