import { expect, test } from 'vitest';
import { ServerProcess } from './support/server.js';

/**
 * A WebSocket that is accepted after an `await` is now and then closed by the native server (see jwt.ts). It takes other
 * traffic between the upgrades, and luck: one in a few hundred.
 */
test('a connection with a token never seen before stays open', { timeout: 60_000 }, async () => {
  const server = await ServerProcess.fresh();
  for (let round = 0; round < 100; round++) {
    const http = server.http({ sub: `http-${round}` });
    expect(await http.get('/v1/accounts/none')).toMatchObject({ status: 404 });
    const wires = [];
    for (let i = 0; i < 3; i++) {
      wires.push(await server.wire({ sub: `ws-${round}-${i}` }));
      await http.get('/v1/accounts/none');
    }
    for (const wire of wires) expect(await wire.call('ping')).toMatchObject({ ok: true });
    for (const wire of wires) wire.close();
    http.close();
  }
});
