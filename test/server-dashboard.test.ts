import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Download, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCsv } from '../src/demo/csv.js';
import { expectedTotals } from '../src/demo/reconcile.js';
import type { DemoReport } from '../src/demo/report.js';
import { readSales, type SaleLine } from '../src/demo/sales.js';
import {
  CHROMIUM,
  faults,
  launchChromium,
  NO_CHROMIUM,
  overflow,
  type Visit,
  visit,
} from './support/browser.js';
import { ServerProcess, until } from './support/server.js';
import { makeToken } from './support/token.js';

/** The page in a browser: against the running demo, and against servers that have nothing to show. */

const CLI = fileURLToPath(new URL('../src/cli.js', import.meta.url));
const SALES = new URL('../../src/demo/data/online-retail-10k.csv', import.meta.url);
const DEMO_MS = 120_000;
const WAIT_MS = 15_000;

const lines = readSales(readFileSync(SALES, 'utf8')).filter(({ net }) => net !== 0n);
const SHOP = 'uk.shop-4';
const ROUTES = ['#/', `#/shop/${SHOP}`, '#/till/till:36', '#/account/till:36', '#/accounts'];

if (CHROMIUM === undefined) {
  if (process.env['CI']) throw new Error(NO_CHROMIUM);
  console.warn(NO_CHROMIUM);
}

function sum(of: (line: SaleLine) => bigint, which: (line: SaleLine) => boolean = () => true): bigint {
  return lines.filter(which).reduce((total, line) => total + of(line), 0n);
}

/** As the page shows it. */
function pounds(pence: bigint): string {
  const text = new Intl.NumberFormat('en-GB', { style: 'currency', currency: 'GBP' });
  return text.format(`${pence / 100n}.${String(pence % 100n).padStart(2, '0')}` as Intl.StringNumericLiteral);
}

const isOn = (day: string) => (line: SaleLine) => line.time.startsWith(day);
const isOf = (till: number) => (line: SaleLine) => line.till === till;

/** The view of the address is there, and every panel of it has its answer. */
async function settled(page: Page): Promise<void> {
  // What the address has changed is told in a task of its own.
  await page.evaluate('new Promise((done) => setTimeout(done))');
  await page.waitForSelector('main .panel', { timeout: WAIT_MS });
  await page.waitForSelector('[aria-busy=true]', { state: 'detached', timeout: WAIT_MS });
}

const lead = (page: Page) => page.locator('.lead-value').textContent();
const title = (page: Page) => page.locator('h1').textContent();

async function textOf(download: Download): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

