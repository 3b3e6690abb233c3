import type { Logger } from 'pino';
import type { AnalyticsDesk } from '../analytics/desk.js';
import type { Config } from '../config.js';
import type { Admission } from './admission.js';
import type { Authenticator } from './auth.js';
import type { Metrics } from './metrics.js';

/** What HTTP and WebSocket share. */
export interface GatewayContext {
  readonly config: Config;
  readonly auth: Authenticator;
  readonly logger: Logger;
  readonly admission: Admission;
  readonly metrics: Metrics;
  readonly analytics: AnalyticsDesk;
}
