import { ACCOUNT_TYPES } from '../../../engine/accounts.js';
import type { Params } from '../database.js';
import { invalid, type Parameters } from './parameters.js';

/** What narrows a report, and what takes it apart: SQL over the columns that postings and all sums share. */

export const FILTER_NAMES = ['currency', 'group', 'prefix', 'tag', 'code', 'terminal', 'type'] as const;

/** Conditions, joined by AND, with their parameters. */
export interface Filter {
  readonly conditions: readonly string[];
  readonly params: Params;
}

export const NO_FILTER: Filter = { conditions: [], params: {} };

export interface Filters {
  readonly currency?: string;
  /** All of them but the currency, which a report may choose by itself. */
  readonly others: Filter;
}

/** Equality with a text that the question gave. */
export function equal(column: string, value: string, name = column): Filter {
  return { conditions: [`${column} = {${name}:String}`], params: { [name]: value } };
}

export function both(...filters: readonly Filter[]): Filter {
  return {
    conditions: filters.flatMap(({ conditions }) => conditions),
    params: Object.assign({}, ...filters.map(({ params }) => params)) as Params,
  };
}

/** Of every question, before anything else is made of them. @throws {ReportError} */
export function readFilters(parameters: Parameters): Filters {
  const currency = parameters.text('currency');
  parameters.choice('type', ACCOUNT_TYPES);
  const others = FILTER_NAMES.filter((name) => name !== 'currency');
  return { others: narrowed(parameters, others), ...(currency !== undefined && { currency }) };
}

/** What the parameters of these names leave, those that are given. */
export function narrowed(parameters: Parameters, names: readonly string[]): Filter {
  return both(
    ...names.map((name) => {
      const value = parameters.text(name);
      return value === undefined ? NO_FILTER : of(name, value);
    }),
  );
}

/** Most are texts of the column of their name. */
function of(name: string, value: string): Filter {
  if (name === 'group') return inGroup(value);
  if (name === 'prefix') return startsWith(value);
  return equal(name === 'by' ? 'who' : name, value, name);
}

/** The group and all below it. */
function inGroup(group: string): Filter {
  return {
    conditions: ['(`group` = {group:String} OR startsWith(`group`, {groupDot:String}))'],
    params: { group, groupDot: `${group}.` },
  };
}

function startsWith(prefix: string): Filter {
  return { conditions: ['startsWith(account, {prefix:String})'], params: { prefix } };
}

/** `WHERE` of the tenant's rows that pass. */
export function where(filter: Filter, ...more: readonly string[]): string {
  return `WHERE ${['tenant = {tenant:String}', ...more, ...filter.conditions].join(' AND ')}`;
}

/** That a transaction has a leg which passes, for rows of `transactions`; nothing where every leg would. */
export function withLeg(legs: Filter, ...more: readonly string[]): string[] {
  if (legs.conditions.length === 0) return [];
  return [`(lsn, index) IN (SELECT lsn, index FROM postings ${where(legs, ...more)})`];
}

/** Parts that a key takes a report apart into, at most: the largest. */
export const GROUPS_MAX = 1_000;
const KEYS = ['group', 'account', 'tag', 'code', 'terminal', 'type'];

/** The expression that `group_by` asks for, undefined when it does not. */
export function readKey(parameters: Parameters): string | undefined {
  const value = parameters.text('group_by');
  if (value === undefined) return undefined;
  const parts = /^group:([1-9]\d?)$/.exec(value)?.[1];
  if (parts !== undefined)
    return `arrayStringConcat(arraySlice(splitByChar('.', \`group\`), 1, ${parts}), '.')`;
  if (!KEYS.includes(value)) throw invalid('group_by', `one of ${KEYS.join(', ')}, group:N`);
  return `toString(\`${value}\`)`;
}
