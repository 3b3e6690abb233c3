/** Limits of the log on the local disk. */

/** Address space for each open segment. Never all used: a segment is rolled long before. */
export const SEGMENT_MAP_BYTES = 1 << 30;
/** The largest size a segment may be given: half the map. */
export const SEGMENT_BYTES_MAX = SEGMENT_MAP_BYTES / 2;
export const SEGMENT_BYTES_MIN = 1 << 16;
export const SEGMENT_BYTES_DEFAULT = 256 << 20;
