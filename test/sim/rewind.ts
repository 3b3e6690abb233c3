/**
 * Remembers everything that is reachable from an object, and puts it back in place.
 *
 * A search runs the same small world from the same beginning hundreds of thousands of times. To build it anew costs a millisecond, most of
 * it for memory; to put it back a tenth. Whoever uses this checks that a world that was put back and driven along the same path comes to the
 * same digest, so something forgotten here shows at once.
 */

/** Larger buffers are remembered up to their last byte that is not zero: they fill from the start. */
const WHOLE_BYTES = 1 << 12;
/** What may be written behind that end until it is put back. */
const SLACK_BYTES = 1 << 14;

type Restore = () => void;

/** Remembers what is reachable from `root`, but for what `isFixed` leaves out. @returns puts it back */
export function remember(root: object, isFixed: (object: object) => boolean): Restore {
  const seen = new Set<object>();
  const restores: Restore[] = [];
  const todo: object[] = [root];
  const visit = (value: unknown): void => {
    // A Buffer may be a part of Node's pool, whose rest is not ours to put back. The ledger changes none that it keeps.
    if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return;
    if (seen.has(value) || isFixed(value)) return;
    seen.add(value);
    todo.push(value);
  };
  for (let object = todo.pop(); object !== undefined; object = todo.pop()) {
    if (ArrayBuffer.isView(object)) visit(object.buffer);
    else if (object instanceof ArrayBuffer || object instanceof SharedArrayBuffer)
      restores.push(rememberBytes(object));
    else if (object instanceof Map) restores.push(rememberMap(object, visit));
    else if (object instanceof Set) restores.push(rememberSet(object, visit));
    else if (Array.isArray(object)) restores.push(rememberArray(object, visit));
    else restores.push(rememberFields(object as Record<string, unknown>, visit));
  }
  return () => {
    for (const restore of restores) restore();
  };
}

function rememberBytes(buffer: ArrayBufferLike): Restore {
  const bytes = new Uint8Array(buffer);
  let end = bytes.length;
  if (end > WHOLE_BYTES) {
    while (end > 0 && bytes[end - 1] === 0) end--;
  }
  const kept = bytes.slice(0, end);
  return () => {
    bytes.set(kept);
    bytes.fill(0, end, Math.min(bytes.length, end + SLACK_BYTES));
  };
}

function rememberMap(map: Map<unknown, unknown>, visit: (value: unknown) => void): Restore {
  const entries = [...map];
  for (const [key, value] of entries) {
    visit(key);
    visit(value);
  }
  return () => {
    map.clear();
    for (const [key, value] of entries) map.set(key, value);
  };
}

function rememberSet(set: Set<unknown>, visit: (value: unknown) => void): Restore {
  const values = [...set];
  values.forEach(visit);
  return () => {
    set.clear();
    for (const value of values) set.add(value);
  };
}

function rememberArray(array: unknown[], visit: (value: unknown) => void): Restore {
  const values = array.slice();
  values.forEach(visit);
  return () => {
    array.length = values.length;
    for (let i = 0; i < values.length; i++) array[i] = values[i];
  };
}

function rememberFields(object: Record<string, unknown>, visit: (value: unknown) => void): Restore {
  const names = Object.keys(object);
  const values = names.map((name) => object[name]);
  values.forEach(visit);
  return () => {
    for (let i = 0; i < names.length; i++) object[names[i]!] = values[i];
  };
}
