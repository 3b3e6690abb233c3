import { type Code, codeName } from '../../engine/codes.js';

/** An answer, whatever its form was. */
export interface Reply {
  readonly code: Code;
  /** Of the transaction, or a batch's highest; 0 when there is none. */
  readonly lsn: number;
  /** Compact batch: index and code of each entry that is not `ok`. */
  readonly entries: readonly (readonly [index: number, code: Code])[];
  /** Map form: all of it. */
  readonly body: { readonly [field: string]: unknown };
}

/** `lost`: the connection went first; the request may have been carried out or not. */
export type Answer = Reply | 'lost';

interface Flight {
  readonly sentAt: number;
  readonly done: (answer: Answer) => void;
}

const RID_MAX = 0xffff_ffff;

/** Pairs answers with requests by their number. */
export class Requests {
  readonly #send: (frame: unknown) => void;
  /** In the order they were sent. */
  readonly #flights = new Map<number, Flight>();
  #rid = 0;

  constructor(send: (frame: unknown) => void) {
    this.#send = send;
  }

  /**
   * Sends the frame made for a number.
   * @param done called once, later: with the answer, or `lost`
   */
  request(frame: (rid: number) => unknown, done: (answer: Answer) => void): void {
    this.#rid = this.#rid === RID_MAX ? 1 : this.#rid + 1;
    this.#flights.set(this.#rid, { sentAt: performance.now(), done });
    this.#send(frame(this.#rid));
  }

  /** Takes what came from the server; what answers nothing is ignored. */
  received(value: unknown): void {
    const rid = ridOf(value);
    const flight = this.#flights.get(rid);
    if (flight === undefined) return;
    this.#flights.delete(rid);
    flight.done(toReply(value));
  }

  /** The connection is gone: everything in flight has an unknown outcome. */
  lost(): void {
    const flights = [...this.#flights.values()];
    this.#flights.clear();
    for (const { done } of flights) done('lost');
  }

  /** Milliseconds that the oldest request has waited; 0 when none does. */
  oldestMs(): number {
    for (const { sentAt } of this.#flights.values()) return performance.now() - sentAt;
    return 0;
  }
}

function ridOf(value: unknown): number {
  const rid = Array.isArray(value) ? value[0] : (value as { rid?: unknown } | null)?.rid;
  return typeof rid === 'number' ? rid : -1;
}

function toReply(value: unknown): Reply {
  if (Array.isArray(value)) {
    const [, n, lsn, entries] = value as [number, number, number?, [number, number][]?];
    return {
      code: codeOfNumber(n),
      lsn: Number(lsn ?? 0),
      entries: (entries ?? []).map(([index, code]) => [index, codeOfNumber(code)] as const),
      body: {},
    };
  }
  const body = value as Reply['body'];
  return { code: codeOf(body), lsn: lsnOf(body), entries: [], body };
}

/** A number that this client does not know yet is a refusal all the same. */
function codeOfNumber(n: number): Code {
  try {
    return codeName(n);
  } catch {
    return 'invalid_request';
  }
}

/** The code of a map reply or of an entry of a map batch. */
export function codeOf(body: Reply['body']): Code {
  if (body['ok'] === true) return body['duplicate'] === true ? 'duplicate' : 'ok';
  return (body['code'] ?? 'invalid_request') as Code;
}

/** The LSN of the latest thing a map reply tells of: a hold's end, else the transaction. */
export function lsnOf(body: Reply['body']): number {
  const end = body['end'] as { lsn?: unknown } | undefined;
  return Number(end?.lsn ?? body['lsn'] ?? 0);
}
