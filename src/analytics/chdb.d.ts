/** What Kassa uses of the embedded engine, so that it compiles where the package is not installed. */
declare module 'chdb/connection' {
  /** A connection for `createClient` of @clickhouse/client. */
  export function createChdbConnection(options: { readonly path: string }): unknown;
}
