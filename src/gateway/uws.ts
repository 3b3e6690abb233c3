import type * as uws from 'uWebSockets.js';
import { createRequire } from 'node:module';

/** The native server could not be loaded on this machine. */
export class UnsupportedPlatformError extends Error {
  override readonly name = 'UnsupportedPlatformError';
}

export type Uws = typeof uws;
export type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_listen_socket,
  us_socket_context_t,
  WebSocket,
} from 'uWebSockets.js';

/**
 * Loads uWebSockets.js: the only place that does. It is a native module whose binaries exist for some platforms and
 * Node versions only, so a failure must say what would work; a static import could not.
 * @throws UnsupportedPlatformError with the platform, the Node version and what is supported
 */
export function loadUws(): Uws {
  try {
    return createRequire(import.meta.url)('uWebSockets.js') as Uws;
  } catch (cause) {
    const where = `${process.platform}-${process.arch}, Node.js ${process.version}`;
    throw new UnsupportedPlatformError(
      `uWebSockets.js does not load on ${where}. Its binaries run on Node.js 18 to 23 (use 20.19+ or 22), on Linux ` +
        'with glibc 2.27 or newer (not musl/Alpine), macOS and Windows. If this machine is one of these, run ' +
        `"npm ci" again with the Node.js that runs Kassa. (${systemReason(cause)})`,
      { cause },
    );
  }
}

/** The loader's own words stand in front of the system's, which say what is missing. */
function systemReason(error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error).split('\n');
  return lines.find((line) => line.startsWith('Error: ')) ?? lines[0] ?? '';
}
