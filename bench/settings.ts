/** How much is measured, and how long. Chosen once, from the command line; every result carries them. */
export interface Settings {
  /** Alternating rounds of a comparison. */
  readonly rounds: number;
  /** Seconds that one round of one contender is measured, and that it runs before that. */
  readonly seconds: number;
  readonly warmupS: number;
  /** Seconds of load that a fresh server gets before its first round: its code is compiled by then. */
  readonly heatS: number;
  /** Accounts where a suite is not about their number. */
  readonly accounts: number;
  readonly loadProcesses: number;
  /** Tiny sizes: shows that everything works, and means nothing. */
  readonly quick: boolean;
  /** The sizes of the targets that take longer than the whole rest: 10 million accounts, 20 million transactions. */
  readonly full: boolean;
  /** Suite batch: so many million sales, the last million against the first; 0 = left out. */
  readonly bendMillions: number;
  /** Where a `.cpuprofile` of each server thread goes; then nothing but Kassa runs, one round each. */
  readonly profile: string | undefined;
}

/** Five rounds of all suites in about five minutes; for a figure to be quoted, take more seconds. */
export const STANDARD: Settings = {
  rounds: 5,
  seconds: 0.5,
  warmupS: 0.15,
  heatS: 2,
  accounts: 10_000,
  loadProcesses: 1,
  quick: false,
  full: false,
  bendMillions: 0,
  profile: undefined,
};

export const QUICK: Settings = {
  ...STANDARD,
  rounds: 1,
  seconds: 0.1,
  warmupS: 0.02,
  heatS: 0,
  accounts: 100,
  quick: true,
};
