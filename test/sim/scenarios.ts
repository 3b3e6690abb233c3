import type { Scenario } from './scenario.js';
import { ENDS_SCENARIOS } from './scenarios-ends.js';
import { MONEY_SCENARIOS } from './scenarios-money.js';

/** The small worlds whose every schedule is searched. */
export const SCENARIOS: readonly Scenario[] = [...MONEY_SCENARIOS, ...ENDS_SCENARIOS];
