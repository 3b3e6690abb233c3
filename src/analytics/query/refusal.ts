import { clickhouseCode, isDisconnection } from '../failure.js';
import { ReportError } from '../report-error.js';

/** Numbers of ClickHouse's errors: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp */
const TIME = new Set([159, 160]);
const MEMORY = new Set([241, 307, 158, 396, 191, 12]);
const BUSY = new Set([202, 439]);
/** Tables that are not there yet, a user without rights, a server that stops: nothing that the statement could do about. */
const NOT_READY = new Set([60, 81, 164, 192, 194, 209, 210, 236, 279, 394, 497, 516, 999]);

/** Longest text of ClickHouse that is passed on. */
const WORDS_MAX = 300;

/**
 * What the caller is told about an error of a statement; what is neither ClickHouse's nor a refusal already, as it is.
 * @param answerMark the text of the error that ends answers that are too large
 */
export function refusalOf(error: unknown, answerMark: string): unknown {
  const code = clickhouseCode(error);
  if (code === undefined) {
    return isDisconnection(error) ? new ReportError('not_ready', 'ClickHouse does not answer') : error;
  }
  const { message } = error as Error;
  if (message.includes(answerMark)) {
    return new ReportError(
      'too_large',
      'the answer is larger than 8 MB: take fewer or shorter columns',
      '/sql',
    );
  }
  if (TIME.has(code)) {
    return new ReportError('overloaded', 'the statement took longer than 10 s: ask for less', '/sql');
  }
  if (MEMORY.has(code)) {
    return new ReportError(
      'too_large',
      'the statement needs more than 1 GB of memory or reads more than 20 GB',
      '/sql',
    );
  }
  if (BUSY.has(code)) return new ReportError('overloaded', 'ClickHouse has too much to do: ask again');
  if (NOT_READY.has(code)) {
    return new ReportError('not_ready', `ClickHouse cannot run statements now (its error ${code})`);
  }
  return new ReportError('invalid_request', wordsOf(message), '/sql');
}

/** ClickHouse's words without what it tells of its own insides: the statement that ran, where in the pipeline it was, its version. */
export function wordsOf(message: string): string {
  const [words = ''] = message.split(
    /(?:[.:,]|\b) ?(?:[Ii]n scope|[Ww]hile (?:executing|processing)|In query|In expression|[Ss]tack trace|\(version )/,
  );
  const plain = words
    .replace(/__table\d+\./g, '')
    .replace(/__\w+/g, '…')
    .replace(/\s+/g, ' ')
    .trim();
  return plain.length > WORDS_MAX ? `${plain.slice(0, WORDS_MAX)}…` : plain || 'the statement is wrong';
}
