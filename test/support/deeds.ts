import { HttpClient } from './http-client.js';
import { makeToken } from './token.js';
import { type MapReply, Wire } from './wire.js';

/** What a shop does, each thing so that it can be said again word for word, and what the server made of it. */

export type Deed =
  | {
      readonly kind: 'sale';
      readonly id: string;
      readonly debit: string;
      readonly credit: string;
      readonly amount: number;
      readonly form: (typeof FORMS)[number];
    }
  | {
      readonly kind: 'hold';
      readonly id: string;
      readonly debit: string;
      readonly credit: string;
      readonly amount: number;
      readonly expires_in: number;
    }
  /** `id` is the hold's. */
  | { readonly kind: 'capture'; readonly id: string; readonly amount: number }
  | { readonly kind: 'void'; readonly id: string }
  | { readonly kind: 'tombstone'; readonly id: string }
  | { readonly kind: 'reversal'; readonly id: string; readonly original: string; readonly amount: number }
  | { readonly kind: 'account'; readonly id: string };

export const FORMS = ['compact', 'compact json', 'map', 'http', 'batch', 'compact batch'] as const;

/** @returns the LSN of what was done; `code` when it was refused */
export type Verdict = { readonly lsn: number; readonly isAgain: boolean } | { readonly code: string };

const REFUSED_BY_NUMBER: { readonly [n: number]: string } = {
  31: 'insufficient_funds',
  26: 'already_voided',
  40: 'not_ready',
};

/** A shop's connections to a running server. */
export class Shop {
  private constructor(
    private readonly wire: Wire,
    private readonly http: HttpClient,
  ) {}

  static async open(port: number): Promise<Shop> {
    const token = makeToken({ terminal: 'till' });
    return new Shop(await Wire.open(port, token), new HttpClient(port, token));
  }

  close(): void {
    this.wire.close();
    this.http.close();
  }

  /** @throws when the connection breaks before the answer */
  async perform(deed: Deed): Promise<Verdict> {
    switch (deed.kind) {
      case 'sale':
        return this.sell(deed);
      case 'hold': {
        const { kind: _, expires_in, ...body } = deed;
        return verdict(await this.wire.call('transaction', { ...body, pending: { expires_in } }));
      }
      case 'capture':
        return endVerdict(await this.wire.call('post', { id: deed.id, amount: deed.amount }));
      case 'void':
        return endVerdict(await this.wire.call('void', { id: deed.id }, 'json'));
      case 'tombstone':
        return verdict(await this.wire.call('void', { id: deed.id }));
      case 'reversal': {
        const { kind: _, ...body } = deed;
        return verdict(await this.wire.call('reverse', body));
      }
      default:
        return this.createAccount(deed.id);
    }
  }

  private async createAccount(id: string): Promise<Verdict> {
    const body = { id, type: 'asset', currency: 'EUR' };
    const answer = await this.http.post('/v1/accounts', body);
    if (answer.status >= 400) return { code: answer.body['code'] as string };
    return { lsn: answer.body['lsn'] as number, isAgain: answer.status === 200 };
  }

  private async sell(deed: Deed & { kind: 'sale' }): Promise<Verdict> {
    const { id, debit, credit, amount } = deed;
    const body = { id, debit, credit, amount };
    switch (deed.form) {
      case 'compact':
      case 'compact json': {
        const [, n, lsn] = await this.wire.compact(
          [id, debit, credit, amount],
          deed.form === 'compact' ? 'msgpack' : 'json',
        );
        return byNumber(n, lsn);
      }
      case 'compact batch': {
        const [, whole, lsn, others = []] = await this.wire.compact([[[id, debit, credit, amount]]]);
        return byNumber(whole === 0 ? (others[0]?.[1] ?? 0) : whole, lsn);
      }
      case 'batch': {
        const reply = await this.wire.call('batch', { transactions: [body] });
        return reply.ok ? verdict((reply['results'] as MapReply[])[0]!) : verdict(reply);
      }
      case 'map':
        return verdict(await this.wire.call('transaction', body, 'json'));
      default: {
        const answer = await this.http.post('/v1/transactions', body);
        return verdict({ rid: 0, ok: answer.status < 400, ...answer.body });
      }
    }
  }

  /** Whether an unanswered deed was done, as `status` tells. @returns its LSN, undefined when it was not done */
  async settle(deed: Deed): Promise<number | undefined> {
    if (deed.kind === 'account') {
      const { status, body } = await this.http.get(`/v1/accounts/${deed.id}`);
      return status === 200 ? (body['lsn'] as number) : undefined;
    }
    const reply = await this.wire.call('status', { id: deed.id });
    if (!reply.ok) return undefined;
    if (deed.kind !== 'capture' && deed.kind !== 'void') return reply['lsn'] as number;
    const end = reply['end'] as { status: string; lsn: number } | undefined;
    return end?.status === (deed.kind === 'capture' ? 'posted' : 'voided') ? end.lsn : undefined;
  }

  async status(id: string): Promise<string> {
    return (await this.wire.call('status', { id }))['status'] as string;
  }
}

function byNumber(n: number, lsn: number | undefined): Verdict {
  if (n > 1) return { code: REFUSED_BY_NUMBER[n] ?? `number ${n}` };
  return { lsn: lsn!, isAgain: n === 1 };
}

function verdict(reply: MapReply): Verdict {
  if (!reply.ok) return { code: reply.code! };
  return { lsn: reply['lsn'] as number, isAgain: reply['duplicate'] === true };
}

function endVerdict(reply: MapReply): Verdict {
  if (!reply.ok) return { code: reply.code! };
  return { lsn: (reply['end'] as { lsn: number }).lsn, isAgain: false };
}
