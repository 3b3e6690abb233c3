import { RecordKind } from '../../engine/record.js';
import type { MadeFields, MadeLog } from './made-log.js';

/** Two EUR accounts of the tenant `shop`, and sales between them. */
export class MadeShop {
  private serial = 0;

  constructor(private readonly log: MadeLog) {
    for (const id of ['till', 'sales']) {
      log.add(RecordKind.account, { tenant: 'shop', id, currency: 'EUR' }, [], id === 'till' ? 0 : 4);
    }
  }

  /** @returns the record's LSN */
  sell(amount: bigint, more: Partial<MadeFields> = {}): number {
    const fields = { tenant: 'shop', id: `sale-${++this.serial}`, ...more };
    return this.log.add(RecordKind.posted, fields, [
      { account: 'till', credit: false, amount },
      { account: 'sales', credit: true, amount },
    ]);
  }
}
