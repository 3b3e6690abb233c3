/** What the benchmark uses of autocannon 9, which comes without types. */
declare module 'autocannon' {
  namespace autocannon {
    interface Request {
      readonly method: 'GET' | 'POST';
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly setupRequest?: (request: Request) => Request;
    }
    interface Options {
      readonly url: string;
      readonly connections: number;
      /** Seconds. */
      readonly duration: number;
      /** Milliseconds between samples. */
      readonly sampleInt: number;
      readonly requests: readonly Request[];
    }
    interface Result {
      readonly requests: { readonly total: number };
      /** Milliseconds. */
      readonly latency: {
        readonly p50: number;
        readonly p99: number;
        readonly p99_9: number;
        readonly max: number;
      };
      readonly non2xx: number;
      readonly errors: number;
    }
  }
  function autocannon(options: autocannon.Options): Promise<autocannon.Result>;
  export default autocannon;
}
