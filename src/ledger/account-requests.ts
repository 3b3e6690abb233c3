import { UpdateFlag } from '../../engine/account-desk.js';
import { ACCOUNT_TYPES } from '../../engine/accounts.js';
import { CommandFlag, Op } from '../../engine/command.js';
import { AMOUNT_MAX, GROUP_BYTES_MAX } from '../../engine/limits.js';
import { Has } from '../../engine/record.js';
import { type CallerPrefix, type CommandEncoder, type Fault, invalid, invalidAmount } from './encoder.js';
import { type Body, checkFields, ID_DETAIL, putMetadata } from './fields.js';

const ACCOUNT = new Set(['id', 'currency', 'type', 'min_balance', 'max_balance', 'group', 'metadata']);
const UPDATE = new Set(['frozen', 'closed', 'min_balance', 'max_balance', 'group', 'metadata']);

/** A limit on the normal side: null, or an integer of either sign. */
function parseLimit(value: unknown, textAmounts: boolean): bigint | null | undefined {
  if (value === null) return null;
  let limit: bigint;
  if (typeof value === 'number' && Number.isSafeInteger(value)) limit = BigInt(value);
  else if (typeof value === 'bigint') limit = value;
  else if (typeof value === 'string' && textAmounts && /^-?[0-9]{1,19}$/.test(value)) limit = BigInt(value);
  else return undefined;
  return limit > AMOUNT_MAX || limit < -AMOUNT_MAX ? undefined : limit;
}

const GROUP = /^[A-Za-z0-9_:@{}-]+(\.[A-Za-z0-9_:@{}-]+)*$/;
const GROUP_DETAIL = `a group is a dotted path of 1-${GROUP_BYTES_MAX} characters of the id alphabet`;

function isGroup(value: unknown): value is string {
  return typeof value === 'string' && value.length <= GROUP_BYTES_MAX && GROUP.test(value);
}

export function encodeAccount(enc: CommandEncoder, caller: CallerPrefix, input: unknown): Fault | undefined {
  const fault = checkFields(input, ACCOUNT, '');
  if (fault !== undefined) return fault;
  const body = input as Body;
  enc.begin(caller, Op.createAccount, CommandFlag.full);
  if (!enc.putAccountId(body['id'])) return invalid(ID_DETAIL, '/id');
  if (!enc.putCurrency(body['currency'])) return invalid('a currency is 3-8 of A-Z0-9', '/currency');
  const type = ACCOUNT_TYPES.indexOf(body['type'] as (typeof ACCOUNT_TYPES)[number]);
  if (type < 0) return invalid(`type is one of ${ACCOUNT_TYPES.join(', ')}`, '/type');
  if (body['metadata'] !== undefined) {
    const wrong = putMetadata(enc, body['metadata']);
    if (wrong !== undefined) return wrong;
  }
  if (body['group'] !== undefined) {
    if (!isGroup(body['group'])) return invalid(GROUP_DETAIL, '/group');
    enc.putGroup(body['group']);
  }
  const hasDefaultMin = type === 0 || type === 2;
  const min =
    body['min_balance'] === undefined
      ? hasDefaultMin
        ? 0n
        : null
      : parseLimit(body['min_balance'], caller.textAmounts);
  if (min === undefined) return invalidAmount('/min_balance');
  const max = body['max_balance'] === undefined ? null : parseLimit(body['max_balance'], caller.textAmounts);
  if (max === undefined) return invalidAmount('/max_balance');
  if (min !== null) {
    enc.presence |= Has.min;
    enc.payload.i64(min);
  }
  if (max !== null) {
    enc.presence |= Has.max;
    enc.payload.i64(max);
  }
  enc.n = type;
  enc.hashContent();
  return undefined;
}

export function encodeAccountUpdate(
  enc: CommandEncoder,
  caller: CallerPrefix,
  id: unknown,
  input: unknown,
): Fault | undefined {
  const fault = checkFields(input, UPDATE, '');
  if (fault !== undefined) return fault;
  const body = input as Body;
  enc.begin(caller, Op.updateAccount, CommandFlag.full);
  if (!enc.putAccountId(id)) return invalid(ID_DETAIL, '/id');
  const { metadata, group, min_balance: minBalance, max_balance: maxBalance, frozen, closed } = body;
  if (metadata === null) enc.putMetadata(new Uint8Array(0), new Uint8Array(0));
  else if (metadata !== undefined) {
    const wrong = putMetadata(enc, metadata);
    if (wrong !== undefined) return wrong;
  }
  if (group === null) enc.putGroup('');
  else if (group !== undefined) {
    if (!isGroup(group)) return invalid(GROUP_DETAIL, '/group');
    enc.putGroup(group);
  }
  if (minBalance !== undefined) {
    const min = parseLimit(minBalance, caller.textAmounts);
    if (min === undefined) return invalidAmount('/min_balance');
    enc.presence |= min === null ? Has.noMin : Has.min;
    if (min !== null) enc.payload.i64(min);
  }
  if (maxBalance !== undefined) {
    const max = parseLimit(maxBalance, caller.textAmounts);
    if (max === undefined) return invalidAmount('/max_balance');
    enc.presence |= max === null ? Has.noMax : Has.max;
    if (max !== null) enc.payload.i64(max);
  }
  if (frozen !== undefined && typeof frozen !== 'boolean')
    return invalid('frozen is true or false', '/frozen');
  if (closed !== undefined && typeof closed !== 'boolean')
    return invalid('closed is true or false', '/closed');
  if (frozen !== undefined || closed !== undefined) {
    enc.presence |= Has.flags;
    enc.payload.u8(
      (frozen === true ? UpdateFlag.frozen : 0) |
        (closed === true ? UpdateFlag.closed : 0) |
        (frozen !== undefined ? UpdateFlag.givesFrozen : 0) |
        (closed !== undefined ? UpdateFlag.givesClosed : 0),
    );
  }
  enc.hashContent();
  return undefined;
}
