import { STATUS_CODES } from 'node:http';
import { CODES } from '../../engine/codes.js';
import type { Outcome, Refusal } from '../../engine/types.js';
import { encodeJson } from './json.js';
import { INTERNAL_FAULT, type Metrics } from './metrics.js';
import { toProblem } from './refusal.js';
import type { HttpResponse } from './uws.js';

const JSON_TYPE = 'application/json';
const PROBLEM_TYPE = 'application/problem+json';
/** Seconds after which a client that was refused for lack of room or readiness may try again. */
const RETRY_AFTER_S = '1';

export type Headers = readonly (readonly [name: string, value: string])[];

/**
 * One HTTP request and its one answer. The response of an aborted or answered request must not be touched, so
 * everything goes through here; a second answer is ignored.
 */
export class Exchange {
  /** Answered, or the client has gone. */
  done = false;
  /** Called when the client goes before it was answered. */
  onGone: (() => void) | undefined;
  private readonly startedAtMs: number;

  /** @param isTimed whether the answer counts as one of a command, whose time is sampled */
  constructor(
    private readonly res: HttpResponse,
    private readonly metrics: Metrics,
    isTimed: boolean,
  ) {
    this.startedAtMs = isTimed && metrics.sample() ? performance.now() : -1;
    res.onAborted(() => {
      this.done = true;
      this.onGone?.();
    });
  }

  /**
   * Collects the body; must be called before the request's handler returns.
   * @param bytesMax bodies beyond it are not kept
   * @param then takes the body, once, unless the client goes first or was answered. It is valid until that returns
   */
  readBody(bytesMax: number, then: (body: Buffer | 'too_large') => void): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    this.res.onData((chunk, isLast) => {
      if (this.done) return;
      bytes += chunk.byteLength;
      if (bytes > bytesMax) {
        then('too_large');
        return;
      }
      // The memory behind the chunk is gone after this call: a body in one piece is read within it.
      const piece = Buffer.from(chunk);
      if (!isLast) chunks.push(Buffer.from(piece));
      else then(chunks.length === 0 ? piece : Buffer.concat([...chunks, piece]));
    });
  }

  outcome(outcome: Outcome<object>): void {
    if (!outcome.ok) {
      this.refuse(outcome);
      return;
    }
    const code = 'duplicate' in outcome.body ? CODES.duplicate : CODES.ok;
    this.send(outcome.created ? 201 : 200, JSON_TYPE, encodeJson(outcome.body), code.n);
  }

  json(body: object): void {
    this.send(200, JSON_TYPE, encodeJson(body), CODES.ok.n);
  }

  /** @param status when it is not the code's own */
  refuse(refusal: Refusal, headers: Headers = [], status: number = CODES[refusal.code].http): void {
    const retry = status === 429 || status === 503;
    const all: Headers = retry ? [...headers, ['Retry-After', RETRY_AFTER_S]] : headers;
    this.send(status, PROBLEM_TYPE, encodeJson(toProblem(refusal, status)), CODES[refusal.code].n, all);
  }

  /** A fault of the server: what became of the command is not known here, so no code of the contract fits. */
  fail(): void {
    const problem = {
      type: 'about:blank',
      title: STATUS_CODES[500],
      status: 500,
      detail: 'an internal fault; ask for the status of what you sent',
    };
    this.send(500, PROBLEM_TYPE, encodeJson(problem), INTERNAL_FAULT);
  }

  send(
    status: number,
    contentType: string,
    body: string | Uint8Array,
    n: number,
    headers: Headers = [],
  ): void {
    if (this.done) return;
    this.done = true;
    const { res } = this;
    res.cork(() => {
      // uWebSockets.js writes 200 by itself.
      if (status !== 200) res.writeStatus(statusLine(status));
      res.writeHeader('Content-Type', contentType);
      for (const [name, value] of headers) res.writeHeader(name, value);
      res.end(body);
    });
    this.metrics.count('http', n);
    if (this.startedAtMs >= 0) this.metrics.observe('http', this.startedAtMs);
  }
}

const STATUS_LINES = new Map(
  Object.entries(STATUS_CODES).map(([code, text]) => [Number(code), `${code} ${text}`]),
);

function statusLine(status: number): string {
  return STATUS_LINES.get(status)!;
}
