/** Limits of the data model. What the wire contract fixes; nothing here is tunable. */

/** The largest amount and sum: 2^63 - 1 minor units. */
export const AMOUNT_MAX = (1n << 63n) - 1n;
/** Bytes of an account or transaction id. */
export const ID_BYTES_MAX = 64;
/** Bytes of a tenant, subject or terminal name taken from a token. */
export const NAME_BYTES_MAX = 64;
/** Bytes of a code or a posting's tag. */
export const CODE_BYTES_MAX = 32;
export const REFERENCE_BYTES_MAX = 64;
export const GROUP_BYTES_MAX = 64;
/** Bytes of metadata as JSON text. */
export const METADATA_BYTES_MAX = 1024;
export const POSTINGS_MIN = 2;
export const POSTINGS_MAX = 64;
/** Transactions or accounts in one batch. */
export const BATCH_MAX = 8192;
/** Seconds a hold may last at most: ten years. */
export const EXPIRES_IN_S_MAX = 315_360_000;
export const SHARDS_MAX = 16;
/** Bytes of a WebSocket frame. */
export const FRAME_BYTES_MAX = 1 << 20;
/** Bytes of an HTTP body. */
export const BODY_BYTES_MAX = 4 << 20;
