/** What these programs use of the answers; docs/rpc.md has all of it. Amounts are pebbles, as decimal strings. */

export interface NodeInfo {
  chain: string;
  height: number;
  /** The rules of the next block. */
  rules: { account_price: string };
}

export interface Account {
  exists: boolean;
  balance: string;
  height: number;
  pending: { nonce: string };
}

export interface Header {
  height: number;
  id: string;
}

/** How the chain moved. `tip`, given as `since`, resumes after it. */
export interface ChainMove {
  disconnected: Header[];
  connected: Header[];
  tip: string;
}
