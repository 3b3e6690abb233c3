import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAYERS = ['src', 'wal', 'engine'] as const;

interface Import {
  readonly file: string;
  readonly target: string;
}

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

/** Every import of a folder's sources: packages by name, files by their path from the root. */
function imports(folder: string): Import[] {
  return sources(folder).flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const targets = [
      ...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'|\(import\.meta\.url\)\('([^']+)'\)/g),
    ];
    return targets.map((match) => {
      const target = match[1] ?? match[2]!;
      return {
        file,
        target: target.startsWith('.') ? relative(ROOT, join(ROOT, file, '..', target)) : target,
      };
    });
  });
}

function isIn(target: string, folder: string): boolean {
  return target.startsWith(`${folder}/`);
}

describe('imports go one way', () => {
  it('from src to wal to engine', () => {
    const wrong = LAYERS.flatMap((layer, rank) =>
      imports(layer).filter(({ target }) => LAYERS.slice(0, rank).some((above) => isIn(target, above))),
    );
    expect(wrong).toEqual([]);
  });

  it('and nothing imports bench or test', () => {
    const wrong = LAYERS.flatMap((layer) =>
      imports(layer).filter(({ target }) => isIn(target, 'bench') || isIn(target, 'test')),
    );
    expect(wrong).toEqual([]);
  });

  it('the engine knows no package and nothing of Node.js but bytes', () => {
    expect(imports('engine').filter(({ target }) => !isIn(target, 'engine'))).toEqual([]);
  });
});

describe('each native part has one user', () => {
  const users = (name: string) =>
    LAYERS.flatMap((layer) =>
      imports(layer)
        .filter(({ target }) => target === name)
        .map(({ file }) => file),
    );

  it.each([
    ['lmdb', 'wal/'],
    ['fs-native-extensions', ''],
    ['uWebSockets.js', 'src/gateway/'],
    ['@clickhouse/client', 'src/analytics/'],
    ['chdb/connection', 'src/analytics/'],
  ])('%s', (name, folder) => {
    const files = users(name);
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !file.startsWith(folder))).toEqual([]);
  });
});
