import { Readable } from 'node:stream';
import type { ClickHouseClient } from '@clickhouse/client';
import { expect, it } from 'vitest';
import { EmbeddedDatabase } from '../src/analytics/embedded-database.js';

const SOON_MS = 20_000;

/** A connection whose statements end when the test says so. */
class HeldClient {
  readonly begun: string[] = [];
  private readonly ends: (() => void)[] = [];

  async exec({ query }: { query: string }): Promise<{ stream: Readable }> {
    this.begun.push(query.split(' ')[1]!);
    await new Promise<void>((resolve) => this.ends.push(resolve));
    return { stream: Readable.from([]) };
  }

  end(): void {
    for (const end of this.ends.splice(0)) end();
  }
}

it('a statement that nobody waits for any more does not begin', async () => {
  const client = new HeldClient();
  const open = async () => client as unknown as ClickHouseClient;
  const database = new EmbeddedDatabase(await open(), open, '/nowhere');
  const running = [1, 2, 3, 4].map((n) => database.rows(`SELECT ${n}`));
  const gone = new AbortController();
  const waiting = database.rows('SELECT 5', {}, { signal: gone.signal });
  const last = database.rows('SELECT 6');
  await expect.poll(() => client.begun.length, { timeout: SOON_MS }).toBe(4);
  gone.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  client.end();
  await Promise.all(running);
  await expect.poll(() => client.begun.length, { timeout: SOON_MS }).toBe(5);
  client.end();
  await last;
  expect(client.begun).toEqual(['1', '2', '3', '4', '6']);
});
