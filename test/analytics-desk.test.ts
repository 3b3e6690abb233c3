import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Database } from '../src/analytics/database.js';
import { type AnalyticsDesk, ClosedDesk, stateWithout, unanswered } from '../src/analytics/desk.js';
import { RemoteDesk, serveDesk } from '../src/analytics/desk-port.js';
import { watchEngine } from '../src/analytics/engine-watch.js';
import type { Answer, Question, SentAnswer, SlowAnswer } from '../src/analytics/messages.js';
import { TAKEN_BACK } from '../src/analytics/open-questions.js';
import { QuestionDesk } from '../src/analytics/question-desk.js';
import { AnalyticsSupervisor } from '../src/analytics/supervisor.js';
import { until } from './support/server.js';

const SOON_MS = 20_000;

function question(id: number, path = 'analytics/overview'): Question {
  return { type: 'ask', id, tenant: 'shop', who: 'ann', method: 'GET', path, query: '' };
}

function answer(id: number, body = '{}'): Answer {
  return { type: 'answer', id, ok: true, contentType: 'application/json', body };
}

/** A desk whose answers are given when the test says so. */
function deskOf(options: { readonly answerMs?: number; readonly slowMs?: number } = {}) {
  const sent: (SentAnswer | SlowAnswer)[] = [];
  const asked = new Map<
    number,
    { give(answer: Answer): void; fail(error: Error): void; signal: AbortSignal }
  >();
  const logged: string[] = [];
  const desk = new QuestionDesk({
    answer: ({ id }, signal) => new Promise((give, fail) => asked.set(id, { give, fail, signal })),
    send: (message) => sent.push(message),
    log: (_, message) => logged.push(message),
    slowMs: 3_600_000,
    cursor: () => 17,
    ...options,
  });
  const turns = async () => {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { desk, sent, asked, logged, turns };
}

describe('questions', () => {
  it('are answered once each, in the order that answers come', async () => {
    const { desk, sent, asked, turns } = deskOf();
    for (const id of [1, 2, 3]) desk.ask(question(id));
    for (const id of [3, 1, 2]) {
      asked.get(id)!.give(answer(id));
      await turns();
    }
    const as = (id: number) => ({ ...answer(id), body: Buffer.from('{}') });
    expect(sent).toEqual([as(3), as(1), as(2)]);
  });

  it('beyond 68 are refused, and there is room again behind an answer', async () => {
    const { desk, sent, asked, turns } = deskOf();
    for (let id = 1; id <= 70; id++) desk.ask(question(id));
    expect(sent).toMatchObject([69, 70].map((id) => ({ id, ok: false, refusal: { code: 'overloaded' } })));
    asked.get(1)!.give(answer(1));
    await turns();
    desk.ask(question(71));
    expect(asked.has(71)).toBe(true);
  });

  it('that were cancelled are told so, and not answered', async () => {
    const { desk, sent, asked, turns } = deskOf();
    desk.ask(question(1));
    desk.cancel(1);
    desk.cancel(2);
    expect(asked.get(1)!.signal.aborted).toBe(true);
    asked.get(1)!.give(answer(1));
    await turns();
    expect(sent).toEqual([]);
  });

  it('that take too long are refused, and told to stop', async () => {
    const { desk, sent, asked, turns } = deskOf({ answerMs: 20 });
    desk.ask(question(1));
    await until(
      () => sent.length > 0,
      SOON_MS,
      () => 'no answer',
    );
    expect(sent).toMatchObject([{ id: 1, refusal: { code: 'overloaded' } }]);
    expect(asked.get(1)!.signal.aborted).toBe(true);
    asked.get(1)!.fail(new Error('stopped'));
    await turns();
    expect(sent).toHaveLength(1);
  });

  it('that fail are logged, with nothing of it for the asker', async () => {
    const { desk, sent, asked, logged, turns } = deskOf();
    desk.ask(question(1));
    asked.get(1)!.fail(new Error('of a table that is not there'));
    await turns();
    expect(sent).toMatchObject([{ id: 1, refusal: { code: 'not_ready' } }]);
    expect(JSON.stringify(sent)).not.toContain('table');
    expect(logged.join()).toMatch(/overview failed: .*table that is not there/);
  });

  it('with an answer above 8 MiB are refused', async () => {
    const { desk, sent, asked, turns } = deskOf();
    desk.ask(question(1));
    asked.get(1)!.give(answer(1, 'ā'.repeat(4 << 20).concat('x')));
    await turns();
    expect(sent).toMatchObject([{ id: 1, refusal: { code: 'too_large' } }]);
  });

  it('that took long are told of, by report, tenant and LSN', async () => {
    const { desk, sent, asked, turns } = deskOf({ slowMs: 0 });
    desk.ask(question(1, 'analytics/accounts/till%3A7/statement'));
    asked.get(1)!.give(answer(1));
    await turns();
    expect(sent[1]).toEqual({
      type: 'slow',
      report: 'statement',
      seconds: expect.any(Number),
      tenant: 'shop',
      lsn: 17,
    });
  });
});

/** A database that answers when the test says so; SQL is the answer. */
class HeldDatabase implements Partial<Database> {
  readonly held: { readonly sql: string; readonly answer: () => void }[] = [];

  rows(sql: string): Promise<never[][]> {
    return new Promise((resolve) => this.held.push({ sql, answer: () => resolve([[sql as never]]) }));
  }
}

describe('the watch over the engine', () => {
  const watch = (engine: HeldDatabase) => {
    let hung = 0;
    onTestFinished(watchEngine(engine as unknown as Database, () => hung++, 1));
    return () => hung;
  };

  it('finds out when it does not answer', async () => {
    const engine = new HeldDatabase();
    const hung = watch(engine);
    await until(
      () => hung() > 0,
      SOON_MS,
      () => 'not found out',
    );
    expect(engine.held).toMatchObject([{ sql: 'SELECT 1' }]);
  });

  it('is content with answers, however often it asks', async () => {
    const engine = new HeldDatabase();
    const hung = watch(engine);
    let answered = 0;
    await until(
      () => {
        for (const { answer } of engine.held.slice(answered)) answer();
        answered = engine.held.length;
        return answered === 20;
      },
      SOON_MS,
      () => `asked ${answered} times`,
    );
    expect(hung()).toBe(0);
  });
});

describe('the desk through a port', () => {
  const open = (desk: AnalyticsDesk) => {
    const { port1, port2 } = new MessageChannel();
    serveDesk(port1, desk);
    const remote = new RemoteDesk(port2, stateWithout('starting'));
    onTestFinished(() => remote.close());
    return remote;
  };
  const asking = {
    tenant: 'shop',
    who: 'ann',
    method: 'GET',
    path: 'analytics/overview',
    query: '',
  } as const;

  it('answers, and tells how analytics stands', async () => {
    const remote = open(new ClosedDesk('analytics is off'));
    expect(remote.state().state).toBe('starting');
    const { answer } = remote.ask(asking);
    expect(await answer).toEqual(unanswered(1, 'analytics is off'));
    expect(remote.state()).toEqual(stateWithout('off', 'analytics is off'));
  });

  it('passes on that the asker has gone, and refuses what is open when it is closed', async () => {
    const cancelled: string[] = [];
    const remote = open({
      state: () => stateWithout('starting'),
      ask: ({ path }) => ({ answer: new Promise(() => undefined), cancel: () => cancelled.push(path) }),
      watch: () => undefined,
      close: async () => undefined,
    });
    const gone = remote.ask({ ...asking, path: 'analytics/top' });
    gone.cancel();
    expect(await gone.answer).toEqual(unanswered(1, TAKEN_BACK));
    await until(
      () => cancelled.length > 0,
      SOON_MS,
      () => 'not passed on',
    );
    expect(cancelled).toEqual(['analytics/top']);
    const { answer } = remote.ask(asking);
    await remote.close();
    const stopping = { ok: false, refusal: { code: 'not_ready', detail: 'stopping' } };
    expect(await answer).toMatchObject(stopping);
    expect(await remote.ask(asking).answer).toMatchObject(stopping);
  });
});

describe('the supervisor', () => {
  it('of a process that the system refuses to start says so, and tries again', async () => {
    const { execPath } = process;
    const logged: string[] = [];
    const target = { kind: 'server', url: 'http://127.0.0.1:1/' } as const;
    const supervisor = new AnalyticsSupervisor({
      start: { data: '.', target, sqlUrl: undefined, zone: 'UTC', ttlDays: 0, slowQueryMs: 1, keptBytes: 0 },
      log: (_, message) => logged.push(message),
      onSlow: () => undefined,
    });
    onTestFinished(async () => {
      process.execPath = execPath;
      await supervisor.close();
    });
    // Refused where it is called, as it is for want of memory, and not by an event.
    process.execPath = 'no\0program';
    supervisor.start(() => 0);
    expect(supervisor.state()).toMatchObject({ state: 'down', restarts: 0 });
    expect(await supervisor.ask({ ...question(1) }).answer).toMatchObject({
      refusal: { code: 'not_ready', detail: expect.stringContaining('could not be started') },
    });
    await until(
      () => supervisor.state().restarts > 1,
      SOON_MS,
      () => 'not tried again',
    );
    expect(logged[0]).toContain('the next starts in 0.2 s: it could not be started');
  });
});
