import { Unpackr } from 'msgpackr';
import { CODES, type RefusalCode } from '../../engine/codes.js';
import { Op } from '../../engine/command.js';
import { RecordKind, RecordView } from '../../engine/record.js';
import { bearerToken, isLocalRequest, readSubprotocols } from '../../src/gateway/caller.js';
import { DecodeError } from '../../src/gateway/decode-error.js';
import { decodeJson, encodeJson } from '../../src/gateway/json.js';
import { decodeMsgpack, encodeMsgpack } from '../../src/gateway/msgpack.js';
import { matchRoute } from '../../src/gateway/routes.js';
import { encodeAccount, encodeAccountUpdate } from '../../src/ledger/account-requests.js';
import { prefixOf } from '../../src/ledger/caller.js';
import { CommandEncoder, type Fault } from '../../src/ledger/encoder.js';
import { encodeCompact, encodeEnd, encodeReversal, encodeTransaction } from '../../src/ledger/requests.js';
import type { Dice } from '../support/dice.js';
import { makeCompact, makeMap } from './commands.js';
import { mutate } from './mutate.js';
import { readJsonNaively } from './reference-json.js';
import { spellJson } from './spell-json.js';
import { spellMsgpack } from './spell-msgpack.js';
import { accepted, claim, same, type Target } from './target.js';
import { makeValue, nested, type Value } from './values.js';

/** A command, any value, or one in deep nesting. */
function makeAny(dice: Dice): Value {
  const what = dice.below(10);
  if (what < 3) return makeMap(dice, dice.below(1000));
  if (what < 5) return makeCompact(dice, dice.below(1000));
  if (what < 9) return makeValue(dice, 5);
  return nested(dice, makeValue(dice, 1), dice.pick([1, 20, 30, 31, 32, 33, 34, 100]));
}

/** Sizes that lie: four billion items, a gigabyte of text, in what is a few bytes long. */
const LIES = [
  'dd ffffffff',
  'df ffffffff',
  'db ffffffff',
  'db 40000000',
  'dc ffff',
  'de ffff',
  'da ffff',
  'c6 ffffffff',
  'c9 ffffffff 01',
];
const EXTENSIONS = [
  'd4 01 00',
  'd6 ff 00000000',
  'd4 72 40',
  'c7 05 01 0102030405',
  'c4 01 00',
  'c1',
  'd8 01 00',
];

/** An array of one, and a map of one under the key "a". */
const DEEP = [Buffer.from('91', 'hex'), Buffer.from('81a161', 'hex')];

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: 'bigint' });

const msgpack: Target = {
  name: 'MessagePack',
  make(dice) {
    const bytes = spellMsgpack(dice, makeAny(dice));
    if (dice.chance(1)) return Buffer.concat([Buffer.alloc(10_000, dice.pick(DEEP)), bytes]);
    if (!dice.chance(10)) return bytes;
    const piece = Buffer.from(dice.pick([...LIES, ...EXTENSIONS]).replaceAll(' ', ''), 'hex');
    const at = dice.below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
  },
  run(input) {
    const bytes = Buffer.from(input);
    const ours = accepted(() => decodeMsgpack(bytes), DecodeError);
    if (ours === undefined) return;
    claim(same(ours.value, unpackr.unpack(bytes)), 'msgpackr reads another value');
    const again = encodeMsgpack(ours.value);
    claim(same(decodeMsgpack(again), ours.value), 'what was encoded is read as another value');
    claim(encodeMsgpack(decodeMsgpack(again)).equals(again), 'encoding is not stable');
  },
};

const json: Target = {
  name: 'JSON',
  make(dice) {
    const bytes = Buffer.from(spellJson(dice, makeAny(dice)));
    if (dice.chance(1)) return Buffer.concat([Buffer.alloc(10_000 * 5, dice.pick(['[', '{"a":'])), bytes]);
    if (!dice.chance(10)) return bytes;
    // Overlong forms, surrogates in UTF-8, bytes that never occur.
    const piece = Buffer.from(
      dice.pick(['c080', 'eda080', 'f4908080', 'ff', 'efbbbf', 'e28280', 'c2']),
      'hex',
    );
    const at = dice.below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
  },
  run(input) {
    const ours = accepted(() => decodeJson(input), DecodeError);
    const reference = readJsonNaively(input);
    claim(
      (ours !== undefined) === reference.ok,
      reference.ok ? 'refused though it is right' : `taken, but: ${reference.why}`,
    );
    if (ours === undefined || !reference.ok) return;
    claim(same(ours.value, reference.value), 'the reference reads another value');
    if (hasInexact(ours.value)) return;
    const back = readJsonNaively(Buffer.from(encodeJson(ours.value)));
    claim(back.ok && same(ours.value, back.value), 'what was encoded is read as another value');
  },
};

/** A number beyond 2^53, or none: no field takes it, and it has no one text. */
function hasInexact(value: unknown): boolean {
  if (typeof value === 'number') return !(Math.abs(value) <= Number.MAX_SAFE_INTEGER);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasInexact);
}

