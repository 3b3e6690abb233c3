/**
 * Announces every access to memory that threads share, as it happens.
 *
 * All that passes between shards, writer and fronts goes through `Atomics`, so an announcement behind each of its operations is a look
 * at shared memory: the only places where it matters whether another thread has run. The real code is not touched and knows nothing of it.
 */

/** Called after an access; `byte` is the offset of the word in its buffer. */
export type Look = (buffer: ArrayBufferLike, byte: number, isWrite: boolean) => void;

/** The four operations that the ledger uses besides waiting and waking. */
interface Operations {
  load(array: SharedWords, index: number): number | bigint;
  store(array: SharedWords, index: number, value: number | bigint): number | bigint;
  add(array: SharedWords, index: number, value: number | bigint): number | bigint;
  compareExchange(
    array: SharedWords,
    index: number,
    expected: number | bigint,
    value: number | bigint,
  ): number | bigint;
}
type SharedWords = Int32Array | BigInt64Array;

const shared = Atomics as unknown as Operations;
const real: Operations = {
  load: shared.load,
  store: shared.store,
  add: shared.add,
  compareExchange: shared.compareExchange,
};

/** Announces accesses from here on, to this one only. @returns ends it: what was announced to before is again */
export function announceLooks(look: Look): () => void {
  const before: Operations = {
    load: shared.load,
    store: shared.store,
    add: shared.add,
    compareExchange: shared.compareExchange,
  };
  const after = (array: SharedWords, index: number, isWrite: boolean) =>
    look(array.buffer, array.byteOffset + index * array.BYTES_PER_ELEMENT, isWrite);
  Object.assign(shared, {
    load(array, index) {
      const value = real.load(array, index);
      after(array, index, false);
      return value;
    },
    store(array, index, value) {
      const stored = real.store(array, index, value);
      after(array, index, true);
      return stored;
    },
    add(array, index, value) {
      const was = real.add(array, index, value);
      after(array, index, true);
      return was;
    },
    compareExchange(array, index, expected, value) {
      const was = real.compareExchange(array, index, expected, value);
      after(array, index, true);
      return was;
    },
  } satisfies Operations);
  return () => Object.assign(shared, before);
}

/** The offset of the word that `access` looks at last. */
export function byteOf(access: () => void): number {
  let last = -1;
  const end = announceLooks((_buffer, byte) => {
    last = byte;
  });
  access();
  end();
  return last;
}
