import type { LogRecord } from './auditor.js';

/** What of a seed's world is played; what is left out leaves the rest as it is, as far as that can be. */
export interface WorldOptions {
  readonly seed: number;
  /** The clients' actions; all when absent. */
  readonly actions?: ReadonlySet<number>;
  /** The faults by their number; all when absent. */
  readonly faults?: ReadonlySet<number>;
  /** In place of the shards that the seed says. */
  readonly shards?: number;
  /** Another order of turns with the same clients and faults. Default 0. */
  readonly order?: number;
  /** Turns after which clients say nothing new. */
  readonly steps?: number;
  /** A further judge of the log, which throws what it finds wrong. */
  readonly judge?: (records: readonly LogRecord[]) => void;
}

/** What became of a world. */
export interface Outcome {
  readonly steps: number;
  readonly records: number;
  readonly calls: number;
  readonly lives: number;
  /** Deaths by the kind of fault, cut-off starts and refused starts. */
  readonly events: ReadonlyMap<string, number>;
  /** The clients' actions and the faults that came to pass. */
  readonly actionsDone: readonly number[];
  readonly faultsBegun: readonly number[];
  /** What was found wrong. */
  readonly finding: Error | undefined;
  /** What was said and what happened, a line each, in order. */
  readonly script: () => readonly string[];
  /** How often each class of what can be said was said, and of what can be heard was heard. */
  readonly coverage: () => ReadonlyMap<string, number>;
}

/** What happened in a world beside what its clients said. */
export class Journal {
  readonly events = new Map<string, number>();
  private readonly notes: { readonly afterCall: number; readonly text: string }[] = [];

  /** @param calls how many calls the clients have made by now */
  constructor(private readonly calls: () => number) {}

  note(text: string): void {
    this.notes.push({ afterCall: this.calls(), text });
  }

  count(event: string): void {
    this.events.set(event, (this.events.get(event) ?? 0) + 1);
  }

  /** The notes among the lines of the calls. */
  among(calls: readonly string[]): string[] {
    const lines: string[] = [];
    let shown = 0;
    for (const { afterCall, text } of this.notes) {
      while (shown < afterCall) lines.push(calls[shown++]!);
      lines.push(`-- ${text}`);
    }
    return [...lines, ...calls.slice(shown)];
  }
}
