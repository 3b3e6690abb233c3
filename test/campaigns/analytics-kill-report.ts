/** Ways in which analytics is cut off; see analytics-kill-campaign.ts. */
export const EMBEDDED_MOMENTS = [
  'insert',
  'ledger',
  'start',
  'tables',
  'sink',
  'close',
  'insert',
  'both',
  'hang',
  'orphan',
] as const;
export const HTTP_MOMENTS = [
  'insert',
  'ledger',
  'cut',
  'engine',
  'insert',
  'sink',
  'start',
  'cut',
  'engine',
  'both',
] as const;
export type AnalyticsMoment = (typeof EMBEDDED_MOMENTS)[number] | (typeof HTTP_MOMENTS)[number];

/** What a campaign of kills did and saw. */
export interface AnalyticsKillReport {
  rounds: number;
  /** Rounds by moment. */
  readonly moments: { [moment in AnalyticsMoment]?: number };
  /** SIGKILLs: of the server's process, of the analytics process, of the ClickHouse server. */
  readonly kills: { ledger: number; sink: number; engine: number };
  /** Analytics processes that were stopped: for good, or for a while. */
  hangs: number;
  /** Connections to ClickHouse that were cut around an insert. */
  cuts: number;
  /** Ledgers whose tables were compared with their logs, and what those held. */
  ledgers: number;
  records: number;
  postings: number;
  viewRows: number;
  acknowledged: number;
  /** Deliveries that were found cut off, and went on. */
  takenUp: number;
  /** Views that were found to differ, and made anew. */
  remade: number;
  /** The longest that a till waited for an answer, ms. */
  longestMs: number;
}

export function emptyAnalyticsReport(): AnalyticsKillReport {
  return {
    rounds: 0,
    moments: {},
    kills: { ledger: 0, sink: 0, engine: 0 },
    hangs: 0,
    cuts: 0,
    ledgers: 0,
    records: 0,
    postings: 0,
    viewRows: 0,
    acknowledged: 0,
    takenUp: 0,
    remade: 0,
    longestMs: 0,
  };
}
