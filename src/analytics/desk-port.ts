import type { MessagePort } from 'node:worker_threads';
import {
  type AnalyticsDesk,
  type AnalyticsState,
  type Asked,
  type DeskWatcher,
  type OpenQuestion,
  refusedAtOnce,
} from './desk.js';
import type { QueryTiming, SentAnswer } from './messages.js';
import { OpenQuestions } from './open-questions.js';

/** The desk for gateways on other threads: they ask through the main thread, which alone has the process. */

type ToDesk =
  | { readonly type: 'ask'; readonly id: number; readonly question: OpenQuestion }
  | { readonly type: 'cancel'; readonly id: number };

type FromDesk = SentAnswer | QueryTiming | { readonly type: 'state'; readonly state: AnalyticsState };

/** Main thread: answers what comes through the port. */
export function serveDesk(port: MessagePort, desk: AnalyticsDesk): void {
  const asked = new Map<number, Asked>();
  const send = (message: FromDesk) => port.postMessage(message);
  send({ type: 'state', state: desk.state() });
  desk.watch({
    state: (state) => send({ type: 'state', state }),
    timing: (report, seconds) => send({ type: 'timing', report, seconds }),
  });
  port.on('message', (message: ToDesk) => {
    const { id } = message;
    if (message.type === 'cancel') {
      const one = asked.get(id);
      asked.delete(id);
      one?.cancel();
      return;
    }
    const one = desk.ask(message.question);
    asked.set(id, one);
    void one.answer.then((answer) => {
      if (asked.delete(id)) send({ ...answer, id });
    });
  });
}

const STOPPING = 'stopping';

/** Another thread: the desk at the other end of the port. */
export class RemoteDesk implements AnalyticsDesk {
  private known: AnalyticsState;
  private readonly questions = new OpenQuestions();
  private readonly watchers: DeskWatcher[] = [];
  private isClosed = false;

  /** @param first how analytics stands until the port brings more */
  constructor(
    private readonly port: MessagePort,
    first: AnalyticsState,
  ) {
    this.known = first;
    port.on('message', (message: FromDesk) => this.hear(message));
  }

  state(): AnalyticsState {
    return this.known;
  }

  ask(question: OpenQuestion): Asked {
    if (this.isClosed) return refusedAtOnce('not_ready', STOPPING);
    return this.questions.ask(
      (id) => this.send({ type: 'ask', id, question }),
      (id) => this.send({ type: 'cancel', id }),
    );
  }

  watch(watcher: DeskWatcher): void {
    this.watchers.push(watcher);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.questions.refuseAll(STOPPING);
    this.port.close();
  }

  private send(message: ToDesk): void {
    this.port.postMessage(message);
  }

  private hear(message: FromDesk): void {
    switch (message.type) {
      case 'state':
        this.known = message.state;
        for (const watcher of this.watchers) watcher.state(message.state);
        break;
      case 'timing':
        for (const watcher of this.watchers) watcher.timing(message.report, message.seconds);
        break;
      default:
        this.questions.settle(message);
    }
  }
}
