import { cpSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The package as it is installed without the embedded ClickHouse, which is optional. @returns a directory, to be removed by the caller */
export function packageWithoutClickHouse(): string {
  const copy = mkdtempSync(join(tmpdir(), 'kassa-no-chdb-'));
  const parts = [
    'package.json',
    'dist/src',
    'dist/engine',
    'dist/wal',
    'src/analytics/dashboard',
    'src/demo/data',
  ];
  for (const part of parts) cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  mkdirSync(join(copy, 'node_modules'));
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (!/^(\.|chdb$|@chdb$)/.test(name))
      symlinkSync(join(ROOT, 'node_modules', name), join(copy, 'node_modules', name), 'junction');
  }
  return copy;
}
