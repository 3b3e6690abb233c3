import { CommandFlag, Op } from '../../engine/command.js';
import { tenantKeys } from '../../engine/hash.js';
import { encodeAccount, encodeAccountUpdate } from '../ledger/account-requests.js';
import { prefixOf } from '../ledger/caller.js';
import type { CallerPrefix, CommandEncoder } from '../ledger/encoder.js';
import { type Body, isPlainObject, parseTime } from '../ledger/fields.js';
import { encodeEnd, encodeReversal, encodeTransaction, type ReversalPart } from '../ledger/requests.js';
import type { Part } from './format.js';
import { parseLegs, requestOf, type StatedLeg } from './legs.js';
import { LineFault, lineFault, refuseFault } from './line-fault.js';

/** Who ended a hold had the right to, and nobody logs it; that an approver is another than the creator is judged anew. */
const RIGHTS = CommandFlag.mayEndAny | CommandFlag.mayApprove;
const CONTENT = /^[0-9a-f]{16}$/;

/** What a line asks for. The command, if there is one, is in the encoder. */
export type LineCommand = { readonly stated: readonly StatedLeg[] | undefined } & (
  | { readonly type: 'command' }
  /** The postings to mirror are the original's. */
  | {
      readonly type: 'reversal';
      readonly original: string;
      readonly part: ReversalPart;
      readonly input: Body;
    }
  | { readonly type: 'expiry' }
);

/** What a line says about itself, and the rest of it. */
export interface Line {
  readonly op: string;
  readonly lsn: unknown;
  readonly committedAt: unknown;
  readonly tenant: unknown;
  readonly by: unknown;
  readonly terminal: unknown;
  readonly content: unknown;
  readonly body: Body;
}

/** @throws {LineFault} */
export function splitLine(value: unknown): Line {
  if (!isPlainObject(value)) throw new LineFault('invalid_request', 'a line is a JSON object');
  const { lsn, committed_at: committedAt, op, tenant, by, terminal, content, ...body } = value;
  if (typeof op !== 'string') throw new LineFault('invalid_request', '/op: what happened is missing');
  return { op, lsn, committedAt, tenant, by, terminal, content, body };
}

/** Callers by tenant, by and terminal; a ledger has some hundreds. */
export class Callers {
  private readonly known = new Map<string, CallerPrefix>();

  constructor(private readonly ledgerKey: Uint8Array) {}

  /** @throws {LineFault} for a name that no caller has */
  of(tenant: string, by: string, terminal: string | undefined): CallerPrefix {
    const name = `${tenant}\n${by}\n${terminal ?? ''}`;
    let prefix = this.known.get(name);
    if (prefix === undefined) {
      try {
        prefix = prefixOf(
          { tenant, by, ...(terminal === undefined ? {} : { terminal }) },
          this.ledgerKey,
          true,
        );
      } catch (error) {
        throw new LineFault('invalid_request', (error as Error).message);
      }
      this.known.set(name, prefix);
    }
    return prefix;
  }

  /** For what has no caller: only the keys count. */
  ofTenant(tenant: string): CallerPrefix {
    const name = `${tenant}\n\n`;
    let prefix = this.known.get(name);
    if (prefix === undefined) {
      const keys = tenantKeys(this.ledgerKey, tenant);
      prefix = {
        bytes: Uint8Array.of(tenant.length, ...Buffer.from(tenant), 0, 0),
        keys,
        accounts: undefined,
        textAmounts: true,
      };
      this.known.set(name, prefix);
    }
    return prefix;
  }
}

/**
 * Checks a line as the request that it was, and puts the command into the encoder, content hash included.
 * @param committedMs when it was committed, ms since the epoch
 * @throws {LineFault}
 */
export function encodeLine(
  enc: CommandEncoder,
  caller: CallerPrefix,
  line: Line,
  committedMs: number,
): LineCommand {
  const command = encodeBody(enc, caller, line, committedMs);
  if (line.content !== undefined) {
    if (typeof line.content !== 'string' || !CONTENT.test(line.content)) {
      throw new LineFault('invalid_request', '/content: 16 hexadecimal digits');
    }
    enc.c0 = Number.parseInt(line.content.slice(0, 8), 16);
    enc.c1 = Number.parseInt(line.content.slice(8), 16);
  }
  return command;
}

