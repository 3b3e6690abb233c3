import { createHmac } from 'node:crypto';
import { jwtVerify } from 'jose';
import { AuthError, checkClaims } from '../../src/gateway/auth.js';
import { checkToken, TokenError } from '../../src/gateway/jwt.js';
import { secretKey } from '../../src/gateway/keys.js';
import type { Dice } from '../support/dice.js';
import { makeToken, SECRET } from '../support/token.js';
import { mutate } from './mutate.js';
import { spellJson } from './spell-json.js';
import { accepted, claim, type Target } from './target.js';
import { Entries, makeText, makeValue, type Value } from './values.js';

const NOW_MS = 1_780_000_000_000;
const KEY = secretKey(SECRET);
const ALGORITHMS = ['HS256', 'HS256', 'HS256', 'none', 'None', 'HS384', 'RS256', 'EdDSA', ''];
const CLAIMS = ['tenant', 'sub', 'role', 'terminal', 'accounts', 'exp', 'nbf', 'iat'];
const TIMES: readonly Value[] = [0, 1, -1, 1.78e9, 1.78e9 + 1, 1.79e9, 2 ** 53, 1e300, '2099', null];

function part(value: string): string {
  return Buffer.from(value).toString('base64url');
}

/** A token with any head and any claims, most of them signed with the right secret. */
export function makeAnyToken(dice: Dice): string {
  const head: [string, Value][] = [['alg', dice.pick(ALGORITHMS)]];
  if (dice.chance(10)) head.push(['crit', ['x']]);
  if (dice.chance(20)) head.push([makeText(dice), makeValue(dice, 1)]);
  const claims: [string, Value][] = [
    ['tenant', 'shop'],
    ['sub', 'ann'],
    ['role', dice.pick(['pos', 'teller', 'auditor', 'approver'])],
  ];
  if (dice.chance(40)) claims.push(['exp', dice.pick(TIMES)]);
  if (dice.chance(20)) claims.push(['nbf', dice.pick(TIMES)]);
  if (dice.chance(20)) claims.push(['accounts', dice.chance(50) ? ['till'] : makeValue(dice, 2)]);
  if (dice.chance(30)) claims.push([dice.pick(CLAIMS), makeValue(dice, 2)]);
  const body = `${part(spellJson(dice, new Entries(head)))}.${part(spellJson(dice, new Entries(claims)))}`;
  const secret = dice.chance(85) ? SECRET : 'another secret of more than thirty-two bytes';
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

/** What we take jose takes too, and nothing but times, which jose judges by its own clock, tells the two apart the other way round. */
export const TOKEN_TARGET: Target = {
  name: 'tokens',
  make(dice) {
    const token = Buffer.from(makeAnyToken(dice));
    return dice.chance(60) ? token : mutate(dice, token, Buffer.from(makeToken()));
  },
  async run(input) {
    const token = Buffer.from(input).toString('latin1');
    const ours = accepted(() => checkToken(token, KEY, NOW_MS), TokenError);
    const theirs = await jwtVerify(token, KEY.key, {
      algorithms: ['HS256'],
      currentDate: new Date(NOW_MS),
    }).catch(() => undefined);
    claim(ours === undefined || theirs !== undefined, 'we take a token that jose refuses');
    claim(ours !== undefined || theirs === undefined, 'we refuse a token that jose takes');
    if (ours === undefined) return;
    claim(JSON.stringify(ours.value) === JSON.stringify(theirs?.payload), 'jose reads other claims');
    accepted(() => checkClaims(ours.value), AuthError);
  },
};
