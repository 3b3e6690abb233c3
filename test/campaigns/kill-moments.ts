import { existsSync, watch } from 'node:fs';
import { checkpointDirectory } from '../../wal/checkpoint-files.js';
import { logDirectory } from '../../wal/segment.js';
import type { ServerProcess } from '../support/server.js';
import type { Random } from './book.js';

/** The moments at which a server under load is killed. */
export const MOMENTS = ['load', 'checkpoint', 'roll', 'close', 'load'] as const;
export type Moment = (typeof MOMENTS)[number];

const ANSWERS_MAX = 2500;
const FEW_ANSWERS = 100;
/** Of a checkpoint or a roll: a round has several, and each is looked at from its first file on. */
const FILES_MAX = 12;
/** A close under load takes about so long. */
const CLOSE_MS_MAX = 400;
/** From the appearance of a file on. */
const AFTER_FILE_MS_MAX = 6;

export interface Trigger {
  /** Resolves when the moment has come. */
  readonly reached: Promise<void>;
  /** Something was answered. */
  readonly answered: () => void;
  /** Ends the watching. */
  readonly stop: () => void;
}

/**
 * Makes the moment come: after some answers, or some milliseconds after a new file of a checkpoint or a segment appeared. Whatever is waited for,
 * a number of answers brings the round to its end.
 */
export function triggerFor(moment: Moment, data: string, random: Random): Trigger {
  let reach: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const isFile = moment === 'checkpoint' || moment === 'roll';
  let answersLeft = isFile ? 2 * ANSWERS_MAX : 1 + random(random(3) === 0 ? FEW_ANSWERS : ANSWERS_MAX);
  const directory = moment === 'roll' ? logDirectory(data) : checkpointDirectory(data);
  let filesLeft = 1 + random(FILES_MAX);
  const delayMs = random(AFTER_FILE_MS_MAX + 1);
  const watcher =
    isFile && existsSync(directory)
      ? watch(directory, (event) => {
          if (event === 'rename' && --filesLeft === 0) setTimeout(reach, delayMs);
        })
      : undefined;
  return {
    reached,
    answered: () => {
      if (--answersLeft === 0) reach();
    },
    stop: () => watcher?.close(),
  };
}

/** Ends the server without mercy; at a close, somewhere in the middle of it. */
export async function killAt(moment: Moment, server: ServerProcess, random: Random): Promise<void> {
  if (moment === 'close') {
    server.signal('SIGTERM');
    const graceMs = random(CLOSE_MS_MAX);
    await Promise.race([server.exited, new Promise((resolve) => setTimeout(resolve, graceMs))]);
  }
  await server.kill();
}
