import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The benchmark's directories: all are gone when this process is, whichever way it ends. */
export class Workplace {
  readonly root: string;
  private count = 0;

  /** @param parent where they are made, the disk under measurement; by default among the system's temporary files */
  constructor(parent: string | undefined) {
    const folder = parent ?? tmpdir();
    mkdirSync(folder, { recursive: true });
    this.root = mkdtempSync(join(folder, 'kassa-bench-'));
    // PostgreSQL runs under another user and has to get through.
    chmodSync(this.root, 0o711);
    process.on('exit', () => this.remove(this.root));
    for (const [signal, code] of Object.entries(SIGNALS)) process.on(signal, () => process.exit(code));
  }

  /** A new empty directory. */
  directory(name: string): string {
    const path = join(this.root, `${name}-${++this.count}`);
    mkdirSync(path);
    return path;
  }

  remove(path: string): void {
    rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  }
}
