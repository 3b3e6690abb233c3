import { execFileSync } from 'node:child_process';
import { accessSync, constants, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { environmentName, OPTION_NAMES } from '../src/config.js';
import { type Book, openBook } from './support/analytics-sql.js';
import { parseYaml } from './support/yaml.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly environment: { readonly [name: string]: string };
  readonly ports?: readonly string[];
  readonly volumes: readonly string[];
}
const compose = parseYaml(read('docker-compose.yml')) as unknown as {
  readonly services: { readonly [name: string]: Service };
  readonly volumes: { readonly [name: string]: null };
};
const { kassa, clickhouse, grafana } = compose.services as { [name: string]: Service };

describe('docker-compose.yml', () => {
  it('pins the images that it does not build', () => {
    expect(kassa).toMatchObject({ build: '.', image: 'kassa' });
    for (const { image } of [clickhouse!, grafana!])
      expect(image).toMatch(/^[a-z]+\/[a-z-]+:\d+\.\d+(\.\d+)*$/);
    expect(grafana!.environment['GF_PLUGINS_PREINSTALL']).toMatch(
      /^grafana-clickhouse-datasource@\d+\.\d+\.\d+$/,
    );
  });

  it('gives Kassa options that there are, and the addresses of the two users', () => {
    const names = Object.keys(kassa!.environment);
    expect(names.filter((name) => !OPTION_NAMES.map(environmentName).includes(name))).toEqual([]);
    expect(kassa!.environment['KASSA_ANALYTICS']).toContain('@clickhouse:8123/kassa');
    expect(kassa!.environment['KASSA_ANALYTICS_SQL_URL']).toContain('//kassa_reader:');
  });

  it('has no password in it, and starts with none that is empty', () => {
    for (const { environment } of Object.values(compose.services)) {
      for (const [name, value] of Object.entries(environment)) {
        if (/PASSWORD/.test(name)) expect(value).toMatch(/^\$\{[A-Z_]+:\?[^}]+\}$/);
      }
    }
  });

  it('opens Kassa and Grafana to this machine, ClickHouse to neither', () => {
    expect(kassa!.ports).toEqual(['127.0.0.1:8080:8080']);
    expect(grafana!.ports).toEqual(['127.0.0.1:3000:3000']);
    expect(clickhouse!.ports).toBeUndefined();
  });

  it('mounts files that there are, and volumes that it declares', () => {
    const mounts = Object.values(compose.services).flatMap(({ volumes }) =>
      volumes.map((text) => text.split(':')[0]!),
    );
    for (const mount of mounts) {
      if (mount.startsWith('./')) expect(existsSync(join(ROOT, mount)), mount).toBe(true);
      else expect(compose.volumes, mount).toHaveProperty(mount);
    }
    accessSync(join(ROOT, 'src/analytics/deploy/reader.sh'), constants.X_OK);
    execFileSync('bash', ['-n', join(ROOT, 'src/analytics/deploy/reader.sh')]);
  });
});

