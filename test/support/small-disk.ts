import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of a given size in memory: a real one, that is really full. */
export class SmallDisk {
  readonly path = mkdtempSync(join(tmpdir(), 'kassa-small-'));
  private readonly ballast = join(this.path, 'ballast');

  /** @throws when this process may not mount */
  constructor(bytes: number) {
    mount(['-t', 'tmpfs', '-o', `size=${bytes}`, 'none', this.path]);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Takes room away until so many bytes are left. */
  leave(bytes: number): void {
    rmSync(this.ballast, { force: true });
    writeFileSync(this.ballast, Buffer.alloc(this.freeBytes - bytes));
  }

  /** Gives back what {@link leave} took. */
  giveBack(): void {
    rmSync(this.ballast, { force: true });
  }

  resize(bytes: number): void {
    mount(['-o', `remount,size=${bytes}`, this.path]);
  }

  remove(): void {
    spawnSync('umount', [this.path]);
    rmdirSync(this.path);
  }
}

function mount(args: readonly string[]): void {
  const { status, stderr, error } = spawnSync('mount', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount: ${error?.message ?? stderr}`);
}

/** Why this process cannot have a small disk; undefined when it can. */
export function smallDiskMissing(): string | undefined {
  if (process.platform !== 'linux') return 'tmpfs is for Linux';
  if (process.getuid?.() !== 0) return 'only root may mount a file system';
  try {
    new SmallDisk(1 << 20).remove();
    return undefined;
  } catch (error) {
    return (error as Error).message.trim();
  }
}
