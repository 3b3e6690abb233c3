/** Subscriptions of one connection. */
export const SUBSCRIPTIONS_PER_CONNECTION = 16;
/** Subscriptions of one gateway: with {@link WINDOW_BYTES} they bound what the feed may hold for slow readers. */
export const SUBSCRIPTIONS_PER_GATEWAY = 1024;
/** Entries of `accounts` in one subscription. */
export const ACCOUNTS_PER_SUBSCRIPTION = 64;
/** A frame is full from here on: the longest event, 64 postings with tags and all, may come on top. */
export const FRAME_BYTES = 32 << 10;
/** Bytes of a subscription's frames that may be on their way to its socket; one frame may go beyond. */
export const WINDOW_BYTES = 128 << 10;
/** Bytes in a socket, replies included, up to which the next frame of the feed is added. */
export const SOCKET_BYTES = 64 << 10;
