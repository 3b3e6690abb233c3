import { CODES } from '../../engine/codes.js';
import { ResultFlag } from '../../engine/command.js';
import type { RingConsumer } from '../../engine/mailbox.js';
import type { Outcome } from '../../engine/types.js';
import { Answer, Call, refusalOf } from './answers.js';

/** Makes a body of an account's answer, true at `lsn`. */
export type BodyOf<T> = (payload: Uint8Array, id: string, lsn: number) => T;

/** A command about one account on its way. The body is made while the answer lies in its ring. */
export class AccountCall<T> extends Call<Outcome<T>> {
  constructor(
    private readonly id: string,
    private readonly isCreation: boolean,
    private readonly bodyOf: BodyOf<T>,
  ) {
    super();
  }

  done(_tag: number, ring: RingConsumer, m: number): void {
    const answer = shown.over(ring, m);
    if (answer.code !== CODES.ok.n) {
      this.resolve({ ...refusalOf(answer), account: this.id });
      return;
    }
    const created = this.isCreation && (answer.flags & ResultFlag.known) === 0;
    this.resolve({ ok: true, created, body: this.bodyOf(answer.payload, this.id, answer.lsn) });
  }
}

const shown = new Answer();
