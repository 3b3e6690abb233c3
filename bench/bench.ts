import { startEcho } from './peers/echo.js';
import { type KassaOptions, type KassaServer, startKassa } from './peers/kassa.js';
import type { Peers } from './peers/peers.js';
import type { Server } from './process.js';
import {
  type CaseResult,
  type ContenderResult,
  type Measure,
  spread,
  typical,
  type Unit,
} from './report/result.js';
import type { Settings } from './settings.js';
import type { Workplace } from './workplace.js';

/** One of those that are measured in turn. */
export interface Contender {
  readonly name: string;
  /** Not Kassa: left out when profiles are written. */
  readonly isBaseline?: boolean;
  measure(round: number): Promise<Measure>;
}

export interface Comparison {
  readonly name: string;
  readonly unit: Unit;
  /** The contender that the others' ratios are to. */
  readonly base?: string;
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly contenders: readonly Contender[];
  /** Default: the settings'. */
  readonly rounds?: number;
}

/** A part of the benchmark that can be run alone. */
export interface Suite {
  readonly name: string;
  /** What it measures, in a line. */
  readonly about: string;
  /** Whether it measures other ledgers and databases beside Kassa where they can be had. */
  readonly hasPeers?: true;
  run(bench: Bench): Promise<void>;
}

/** What suites stand on: servers that end with their suite, and comparisons in alternating rounds. */
export class Bench {
  private suite = '';
  private readonly servers: Server[] = [];

  constructor(
    readonly settings: Settings,
    readonly place: Workplace,
    readonly peers: Peers,
    /** Hears of each result as it comes, and of what goes on. */
    private readonly listener: {
      result(result: CaseResult): void;
      progress(text: string): void;
    },
  ) {}

  /** Runs a suite to its end; its servers end with it, whatever happens. */
  async run(suite: Suite): Promise<void> {
    this.suite = suite.name;
    try {
      await suite.run(this);
    } finally {
      await this.stopServers();
    }
  }

  async stopServers(): Promise<void> {
    for (const server of this.servers.splice(0).toReversed()) await server.stop();
  }

  /** Keeps a server until its suite ends. */
  keep<S extends Server>(server: S): S {
    this.servers.push(server);
    return server;
  }

  async startKassa(
    options: Pick<KassaOptions, 'accounts'> & Partial<Omit<KassaOptions, 'data' | 'profile'>>,
  ): Promise<KassaServer> {
    this.listener.progress(`${this.suite}: Kassa starts with ${options.accounts} accounts`);
    const data = this.place.directory('kassa');
    const server = await startKassa({ shards: 1, tags: 0, ...options, data, profile: this.settings.profile });
    const stop = async () => {
      await server.stop();
      this.place.remove(data);
    };
    return this.keep({ ...server, stop });
  }

  async startEcho(): Promise<Server> {
    return this.keep(await startEcho());
  }

  /**
   * Measures every contender once in each round, the order turned round from one to the next: a machine that is slower for a while is
   * slower for all, and ratios are those of one round.
   */
  async compare(comparison: Comparison): Promise<CaseResult> {
    const { name, unit, base } = comparison;
    const { profile } = this.settings;
    const contenders = comparison.contenders.filter(({ isBaseline }) => !(profile && isBaseline));
    const rounds = profile === undefined ? (comparison.rounds ?? this.settings.rounds) : 1;
    const measures = contenders.map((): Measure[] => []);
    for (let round = 0; round < rounds; round++) {
      const turns = contenders.map((_, i) => (round % 2 === 0 ? i : contenders.length - 1 - i));
      for (const i of turns) {
        this.listener.progress(
          `${this.suite} ${name}: round ${round + 1} of ${rounds}, ${contenders[i]!.name}`,
        );
        measures[i]!.push(await contenders[i]!.measure(round));
      }
    }
    const baseMeasures = measures[contenders.findIndex((contender) => contender.name === base)];
    const result: CaseResult = {
      suite: this.suite,
      name,
      unit,
      ...(baseMeasures !== undefined && { base: base! }),
      settings: comparison.settings ?? {},
      contenders: contenders.map((contender, i): ContenderResult => {
        const own = measures[i]!;
        return {
          name: contender.name,
          rounds: own,
          value: spread(own.map((measure) => measure.value)),
          ...(baseMeasures !== undefined &&
            own !== baseMeasures && {
              ratio: spread(own.map((measure, round) => measure.value / baseMeasures[round]!.value)),
            }),
          typical: typical(own),
        };
      }),
    };
    this.listener.result(result);
    return result;
  }
}
