import { Agent, type IncomingMessage, request } from 'node:http';
import { type Fields, readJson, writeJson } from './exact-json.js';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** Read exactly, when it is JSON. */
  readonly body: Fields;
}

/** The server closes a connection that is idle for 10 s. One that is about to be closed must not be used again. */
const REUSE_MS = 5_000;

/** HTTP as a client of the contract speaks it. */
export class HttpClient {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 32, timeout: REUSE_MS });

  constructor(
    readonly port: number,
    private readonly token: string | undefined,
  ) {}

  get(path: string): Promise<HttpAnswer> {
    return this.send('GET', path);
  }

  post(path: string, body?: unknown): Promise<HttpAnswer> {
    return this.send('POST', path, body === undefined ? undefined : writeJson(body));
  }

  patch(path: string, body: unknown): Promise<HttpAnswer> {
    return this.send('PATCH', path, writeJson(body));
  }

  /** @param body sent as it is. @throws when the connection breaks before the answer */
  send(
    method: string,
    path: string,
    body?: string | Buffer,
    headers: { readonly [name: string]: string } = {},
  ): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const sent = request({
        host: '127.0.0.1',
        port: this.port,
        agent: this.agent,
        method,
        path,
        headers: {
          ...(this.token !== undefined && { authorization: `Bearer ${this.token}` }),
          ...(body !== undefined && {
            'content-type': 'application/json',
            'content-length': `${Buffer.byteLength(body)}`,
          }),
          ...headers,
        },
      });
      sent.on('error', reject);
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = /json/.test(response.headers['content-type'] ?? '');
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            text,
            body: (isJson ? readJson(text) : {}) as Fields,
          });
        });
      });
      sent.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}
