import { STATUS_CODES } from 'node:http';
import { CODES } from '../../engine/codes.js';
import type { Outcome, Refusal } from '../../engine/types.js';
import { encodeJson } from './json.js';
import { INTERNAL_FAULT } from './metrics.js';
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
  private onGone: (() => void) | undefined;

  /** @param onAnswered called with the number of the answer's code, once, unless the client goes first */
  constructor(
    private readonly res: HttpResponse,
    private readonly onAnswered: (n: number) => void,
  ) {
    res.onAborted(() => {
      this.done = true;
      this.onGone?.();
    });
  }

  /**
   * Collects the body; must be called before the request's handler returns.
   * @param bytesMax bodies beyond it are not kept
   * @returns the body, or why there is none
   */
  readBody(bytesMax: number): Promise<Buffer | 'too_large' | 'gone'> {
    return new Promise((resolve) => {
      this.onGone = () => resolve('gone');
      let chunks: Buffer[] = [];
      let bytes = 0;
      this.res.onData((chunk, isLast) => {
        bytes += chunk.byteLength;
        if (bytes > bytesMax) {
          chunks = [];
          resolve('too_large');
          return;
        }
        // The memory behind the chunk is gone after this call.
        chunks.push(Buffer.from(new Uint8Array(chunk)));
        if (isLast) resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      });
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

  send(status: number, contentType: string, body: string, n: number, headers: Headers = []): void {
    if (this.done) return;
    this.done = true;
    this.res.cork(() => {
      this.res.writeStatus(`${status} ${STATUS_CODES[status]}`).writeHeader('Content-Type', contentType);
      for (const [name, value] of headers) this.res.writeHeader(name, value);
      this.res.end(body);
    });
    this.onAnswered(n);
  }
}
