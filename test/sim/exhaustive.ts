import { performance } from 'node:perf_hooks';
import { type Explored, explore } from './explore.js';
import { Maker } from './maker.js';
import type { Scenario } from './scenario.js';
import { SCENARIOS } from './scenarios.js';
import { checkCrash, checkEnd } from './small-checks.js';
import { type Setting, SmallWorld } from './small-world.js';

/** Every schedule of the small worlds: see `explore.ts` for what a schedule is, `small-checks.ts` for what is checked. */

export interface ExhaustiveOptions {
  /** Interruptions within steps in one schedule at most. */
  readonly interruptions: number;
  /** Default true; see `explore.ts`. */
  readonly isReduced?: boolean;
}

/** What was found out about one scenario. */
export interface ScenarioReport extends Explored {
  readonly name: string;
  readonly shards: number;
  /** As searched: the scenario may bound what was asked for. */
  readonly interruptions: number;
  readonly seconds: number;
}

/** The scenarios by name. @throws RangeError when there is none of the name */
export function scenariosNamed(name: string | undefined): readonly Scenario[] {
  if (name === undefined) return SCENARIOS;
  const found = SCENARIOS.filter((scenario) => scenario.name.includes(name));
  if (found.length === 0) throw new RangeError(`no scenario has "${name}" in its name; --help lists them`);
  return found;
}

/** Searches a scenario. @throws BrokenSchedule, with the schedule in words */
export function searchScenario(scenario: Scenario, options: ExhaustiveOptions): ScenarioReport {
  const started = performance.now();
  const maker = new Maker(scenario.shards);
  const records = recordsOf(scenario, scenario.before(maker));
  const fact = (id: string) => {
    const at = records.findIndex((record) => Buffer.from(record).includes(id));
    return { lsn: at + 1, record: records[at]! };
  };
  const setting = settingOf(scenario, scenario.atOnce(maker, fact));
  const interruptions = Math.min(options.interruptions, scenario.interruptionsMax ?? options.interruptions);
  const explored = explore(
    setting,
    records,
    { end: checkEnd, crash: checkCrash },
    { interruptions, isReduced: options.isReduced ?? true },
  );
  return {
    ...explored,
    name: scenario.name,
    shards: scenario.shards,
    interruptions,
    seconds: (performance.now() - started) / 1000,
  };
}

function settingOf(scenario: Scenario, programs: Setting['programs']): Setting {
  return {
    shards: scenario.shards,
    programs,
    isTight: scenario.isTight ?? false,
    isNarrow: scenario.isNarrow ?? false,
    withBells: scenario.withBells ?? false,
  };
}

/** What is durable once a program has been done, one command after the other. */
function recordsOf(scenario: Scenario, program: Setting['programs'][number]): readonly Uint8Array[] {
  const world = new SmallWorld({ ...settingOf(scenario, [program]), isNarrow: false, withBells: false });
  world.looking(() => world.rest());
  checkEnd(world);
  return world.log.slice();
}
