/*
 * A simulated world is one synchronous run, promises included: after each turn of a front its continuations must have run, before the
 * scheduler chooses the next turn, or the order would be the machine's and not the seed's. Node offers no documented call for that.
 * `process._tickCallback` does it ("used to emulate a tick manually in the JS land", lib/internal/bootstrap/node.js of 18 to 24), as long as
 * it is not called from within a microtask itself. The test of the simulator fails when that changes.
 */

const tick = (process as unknown as { readonly _tickCallback: () => void })._tickCallback;

/** Runs all continuations of promises that are due, those that they lead to included. */
export function drainMicrotasks(): void {
  tick();
}

/**
 * Runs something where {@link drainMicrotasks} works: not within a continuation, as an `async` function after its first `await` is.
 * @throws when it does not work in this version of Node
 */
export function inMacrotask<T>(run: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        let isDrained = false;
        queueMicrotask(() => {
          isDrained = true;
        });
        drainMicrotasks();
        if (!isDrained) throw new Error('this version of Node does not run continuations when asked');
        resolve(run());
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}
