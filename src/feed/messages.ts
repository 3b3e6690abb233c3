/** What gateways and the feed's thread say to each other, on one port for each gateway. */

/** What a subscription wants to see. */
export interface Interest {
  readonly tenant: string;
  /** Prefixes of the account ids within the token's reach; all when absent. */
  readonly reach: readonly string[] | undefined;
  /** Account ids, or prefixes of them that end in `*`; everything when absent. */
  readonly accounts: readonly string[] | undefined;
  /** The first LSN that is of interest. */
  readonly fromLsn: number;
}

export interface SubscriptionStart extends Interest {
  /** Its number at this gateway, never given twice. */
  readonly subscription: number;
  /** What its frames carry. */
  readonly rid: number;
  /** MessagePack, else JSON. */
  readonly isBinary: boolean;
  /** The durable LSN when it was asked for: that it was reached is told at once. */
  readonly goalLsn: number;
}

/** From a gateway. */
export type FeedRequest =
  | { readonly start: SubscriptionStart }
  | { readonly stop: number }
  /** So many bytes of its frames have left for the socket. */
  | { readonly taken: number; readonly bytes: number };

/** A frame that is ready for its socket. */
export interface FeedFrame {
  readonly subscription: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly transactions: number;
}

/** A subscription that cannot go on. */
export interface FeedFault {
  readonly subscription: number;
  /** The LSN that could not be given. */
  readonly lsn: number;
  /** For the server's log. */
  readonly reason: string;
}

/** To a gateway: frames in the order of each subscription, then those that ended behind them. */
export interface FeedDelivery {
  readonly frames: readonly FeedFrame[];
  readonly faults: readonly FeedFault[];
}

/** What a gateway's thread and the feed's share beside the port. */
export const FIGURES_BYTES = 8;
