import { resolve } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import { ClosedDesk, type MainDesk } from './desk.js';
import { hasEmbeddedEngine, NO_ENGINE } from './installed.js';
import { AnalyticsSupervisor } from './supervisor.js';

/** Tills are refused below `--min-free`; analytics stops before that, with room for what its merges still write. */
const KEPT_SHARE = 4;

/** The desk that the options ask for. It does nothing before it is started, which is when the ledger is there. */
export function openDesk(config: Config, logger: Logger): MainDesk {
  const { analytics } = config;
  if (analytics === 'off') return new ClosedDesk('analytics is off');
  if (analytics === 'embedded' && !hasEmbeddedEngine()) {
    logger.warn(`analytics is off: ${NO_ENGINE}`);
    return new ClosedDesk(NO_ENGINE);
  }
  return new AnalyticsSupervisor({
    start: {
      data: resolve(config.data),
      target: analytics === 'embedded' ? { kind: 'embedded' } : { kind: 'server', url: analytics },
      zone: config.zone,
      ttlDays: config.analyticsTtlDays,
      keptBytes: KEPT_SHARE * config.minFree,
      sqlUrl: config.analyticsSqlUrl,
      slowQueryMs: config.slowQueryMs,
    },
    log: (level, message) => logger[level](message),
    onSlow: ({ report, seconds, tenant, lsn }) =>
      logger.warn({ report, seconds, tenant, lsn }, `a slow report: ${report} took ${seconds.toFixed(3)} s`),
  });
}