describe.skipIf(CHROMIUM === undefined)('the dashboard', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  }, WAIT_MS);
  afterAll(() => browser.close());

  describe('of the running demo', () => {
    let demo: ChildProcess;
    let report: DemoReport;
    let origin: string;
    let token: string;

    beforeAll(async () => {
      demo = spawn(process.execPath, [CLI, 'demo', '--seconds', '4', '--keep', '--json'], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [out, err] = ['', ''];
      demo.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
        out += chunk;
      });
      demo.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
        err += chunk;
      });
      await until(
        () => out.endsWith('}\n') || demo.exitCode !== null,
        DEMO_MS,
        () => `the demo said: ${err}`,
      );
      report = JSON.parse(out) as DemoReport;
      expect(report.differences).toEqual([]);
      const address = new URL(report.dashboard!);
      origin = address.origin;
      token = address.hash.replace('#token=', '');
    }, DEMO_MS);
    afterAll(async () => {
      if (demo.exitCode === null) {
        demo.kill('SIGINT');
        await once(demo, 'exit');
      }
      await rm(report.data!, { recursive: true, force: true });
    });

    async function open(hash: string, options: Parameters<typeof visit>[2] = {}): Promise<Visit> {
      const found = await visit(browser, origin, options);
      await found.page.goto(`${origin}/dashboard#token=${token}&${hash.replace('#/', '')}`);
      await settled(found.page);
      return found;
    }

    /** The page is told that the books have grown, and asks again. */
    async function tellGrowth(page: Page): Promise<void> {
      await page.route('**/v1/analytics/live', async (route) => {
        const response = await route.fetch();
        const live = (await response.json()) as { sink: { cursor: number } };
        const sink = { ...live.sink, cursor: live.sink.cursor + 1 };
        await route.fulfill({ response, json: { ...live, sink } });
      });
    }

    function asked(path: string, accept = 'application/json'): Promise<Response> {
      return fetch(`${origin}/v1/analytics/${path}`, {
        headers: { authorization: `Bearer ${token}`, accept },
      });
    }

    it('shows the newest day with trade, and says why it is that one', async () => {
      const { page, complaints } = await open('#/');
      expect(await lead(page)).toBe(pounds(sum(({ net }) => net, isOn('2010-12-05'))));
      expect(await page.locator('#note').textContent()).toContain('5 December 2010');
      expect(page.url()).not.toContain(token);
      expect(complaints).toEqual([]);
    });

    it('goes from period to period, and back, with the figures of the file', async () => {
      const { page, complaints } = await open('#/');
      const all = pounds(sum(({ net }) => net));
      for (const name of ['7 days', '30 days', '90 days', '1 year']) {
        await page.getByRole('link', { name, exact: true }).click();
        await settled(page);
        expect(await lead(page), name).toBe(all);
        expect(await page.locator('.periods [aria-current]').textContent()).toBe(name);
      }
      const tile = (name: string) =>
        page
          .locator('.tile', { has: page.getByText(name, { exact: true }) })
          .locator('.tile-value')
          .textContent();
      expect(await tile('Sales')).toBe(
        pounds(
          sum(
            ({ net }) => net,
            ({ net }) => net > 0n,
          ),
        ),
      );
      expect(await tile('Refunds')).toBe(
        pounds(
          -sum(
            ({ net }) => net,
            ({ net }) => net < 0n,
          ),
        ),
      );
      expect(await tile('VAT')).toBe(pounds(sum(({ vat }) => vat)));

      await page.getByLabel('First day').fill('2010-12-01');
      await page.getByLabel('Last day').fill('2010-12-02');
      await page.getByRole('button', { name: 'Show', exact: true }).click();
      await settled(page);
      const two = sum(
        ({ net }) => net,
        (line) => isOn('2010-12-01')(line) || isOn('2010-12-02')(line),
      );
      expect(await lead(page)).toBe(pounds(two));
      await page.goBack();
      await settled(page);
      expect(await lead(page)).toBe(all);
      expect(complaints).toEqual([]);
    });

    it('drills down from shop to till to statement, whose CSV is that of the API and of the file', async () => {
      const { page, complaints } = await open('#/?period=7d');
      await page.getByRole('link', { name: SHOP }).click();
      await settled(page);
      expect(await title(page)).toBe(SHOP);
      const ofShop = ({ till }: SaleLine) => till >= 30 && till < 40;
      expect(await lead(page)).toBe(pounds(sum(({ net }) => net, ofShop)));

      const name = (await page.locator('tbody th a').first().textContent())!;
      const till = Number(name.replace('till:', ''));
      expect(till).toBeGreaterThanOrEqual(30);
      await page.getByRole('link', { name, exact: true }).click();
      await settled(page);
      expect(await title(page)).toBe(name);
      expect(await lead(page)).toBe(pounds(sum(({ net }) => net, isOf(till))));
      const { debits, credits } = expectedTotals(lines).get(name)!;

      await page.getByRole('link', { name: 'Statement', exact: true }).click();
      await settled(page);
      expect(await lead(page)).toBe(pounds(debits - credits));
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Download CSV' }).click(),
      ]);
      const text = await textOf(download);
      const path = `accounts/${encodeURIComponent(name)}/statement?from=2010-11-29&to=2010-12-06&limit=10000`;
      expect(text).toBe(await (await asked(path, 'text/csv')).text());
      const [head, ...rows] = parseCsv(text);
      const column = (named: string) => head!.indexOf(named);
      const side = (of: string) =>
        rows
          .filter((row) => row[column('side')] === of)
          .reduce((total, row) => total + BigInt(row[column('amount')]!), 0n);
      expect([side('debit'), side('credit')]).toEqual([debits, credits]);
      expect(complaints).toEqual([]);
    });

    it('shows more of a long statement, and compares it with the engine', async () => {
      const { page } = await open('#/account/vat?period=7d');
      const rows = page.locator('tbody tr');
      expect(await rows.count()).toBe(100);
      await page.getByRole('button', { name: 'Show more' }).click();
      await expect.poll(() => rows.count(), { timeout: WAIT_MS }).toBe(200);
      await page.getByRole('button', { name: 'Compare with the engine' }).click();
      await expect.poll(() => page.locator('.check').textContent(), { timeout: WAIT_MS }).toContain('agree');
    });

    it('has a Z report for each day of a till', async () => {
      const { page } = await open('#/till/till:36?period=7d');
      const report = page.locator('.z-report');
      const day = sum(
        ({ net }) => net,
        (line) => isOf(36)(line) && isOn('2010-12-05')(line),
      );
      expect(await report.textContent()).toContain(pounds(day));
      await report.getByRole('link', { name: 'The day before' }).click();
      await settled(page);
      expect(await page.locator('.z-report').textContent()).toContain('No trade on 4 December 2010');
    });

    it('downloads what a chart and a table show', async () => {
      const { page } = await open('#/?period=7d');
      const save = async (name: string) => {
        const [download] = await Promise.all([
          page.waitForEvent('download'),
          page.getByRole('button', { name: `Download ${name} as CSV` }).click(),
        ]);
        return parseCsv(await textOf(download));
      };
      const total = (rows: string[][], name: string) => {
        const at = rows[0]!.indexOf(name);
        return rows.slice(1).reduce((all, row) => all + BigInt(row[at]!.replace('.', '')), 0n);
      };
      const net = sum((line) => line.net);
      expect(total(await save('sales over time'), 'net GBP')).toBe(net);
      const shops = await save('shops');
      expect(total(shops, 'Net sales')).toBe(net);
      expect(total(shops, 'Sales and refunds')).toBe(BigInt(lines.length));
      expect(total(await save('profit and loss'), 'profit GBP')).toBe(net);

      const panel = page.locator('.panel', { has: page.getByRole('heading', { name: 'Profit and loss' }) });
      await panel.locator('summary').click();
      expect(await panel.locator('.legend').textContent()).toContain(pounds(net));
      expect(await panel.locator('thead th').allTextContents()).toEqual(['Day (UTC)', 'Profit']);
    });

    it('moves its chart on with the time, and fits its labels to the room', async () => {
      const { page, complaints } = await open('#/');
      const label = /^\d\d:00$|^\d+ Dec$/;
      const labels = async () =>
        ((await page.evaluate('drawn')) as string[]).filter((text) => label.test(text));
      await page.evaluate(`
        globalThis.drawn = [];
        const { fillText } = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype.fillText = function (...words) {
          drawn.push(words[0]);
          fillText.apply(this, words);
        };`);
      const tip = page.locator('.tip').first();
      await page.locator('.plot').first().hover();
      await expect.poll(() => tip.textContent(), { timeout: WAIT_MS }).toContain(' 5 Dec 2010');

      const tenDaysOn = (time: string) => new Date(Date.parse(time) + 10 * 86_400_000).toISOString();
      await page.route('**/v1/analytics/overview?*', async (route) => {
        const response = await route.fetch();
        const overview = (await response.json()) as { series: [string, ...unknown[]][] };
        const series = overview.series.map(([start, ...figures]) => [tenDaysOn(start), ...figures]);
        await route.fulfill({ response, json: { ...overview, series } });
      });
      await tellGrowth(page);
      await expect.poll(labels, { timeout: WAIT_MS }).toContain('15 Dec');
      await expect.poll(() => tip.textContent(), { timeout: WAIT_MS }).toContain(' 15 Dec 2010');

      const wide = new Set(await labels()).size;
      await page.evaluate('drawn.length = 0');
      await page.setViewportSize({ width: 390, height: 844 });
      await expect.poll(labels, { timeout: WAIT_MS }).toContain('15 Dec');
      expect(new Set(await labels()).size).toBeLessThan(wide / 2);
      expect(complaints).toEqual([]);
    });

    it('begins a new day when the zone of the books does', async () => {
      const { page, complaints } = await visit(browser, origin);
      let newest = '2010-12-06T04:30:00Z';
      await page.route('**/v1/analytics/status', async (route) => {
        const response = await route.fetch();
        const status = (await response.json()) as object;
        const json = { ...status, tz: 'America/New_York', last_effective_at: newest };
        await route.fulfill({ response, json });
      });
      await page.goto(`${origin}/dashboard#token=${token}&`);
      await settled(page);
      expect(await page.getByLabel('Last day').inputValue()).toBe('2010-12-05');
      newest = '2010-12-06T05:30:00Z';
      await tellGrowth(page);
      await expect
        .poll(() => page.getByLabel('Last day').inputValue(), { timeout: WAIT_MS })
        .toBe('2010-12-06');
      expect(complaints).toEqual([]);
    });

    it('is light or dark by the system, or as one likes, also after it is loaded again', async () => {
      const { page } = await open('#/', { colorScheme: 'dark' });
      const ground = () =>
        page.evaluate('getComputedStyle(document.body).backgroundColor') as Promise<string>;
      const dark = await ground();
      await page.getByRole('button', { name: 'Light', exact: true }).click();
      const light = await ground();
      expect(light).not.toBe(dark);
      await page.reload();
      await settled(page);
      expect(await ground()).toBe(light);
      await page.getByRole('button', { name: 'Dark', exact: true }).click();
      expect(await ground()).toBe(dark);
      await page.getByRole('button', { name: 'As the system has it' }).click();
      await page.emulateMedia({ colorScheme: 'light' });
      expect(await ground()).toBe(light);
    });

    it.each([
      ['a phone', 390, 844],
      ['a small phone', 320, 640],
      ['a tablet', 820, 1180],
      ['a wall', 2560, 1440],
    ])('fits %s without scrolling sideways', async (_, width, height) => {
      const { page, complaints } = await open('#/', { viewport: { width, height } });
      for (const route of ROUTES) {
        await page.goto(`${origin}/dashboard${route}?period=7d`);
        await settled(page);
        expect(await overflow(page), route).toEqual([]);
      }
      expect(complaints).toEqual([]);
    });

    it('has names, headings and landmarks for those who do not see it', async () => {
      const { page } = await open('#/');
      for (const route of ROUTES) {
        await page.goto(`${origin}/dashboard${route}?period=7d`);
        await settled(page);
        for (const summary of await page.locator('summary').all()) await summary.click();
        expect(await faults(page), route).toEqual([]);
      }
    });

    it('is used with the keyboard alone', async () => {
      const { page } = await open('#/');
      const press = (key: string) => page.keyboard.press(key);
      const focused = () =>
        page.evaluate(
          `(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).trim()`,
        ) as Promise<string>;
      const to = async (name: string) => {
        for (let tabs = 0; tabs < 80; tabs += 1) {
          await press('Tab');
          if ((await focused()).startsWith(name)) return;
        }
        throw new Error(`the focus never came to ${name}`);
      };
      await press('Tab');
      expect(await focused()).toBe('Skip to the figures');
      const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
      expect(outline).toBe('solid');
      await to('7 days');
      await press('Enter');
      await settled(page);
      expect(await focused()).toBe('7 days');
      await to('Net sales by hour');
      await press('End');
      await press('ArrowLeft');
      expect(await page.locator('.chart [aria-live]').first().textContent()).toMatch(
        /5 Dec 2010, 22:00: Net sales/,
      );
      await to(SHOP);
      await press('Enter');
      await settled(page);
      expect(await focused()).toBe(SHOP);
      await to('till:');
      await press('Enter');
      await settled(page);
      await to('Statement');
      await press('Enter');
      await settled(page);
      expect(page.url()).toContain('#/account/till');
    });

    it('asks for a token, says what is wrong with one, and takes a good one', async () => {
      const { page } = await visit(browser, origin);
      await page.goto(`${origin}/dashboard`);
      await page.getByLabel('Token').fill('nonsense');
      await page.getByRole('button', { name: 'Open' }).click();
      await expect
        .poll(() => page.getByRole('alert').allTextContents(), { timeout: WAIT_MS })
        .toContainEqual(expect.stringContaining('does not take this token'));
      expect(await faults(page)).toEqual([]);
      await page.getByLabel('Token').fill(token);
      await page.getByLabel('Token').press('Enter');
      await expect.poll(() => title(page), { timeout: WAIT_MS }).toBe('Overview');
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Token').waitFor();
      expect(await page.evaluate('sessionStorage.length')).toBe(0);
    });

    it('keeps its figures when the server is gone, and says since when', async () => {
      const { page } = await open('#/?period=7d');
      const before = await lead(page);
      demo.kill('SIGINT');
      const [code] = (await once(demo, 'exit')) as [number];
      expect(code).toBe(0);
      await page.locator('#alert').waitFor({ timeout: WAIT_MS });
      await expect
        .poll(() => page.locator('#alert').textContent(), { timeout: WAIT_MS })
        .toContain('cannot be reached');
      expect(await lead(page)).toBe(before);
      await page.getByRole('link', { name: '30 days' }).click();
      await expect
        .poll(() => page.locator('.hero .trouble').textContent(), { timeout: WAIT_MS })
        .toContain('cannot be reached');
    });
  });

  it('says that there was no trade yet, and shows the first sale by itself', {
    timeout: 90_000,
  }, async () => {
    const server = await ServerProcess.fresh({ analytics: 'embedded' });
    const origin = `http://127.0.0.1:${server.port}`;
    const { page } = await visit(browser, origin);
    await page.goto(`${origin}/dashboard#token=${makeToken({ role: 'auditor' })}`);
    await page.getByText('No trade yet').waitFor({ timeout: 60_000 });
    expect(await faults(page)).toEqual([]);

    const till = server.http({ terminal: 'till:1' });
    for (const [id, type] of [
      ['till:1', 'asset'],
      ['sales', 'revenue'],
    ]) {
      await till.post('/v1/accounts', { id, type, currency: 'JPY', group: 'riga' });
    }
    await till.post('/v1/transactions', { id: 't1', debit: 'till:1', credit: 'sales', amount: 1250 });
    await page.locator('.lead-value').waitFor({ timeout: WAIT_MS });
    await settled(page);
    expect(await lead(page)).toContain('1,250');
    expect(await page.getByRole('link', { name: 'riga' }).count()).toBe(1);

    // And the next one without being asked.
    await till.post('/v1/transactions', { id: 't2', debit: 'till:1', credit: 'sales', amount: 50 });
    await expect.poll(() => lead(page), { timeout: WAIT_MS }).toContain('1,300');
  });

  it('says what a token lacks, and why analytics is not there', async () => {
    const server = await ServerProcess.fresh();
    const origin = `http://127.0.0.1:${server.port}`;
    const { page } = await visit(browser, origin);
    await page.goto(`${origin}/dashboard#token=${makeToken({ role: 'pos' })}`);
    await page.getByLabel('Token').waitFor();
    expect(await page.getByRole('alert').allTextContents()).toContainEqual(
      expect.stringContaining('analytics:read'),
    );
    await page.goto('about:blank');
    await page.goto(`${origin}/dashboard#token=${makeToken({ role: 'auditor' })}`);
    await page.getByText('The books are not open yet').waitFor();
    expect(await page.getByRole('alert').allTextContents()).toContainEqual(
      expect.stringMatching(/analytics/i),
    );
  });
});
