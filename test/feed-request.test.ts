import { describe, expect, it } from 'vitest';
import { readSubscribe } from '../src/feed/request.js';
import type { Permission } from '../src/session.js';

const caller = { tenant: 'shop', by: 'ann' };
const LSN = 41;

describe('a subscribe', () => {
  it('begins with the next LSN unless it says another, up to that', () => {
    expect(readSubscribe(caller, {}, LSN)).toMatchObject({ tenant: 'shop', fromLsn: 42 });
    for (const from_lsn of [1, 41, 42])
      expect(readSubscribe(caller, { from_lsn }, LSN)).toMatchObject({ fromLsn: from_lsn });
  });

  it.each([0, -1, 1.5, '1', null, true, 2n ** 60n, Number.NaN, 2 ** 53, 43, [1]])(
    'from_lsn %s is refused',
    (from_lsn) => {
      expect(readSubscribe(caller, { from_lsn }, LSN)).toMatchObject({
        ok: false,
        code: 'invalid_request',
        pointer: '/from_lsn',
      });
    },
  );

  it.each([
    ['till:1', '/accounts'],
    [[], '/accounts'],
    [new Array(65).fill('a'), '/accounts'],
    [['a', ''], '/accounts/1'],
    [['a*b'], '/accounts/0'],
    [['**'], '/accounts/0'],
    [['a b'], '/accounts/0'],
    [[7], '/accounts/0'],
    [['x'.repeat(65)], '/accounts/0'],
    [null, '/accounts'],
  ])('accounts %j are refused', (accounts, pointer) => {
    expect(readSubscribe(caller, { accounts }, LSN)).toMatchObject({ code: 'invalid_request', pointer });
  });

  it('accounts are ids and beginnings of ids', () => {
    const accounts = ['{s1}:till', 'till:*', '*', `${'x'.repeat(64)}*`];
    expect(readSubscribe(caller, { accounts }, LSN)).toMatchObject({ accounts });
  });

  it('fields that there are not are refused', () => {
    expect(readSubscribe(caller, { 'a/b': 1 }, LSN)).toMatchObject({
      code: 'invalid_request',
      pointer: '/a~1b',
    });
  });

  it('needs transactions:read', () => {
    const may = (...permissions: Permission[]) => ({ ...caller, permissions: new Set(permissions) });
    expect(readSubscribe(may('transactions:create', 'accounts:read'), {}, LSN)).toMatchObject({
      code: 'forbidden',
      permission: 'transactions:read',
    });
    expect(readSubscribe(may('transactions:read'), {}, LSN)).toMatchObject({ fromLsn: 42 });
  });

  it('names no account that the token could never read', () => {
    const limited = { ...caller, accounts: ['till:1', 'bank:'] };
    const code = (...accounts: string[]) => {
      const outcome = readSubscribe(limited, { accounts }, LSN);
      return 'ok' in outcome ? [outcome.code, outcome.account] : 'taken';
    };
    expect(code('till:1')).toBe('taken');
    expect(code('till:17')).toBe('taken');
    expect(code('till:*', 'bank:x', '*')).toBe('taken');
    expect(code('bank:*', 'till:1*', 'till:15*')).toBe('taken');
    expect(code('till:1', 'till:2')).toEqual(['forbidden', 'till:2']);
    expect(code('till')).toEqual(['forbidden', 'till']);
    expect(code('sales*')).toEqual(['forbidden', 'sales*']);
    expect(code('till:2*')).toEqual(['forbidden', 'till:2*']);
  });
});