describe('the image', () => {
  const lines = read('Dockerfile').replaceAll('\\\n', ' ').split('\n');

  it('is built from pinned images and files that there are', () => {
    const images = lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1]);
    expect(images).toEqual(['node:22-bookworm-slim', 'node:22-bookworm-slim']);
    const copied = lines
      .filter((line) => /^COPY (?!--from)/.test(line))
      .flatMap((line) => line.split(' ').slice(1, -1));
    expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('holds all of the package that a server reads', () => {
    const { files } = JSON.parse(read('package.json')) as { files: readonly string[] };
    const text = lines.join('\n');
    // What sets up other servers is no part of it.
    for (const path of files.filter((name) => /^(dist|src)\//.test(name) && name !== 'src/analytics/deploy'))
      expect(text, path).toMatch(new RegExp(` (/kassa/)?${path} ${path}`));
  });

  it('is without the embedded engine, and with all else that is optional', () => {
    expect(
      lines.some((line) => line.startsWith('RUN npm uninstall --package-lock-only chdb && npm ci')),
    ).toBe(true);
    const folder = mkdtempSync(join(tmpdir(), 'kassa-lock-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    for (const name of ['package.json', 'package-lock.json', '.npmrc'])
      cpSync(join(ROOT, name), join(folder, name));
    execFileSync('npm', ['uninstall', '--package-lock-only', '--offline', 'chdb'], {
      cwd: folder,
      stdio: 'pipe',
    });
    const names = (path: string) =>
      Object.keys((JSON.parse(readFileSync(path, 'utf8')) as { packages: object }).packages);
    const left = new Set(names(join(folder, 'package-lock.json')));
    const gone = names(join(ROOT, 'package-lock.json')).filter((name) => !left.has(name));
    expect(gone).toContain('node_modules/chdb');
    expect(
      gone.filter(
        (name) =>
          !/^node_modules\/(@?chdb|@clickhouse\/client-common|node-gyp-build|node-addon-api)/.test(name),
      ),
    ).toEqual([]);
    expect([...left].filter((name) => /@lmdb\/lmdb-linux-x64|@uwsjs\/linux-x64-22/.test(name))).toHaveLength(
      2,
    );
  });
});

describe('the read-only user', () => {
  let book: Book;
  beforeAll(async () => {
    book = await openBook();
  });
  afterAll(() => book.close());

  it('is made by statements that ClickHouse understands, and may read only', async () => {
    const statements = read('src/analytics/deploy/reader.sql')
      .replace(/^--.*$/gm, '')
      .split(';')
      .map((text) => text.trim())
      .filter((text) => text !== '');
    expect(statements).toHaveLength(3);
    for (const text of statements) {
      const [row] = await book.database.rows('SELECT formatQuerySingleLine({text:String})', { text });
      expect(row![0]).toMatch(
        /^(CREATE SETTINGS PROFILE|CREATE USER|GRANT SELECT ON kassa\.\* TO kassa_reader)/,
      );
    }
    expect(statements.join()).toMatch(/readonly = 2/);
    // 0 would be no limit at all.
    for (const limit of ['max_execution_time', 'max_memory_usage', 'max_bytes_to_read', 'max_threads'])
      expect(statements[0]).toMatch(new RegExp(`\\b${limit} = [1-9]\\d* MIN 1 MAX [1-9]\\d*,`));
  });

  it('asks for the dashboard of Grafana what ClickHouse answers', async () => {
    const source = parseYaml(read('src/analytics/deploy/grafana/datasource.yaml')) as unknown as {
      datasources: readonly {
        uid: string;
        type: string;
        jsonData: { username: string; defaultDatabase: string };
      }[];
    };
    const [{ uid, type, jsonData }] = source.datasources as [(typeof source.datasources)[0]];
    expect(jsonData).toMatchObject({ username: 'kassa_reader', defaultDatabase: 'kassa' });
    const providers = parseYaml(read('src/analytics/deploy/grafana/dashboards.yaml')) as unknown as {
      providers: readonly { options: { path: string } }[];
    };
    const mounted = grafana!.volumes.find((volume) => volume.includes('kassa.json'))!.split(':')[1];
    expect(mounted).toBe(`${providers.providers[0]!.options.path}/kassa.json`);
    expect(grafana!.environment['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH']).toBe(mounted);

    const board = JSON.parse(read('src/analytics/deploy/grafana/kassa.json')) as {
      panels: readonly { title: string; targets: readonly { datasource: object; rawSql: string }[] }[];
      templating: { list: readonly { name: string; query: string }[] };
    };
    const asked = [
      ...board.panels.flatMap(({ title, targets }) => targets.map(({ rawSql }) => [title, rawSql] as const)),
      ...board.templating.list.map(({ name, query }) => [name, query] as const),
    ];
    for (const { datasource } of board.panels.flatMap(({ targets }) => targets))
      expect(datasource).toEqual({ type, uid });
    expect(asked.length).toBeGreaterThan(10);
    const ask = (name: string, sql: string, from = '2026-01-01 00:00:00') => {
      const text = sql
        .replaceAll('$' + '{tenant:sqlstring}', "'mine'")
        .replaceAll('$' + '{currency:sqlstring}', "'EUR'")
        .replaceAll('$__fromTime', `toDateTime('${from}', 'UTC')`)
        .replaceAll('$__toTime', "toDateTime('2026-02-01 00:00:00', 'UTC')");
      expect(text, name).not.toContain('$');
      return book.database.rows(text, {}, { settings: { readonly: 1 } });
    };
    for (const [name, sql] of asked) {
      const rows = await ask(name, sql);
      if (!/VAT|Sink|expense/.test(name)) expect(rows.length, name).toBeGreaterThan(0);
      // Nothing was delivered then: no lag, and not one of years.
      if (/Sink/.test(name)) expect(rows, name).toEqual([]);
    }
    // Of a span that begins within an hour, the rest of that hour is there.
    const total = (rows: readonly (readonly unknown[])[]) =>
      rows.reduce((sum, row) => sum + Number(row[1]), 0);
    const sales = async (from: string) => total(await ask('Sales', new Map(asked).get('Sales')!, from));
    const [all, most] = [await sales('2026-01-01 00:00:00'), await sales('2026-01-01 00:30:00')];
    // Every other minute one of 101 and the minute's number.
    expect(all - most).toBe(15 * 101 + 15 * 15);
  });
});
