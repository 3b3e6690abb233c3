import { createRequire } from 'node:module';

/** Said where the embedded engine is wanted and not there. */
export const NO_ENGINE =
  'the embedded ClickHouse is not installed: add the package chdb, or give --analytics the URL of a server';

/** Whether the embedded engine, an optional dependency, is installed. It is not loaded for that. */
export function hasEmbeddedEngine(): boolean {
  try {
    createRequire(import.meta.url).resolve('chdb/connection');
    return true;
  } catch {
    return false;
  }
}
