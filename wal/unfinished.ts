import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isBackup } from './backup-manifest.js';

/** Where a restore makes the log, and an import its segments. While one of them is there, the directory is not a ledger to work with. */
export const RESTORING = 'restoring';
export const IMPORTING = 'importing';

/** The directory holds a ledger that nobody may write to as it is. Says what to do. */
export class NotForUseError extends Error {
  override readonly name = 'NotForUseError';
}

/** @throws {NotForUseError} for a backup, and where a restore or an import has not come to its end */
export function checkForUse(data: string): void {
  checkForImport(data);
  if (existsSync(join(data, IMPORTING))) {
    throw new NotForUseError(
      `an import into ${data} did not come to its end. Run the same \`kassa import\` again; ` +
        `or remove ${join(data, IMPORTING)} to use what was imported so far`,
    );
  }
}

/** As {@link checkForUse}, for who finishes an import. */
export function checkForImport(data: string): void {
  if (isBackup(data)) {
    throw new NotForUseError(
      `${data} is a backup; whoever wrote to it would spoil it. Run \`kassa restore --from ${data} --data DIR\` and use DIR`,
    );
  }
  if (existsSync(join(data, RESTORING))) {
    throw new NotForUseError(
      `a restore into ${data} did not come to its end. Run the same \`kassa restore\` again`,
    );
  }
}
