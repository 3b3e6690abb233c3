import { describe, expect, it } from 'vitest';
import { freePort, kassa, ServerProcess } from './support/server.js';

describe('several gateways behind one port', () => {
  it('serve one ledger: whatever thread a terminal reaches, a sale counts once', async () => {
    const server = await ServerProcess.fresh({ shards: 2, args: ['--gateways', '3'] });
    const admin = server.http({ role: 'admin' });
    for (const id of ['till', 'sales']) {
      await admin.post('/v1/accounts', { id, currency: 'EUR', type: 'asset', min_balance: null });
    }
    const wires = await Promise.all(Array.from({ length: 24 }, () => server.wire({ role: 'pos' })));
    const sell = (n: number) => wires[n % wires.length]!.compact([`sale:${n % 600}`, 'till', 'sales', 1]);
    const replies = await Promise.all(Array.from({ length: 1200 }, (_, n) => sell(n)));
    expect(replies.filter(([, n]) => n === 0)).toHaveLength(600);
    expect(replies.filter(([, n]) => n === 1)).toHaveLength(600);
    expect((await admin.get('/v1/accounts/till/balance')).body).toMatchObject({ balance: 600 });
    expect(await server.stop()).toMatchObject({ code: 0 });
    expect((await kassa(['verify', '--data', server.options.data])).code).toBe(0);
  });

  it('take no port that another process listens on', async () => {
    const server = await ServerProcess.fresh();
    const other = await kassa(
      [
        'serve',
        '--data',
        `${server.options.data}-other`,
        '--port',
        `${server.port}`,
        '--auth',
        'off',
        '--gateways',
        '2',
      ],
      {},
    );
    expect(other.code).not.toBe(0);
    expect(other.stderr).toContain('the port is in use');
    expect(await freePort()).not.toBe(server.port);
  });
});
