import { basename, dirname } from 'node:path';

/**
 * What is in the log cannot be what was once acknowledged. The only right answer is to refuse: going on would
 * build on a hole. Names the segment, the LSN and the command that shows more.
 */
export class DamagedLogError extends Error {
  override readonly name = 'DamagedLogError';

  /**
   * @param data the data directory
   * @param segment first LSN of the segment, as its directory is named (16 digits)
   * @param lsn first LSN that is known to be affected; what is below it was not found at fault
   */
  constructor(
    readonly data: string,
    readonly segment: string,
    readonly lsn: number,
    readonly reason: string,
  ) {
    super(
      `the log is damaged in segment ${segment} at LSN ${lsn}: ${reason}. ` +
        `Nothing was changed. Run \`kassa verify --data ${data}\` to see more`,
    );
  }
}

/** A DamagedLogError about the segment in the directory `<data>/log/<segment>`. */
export function damaged(segmentPath: string, lsn: number, reason: string): DamagedLogError {
  return new DamagedLogError(dirname(dirname(segmentPath)), basename(segmentPath), lsn, reason);
}

/** Whole and unharmed, but of a kind or format version that this Kassa does not know. */
export class NewerFormatError extends Error {
  override readonly name = 'NewerFormatError';
}
