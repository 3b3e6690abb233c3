import type { Control } from '../../engine/control.js';
import { RingConsumer, RingProducer } from '../../engine/mailbox.js';
import { announceLooks } from './looks.js';

/** Actors as bits. */
export type ActorSet = number;

interface Word {
  readers: ActorSet;
  writers: ActorSet;
  readonly isBell: boolean;
  readonly number: number;
}

/**
 * Which actors ever read or write a word of shared memory. An access of one actor can only matter to those that this names, so nobody
 * else needs to be tried behind it.
 */
export class SharedWords {
  private readonly words = new Map<ArrayBufferLike, Map<number, Word>>();
  count = 0;

  /** The word that an access is to; undefined for memory of no interest. */
  at(buffer: ArrayBufferLike, byte: number): Word | undefined {
    return this.words.get(buffer)?.get(byte);
  }

  /** Declares who reads and writes the words that `access` touches. */
  declare(readers: ActorSet, writers: ActorSet, isBell: boolean, access: () => void): void {
    const end = announceLooks((buffer, byte) => {
      const words = this.words.get(buffer) ?? new Map<number, Word>();
      this.words.set(buffer, words);
      const word = words.get(byte);
      if (word === undefined) words.set(byte, { readers, writers, isBell, number: this.count++ });
      else {
        word.readers |= readers;
        word.writers |= writers;
      }
    });
    try {
      access();
    } finally {
      end();
    }
  }

  /** Declares a ring: the tail is written by its producer, the head by its consumer. */
  declareRing(buffer: SharedArrayBuffer, producer: ActorSet, consumer: ActorSet): void {
    const reading = new RingConsumer(buffer);
    const writing = new RingProducer(buffer);
    this.declare(consumer, producer, false, () => reading.note());
    // Who asks for more room than there is looks at the head.
    this.declare(producer, consumer, false, () => writing.hasRoom(2 * buffer.byteLength));
  }

  /** Declares the control words that the actors of a small world touch. */
  declareControl(
    control: Control,
    shards: readonly ActorSet[],
    writer: ActorSet,
    fronts: readonly ActorSet[],
  ): void {
    const allShards = shards.reduce((all, one) => all | one, 0);
    const allFronts = fronts.reduce((all, one) => all | one, 0);
    const all = allShards | allFronts | writer;
    this.declare(allShards, allShards, false, () => control.claimedLsn());
    this.declare(allShards | allFronts, writer, false, () => control.durableLsn());
    this.declare(allFronts, writer, false, () => control.commits());
    fronts.forEach((front, i) => {
      this.declare(allShards, front, false, () => control.wantsDecisions(i));
      this.declare(all, all, true, () => control.frontBell(i).take());
    });
    shards.forEach((_, i) => {
      this.declare(all, all, true, () => control.shardBell(i).take());
    });
    this.declare(all, all, true, () => control.writerBell().take());
  }
}