const encoder = new CommandEncoder();
const view = new RecordView();
const KEY = new Uint8Array(16).fill(7);
const NOW_MS = 1_780_000_000_000;
const CALLERS = [true, false].map((textAmounts) =>
  prefixOf({ tenant: 'shop', by: 'ann', terminal: 'till' }, KEY, textAmounts),
);
/** The kind of record that a command leads to. */
const KIND_OF: { readonly [op: number]: number } = {
  [Op.transaction]: RecordKind.posted,
  [Op.pending]: RecordKind.pending,
  [Op.post]: RecordKind.post,
  [Op.void]: RecordKind.void,
  [Op.createAccount]: RecordKind.account,
  [Op.updateAccount]: RecordKind.accountUpdate,
};

/** Bodies that a decoder took, given to every operation there is: a refusal by a code of the contract, or a payload that says what the body said. */
const commands: Target = {
  name: 'commands',
  make: (dice) => spellMsgpack(dice, dice.chance(50) ? makeMap(dice, 1) : makeCompact(dice, 1)),
  run(input) {
    const decoded = accepted(() => decodeMsgpack(Buffer.from(input)), DecodeError);
    if (decoded === undefined) return;
    const { value } = decoded;
    for (const caller of CALLERS) {
      if (Array.isArray(value)) judge(encodeCompact(encoder, caller, value, 1));
      if (typeof value !== 'object' || value === null) continue;
      const { rid: _, op: __, id, ...rest } = value as { readonly [field: string]: unknown };
      const isWhole = judge(encodeTransaction(encoder, caller, { id, ...rest }, NOW_MS));
      if (isWhole) claim(view.id === id, 'the payload has another id');
      judge(encodeAccount(encoder, caller, { id, ...rest }));
      const part = encodeReversal(encoder, caller, 'original', { id, ...rest });
      if ('code' in part) judge(part);
      if (typeof id !== 'string') continue;
      judge(encodeEnd(encoder, caller, Op.post, 0, id, rest));
      judge(encodeEnd(encoder, caller, Op.void, 0, id, rest));
      judge(encodeAccountUpdate(encoder, caller, id, rest));
    }
  },
};

/** @returns whether it was accepted, and then its payload can be read and balances */
function judge(fault: Fault | undefined): boolean {
  if (fault !== undefined) {
    claim(fault.code in CODES && CODES[fault.code as RefusalCode].n > 1, `refused with ${fault.code}`);
    return false;
  }
  const kind = KIND_OF[encoder.op]!;
  view.over(encoder.payload.bytes).readPayload(0, kind, encoder.n, encoder.presence);
  if (encoder.op !== Op.post && kind < RecordKind.account) {
    claim(
      view.end === encoder.payload.at,
      `a payload of ${encoder.payload.at} bytes is read up to ${view.end}`,
    );
    let sum = 0n;
    for (let leg = 0; leg < view.n; leg++) {
      claim(view.amounts[leg]! > 0n, 'a posting of nothing');
      claim(/^[\w.:@{}-]{1,64}$/.test(view.account(leg)), 'an account of other characters');
      sum += view.isCredit(leg) ? -view.amounts[leg]! : view.amounts[leg]!;
    }
    claim(sum === 0n, `off by ${sum}`);
  }
  return true;
}

const PATHS = [
  '/v1/transactions',
  '/v1/accounts',
  '/batch',
  '/balance',
  '/post',
  '/',
  '%',
  '%2F',
  '%00',
  '%zz',
  '%ff',
  '..',
  'till',
  '//',
];
const HEADERS = [
  'bearer ',
  'Bearer  ',
  'kassa.v1',
  ', ',
  'bearer.',
  'http://',
  'localhost',
  '127.0.0.1',
  '[::1]',
  ':80',
  '@',
  'evil.example',
];

/** What the gateway reads of heads: paths and the headers that it looks at. */
const heads: Target = {
  name: 'heads',
  make: (dice) =>
    Buffer.from(
      Array.from({ length: 1 + dice.below(6) }, () => dice.pick(dice.chance(60) ? PATHS : HEADERS)).join(''),
    ),
  run(input) {
    const text = Buffer.from(input).toString('latin1');
    const [first = '', second = ''] = text.split('\n');
    for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) matchRoute(method, text);
    bearerToken(text);
    readSubprotocols(text);
    isLocalRequest(first, second);
    const isLocal = isLocalRequest(text, '');
    claim(
      !isLocal || /localhost|127\.|\[::|0x7f|2130706433|^127|0177/i.test(text) || !/evil/.test(text),
      'a foreign host taken for this machine',
    );
  },
};

export const REQUEST_TARGETS: readonly Target[] = [msgpack, json, commands, heads].map((target) => ({
  ...target,
  make: (dice) => {
    const made = target.make(dice);
    return dice.chance(50) ? made : mutate(dice, made, target.make(dice));
  },
}));
