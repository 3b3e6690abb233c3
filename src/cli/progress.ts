/** One line on a terminal's stderr that is written over; nothing elsewhere. */
export class Progress {
  private shownAtMs = 0;
  private phase = '';
  private phaseStartMs = 0;

  /**
   * @param done of `total`, in `unit`; 0 when the total is not known
   * @param unit `B` is shown in MB
   * @param records to be named beside
   */
  show(phase: string, done: number, total: number, unit: string, records?: number): void {
    if (!process.stderr.isTTY) return;
    const nowMs = performance.now();
    if (phase !== this.phase) {
      this.phase = phase;
      this.phaseStartMs = nowMs;
    }
    if (nowMs - this.shownAtMs < 100 && done !== total) return;
    this.shownAtMs = nowMs;
    const line = describeProgress(phase, done, total, unit, (nowMs - this.phaseStartMs) / 1000);
    const beside = records === undefined ? '' : `, ${describeCount(records, 'records')}`;
    process.stderr.write(`\r\u001b[K${line}${beside}`);
  }

  clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  }
}

/** What is done, how fast, and how long the rest will take. */
export function describeProgress(
  phase: string,
  done: number,
  total: number,
  unit: string,
  seconds: number,
): string {
  const rate = seconds > 0 ? done / seconds : 0;
  const share = total > 0 ? ` ${Math.floor((100 * done) / total)} %` : '';
  const left = total > done && rate > 0 ? `, ${describeSeconds((total - done) / rate)} left` : '';
  return `${phase}${share}, ${describeCount(done, unit)}, ${describeCount(rate, unit)}/s${left}`;
}

/** A count in its unit; bytes (`B`) in MB. */
export function describeCount(count: number, unit: string): string {
  if (unit === 'B') return `${(count / 1e6).toFixed(1)} MB`;
  return `${Math.round(count).toLocaleString('en-US')} ${unit}`;
}

function describeSeconds(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return `${Math.ceil(seconds / 60)} min`;
}
