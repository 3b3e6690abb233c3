import type { Fields } from './exact-json.js';
import type { ServerProcess } from './server.js';
import { createAccounts } from './shop.js';
import type { TokenClaims } from './token.js';
import type { Wire } from './wire.js';

const TILLS = 8;

/** Connections that sell, hold, end, reverse and give up until they are told to stop, or the server is gone. */
export class Traders {
  private isOver = false;
  private readonly running: Promise<void>[];
  /** Ids of what was acknowledged. */
  readonly acknowledged: string[] = [];

  private constructor(
    private readonly wires: readonly Wire[],
    private readonly prefix: string,
  ) {
    this.running = wires.map((wire, i) => this.trade(wire, i));
  }

  /** @param prefix of their ids, so that each run has its own */
  static async start(
    server: ServerProcess,
    prefix: string,
    { count = 4, claims = {} as TokenClaims } = {},
  ): Promise<Traders> {
    const tills = Array.from({ length: TILLS }, (_, i) => ({ id: `till:${i}` }));
    await createAccounts(server.http(claims), [{ id: 'bank', type: 'asset', min_balance: null }, ...tills]);
    const wires = await Promise.all(Array.from({ length: count }, () => server.wire(claims)));
    return new Traders(wires, prefix);
  }

  /** Lets them finish what they are at. */
  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.running);
    for (const wire of this.wires) wire.close();
  }

  private async trade(wire: Wire, trader: number): Promise<void> {
    try {
      for (let n = 0; !this.isOver; n++) await this.round(wire, `${this.prefix}:${trader}:${n}`, n);
    } catch (error) {
      if (!wire.isClosed) throw error;
    }
  }

  private async round(wire: Wire, id: string, n: number): Promise<void> {
    const sale = { debit: 'bank', credit: `till:${n % TILLS}`, amount: 1 + (n % 50) };
    const done = async (name: string, op: string, fields: Fields) => {
      const { ok } = await wire.call(op, fields);
      if (ok) this.acknowledged.push(name);
    };
    await done(id, 'transaction', { id, ...sale, metadata: { n } });
    const hold = `${id}:h`;
    await done(hold, 'transaction', { id: hold, ...sale, pending: true });
    if (n % 3 === 0) await wire.call('void', { id: hold });
    else await wire.call('post', { id: hold, ...(n % 3 === 1 && { amount: 1 }) });
    await done(`${id}:r`, 'reverse', { id: `${id}:r`, original: id });
    await done(`${id}:t`, 'void', { id: `${id}:t` });
    const many = Array.from({ length: 20 }, (_, i) => [`${id}:b${i}`, 'bank', sale.credit, 1]);
    await wire.compact([many]);
  }
}
