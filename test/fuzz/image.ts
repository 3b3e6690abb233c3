import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readRuns } from '../../wal/checkpoint-files.js';
import { openLogReader } from '../../wal/log.js';
import { type ByteKind, mapBlocks, mapSegment, type Span } from './image-map.js';

/** A place in a file of the image. */
export interface Place extends Span {
  /** Relative to the data directory. */
  readonly file: string;
}

/**
 * A sound data directory that is damaged in place and put right again: copying it whole for each image would take longer than looking at it.
 */
export class Image {
  readonly ledger: { readonly id: string; readonly key: Uint8Array; readonly createdMs: number };
  /** By kind of byte, where there are such. */
  readonly places = new Map<ByteKind, Place[]>();
  private readonly sound = new Map<string, Buffer>();
  /** Of all files and directories. */
  private readonly names: ReadonlySet<string>;
  private readonly touched = new Set<string>();

  constructor(readonly data: string) {
    this.names = new Set(readdirSync(data, { recursive: true, encoding: 'utf8' }));
    for (const name of this.names) {
      if (statSync(join(data, name)).isFile()) this.sound.set(name, readFileSync(join(data, name)));
    }
    const reader = openLogReader({ data });
    this.ledger = reader.ledger;
    reader.close();
    const idsBytes = readRuns(data, this.ledger.id).at(-1)!.idsBytes;
    for (const [file, bytes] of this.sound) {
      for (const span of this.spansOf(file, bytes, idsBytes)) {
        const same = this.places.get(span.kind);
        if (same === undefined) this.places.set(span.kind, [{ ...span, file }]);
        else same.push({ ...span, file });
      }
    }
  }

  private spansOf(file: string, bytes: Buffer, idsBytes: number): Span[] {
    if (file.endsWith('data.mdb')) return mapSegment(bytes);
    if (file.endsWith('.run')) return mapBlocks(bytes);
    if (file.endsWith('ids')) return mapBlocks(bytes, idsBytes);
    return bytes.length === 0 ? [] : [{ kind: 'lock files', from: 0, to: bytes.length, lsn: 0 }];
  }

  /** Files that match, in the order of their names. */
  files(pattern: RegExp): string[] {
    return [...this.sound.keys()].filter((name) => pattern.test(name)).sort();
  }

  /** A copy of a sound file. */
  bytes(file: string): Buffer {
    return Buffer.from(this.sound.get(file)!);
  }

  write(file: string, bytes: Uint8Array): void {
    this.touched.add(file);
    this.put(file, bytes);
  }

  /** Says that something else is about to change a file, or what is in a directory. */
  willChange(path: string): void {
    for (const name of this.sound.keys())
      if (name === path || name.startsWith(`${path}/`)) this.touched.add(name);
  }

  /** Removes a file, or a directory with all that is in it. */
  remove(path: string): void {
    this.willChange(path);
    rmSync(join(this.data, path), { recursive: true, force: true });
  }

  /** Puts everything back as it was, and removes what was not there. */
  restore(): void {
    for (const name of this.touched) {
      const bytes = this.sound.get(name);
      if (bytes !== undefined) this.put(name, bytes);
    }
    this.touched.clear();
    for (const name of readdirSync(this.data, { recursive: true, encoding: 'utf8' })) {
      if (!this.names.has(name)) rmSync(join(this.data, name), { recursive: true, force: true });
    }
  }

  private put(file: string, bytes: Uint8Array): void {
    mkdirSync(dirname(join(this.data, file)), { recursive: true });
    writeFileSync(join(this.data, file), bytes);
  }
}