/** The hash that the encoder holds, as `content` says it. */
export function contentText(c0: number, c1: number): string {
  return c0.toString(16).padStart(8, '0') + c1.toString(16).padStart(8, '0');
}

function encodeBody(enc: CommandEncoder, caller: CallerPrefix, line: Line, committedMs: number): LineCommand {
  const { op, body } = line;
  switch (op) {
    case 'account':
      refuseFault(encodeAccount(enc, caller, body));
      return { type: 'command', stated: undefined };
    case 'account_update': {
      const { id, ...changes } = body;
      refuseFault(encodeAccountUpdate(enc, caller, id, changes));
      return { type: 'command', stated: undefined };
    }
    case 'transaction':
      encodeCreation(enc, caller, body, committedMs);
      return { type: 'command', stated: undefined };
    case 'post':
      return encodePost(enc, caller, body);
    case 'void':
    case 'tombstone': {
      const { id, postings, ...rest } = body;
      refuseFault(encodeEnd(enc, caller, Op.void, RIGHTS, id as string, rest));
      return { type: 'command', stated: postings === undefined ? undefined : parseLegs(postings) };
    }
    case 'expire': {
      const { id, postings, ...rest } = body;
      refuseFault(encodeEnd(enc, caller, Op.void, RIGHTS, id as string, rest));
      return { type: 'expiry', stated: postings === undefined ? undefined : parseLegs(postings) };
    }
    case 'reverse':
      return encodeReverse(enc, caller, body);
    default:
      throw new LineFault('invalid_request', `/op: no operation ${JSON.stringify(op)}`);
  }
}

/** A transaction or hold. The hold's time was counted from when the request came, which is at most when it was committed. */
function encodeCreation(enc: CommandEncoder, caller: CallerPrefix, body: Body, committedMs: number): void {
  const { pending } = body;
  if (!isPlainObject(pending) || pending['expires_at'] === undefined) {
    refuseFault(encodeTransaction(enc, caller, body, committedMs));
    return;
  }
  const { expires_at: given, ...rest } = pending;
  const expiresMs = parseTime(given);
  if (expiresMs === undefined)
    throw new LineFault('invalid_request', '/pending/expires_at: a time is RFC 3339, UTC');
  const seconds = rest['expires_in'] ?? shortestExpiry(expiresMs, committedMs);
  const fault = encodeTransaction(
    enc,
    caller,
    { ...body, pending: { ...rest, expires_in: seconds } },
    expiresMs - (seconds as number) * 1000,
  );
  refuseFault(fault);
  if (expiresMs - (seconds as number) * 1000 > committedMs) {
    throw new LineFault(
      'invalid_request',
      '/pending/expires_at: it is later than expires_in after the commit',
    );
  }
}

/** The fewest whole seconds from a request at or before the commit to the expiry. */
export function shortestExpiry(expiresMs: number, committedMs: number): number {
  return Math.max(1, Math.ceil((expiresMs - committedMs) / 1000));
}

function encodePost(enc: CommandEncoder, caller: CallerPrefix, body: Body): LineCommand {
  const { id, part, ...rest } = body;
  const { request, stated } = partOf(part, rest, false);
  refuseFault(encodeEnd(enc, caller, Op.post, RIGHTS, id as string, request));
  return { type: 'command', stated };
}

function encodeReverse(enc: CommandEncoder, caller: CallerPrefix, body: Body): LineCommand {
  const { original, part, ...rest } = body;
  const { request, stated } = partOf(part, rest, true);
  const asked = encodeReversal(enc, caller, original as string, request);
  if ('code' in asked) throw lineFault(asked);
  return { type: 'reversal', original: original as string, part: asked, input: request, stated };
}

/** With `part`, the line's postings say what came of the request, and the request follows from them; without it they are the request's. */
function partOf(
  part: unknown,
  body: Body,
  mirrored: boolean,
): { readonly request: Body; readonly stated: readonly StatedLeg[] | undefined } {
  if (part === undefined) return { request: body, stated: undefined };
  if (part !== 'whole' && part !== 'amount' && part !== 'postings') {
    throw new LineFault('invalid_request', '/part: whole, amount or postings');
  }
  const { postings, ...rest } = body;
  const stated = parseLegs(postings);
  return { request: { ...rest, ...requestOf(part satisfies Part, stated, mirrored) }, stated };
}
