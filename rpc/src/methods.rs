//! The methods, one trait for each namespace. Every method names its scope: what a caller's token must
//! allow (read, submit, mine, admin).

use crate::{
    text::{HexBytes, Text},
    types::{
        AccountJson, BanJson, BlockJson, BlockRef, Generated, HeaderJson, MempoolInfo, MiningInfo, NetInfo, NodeInfo,
        PeerJson, ProofJson, ProviderJson, Submitted, TransactionInfo, TxStatus,
    },
};
use cairn_ledger::hash::{Hash, TxId};
#[cfg(feature = "server")]
use jsonrpsee::core::{RpcResult, SubscriptionResult};
use jsonrpsee::proc_macros::rpc;

/// The node itself.
#[cfg_attr(all(feature = "server", feature = "client"), rpc(server, client, namespace = "node"))]
#[cfg_attr(all(feature = "server", not(feature = "client")), rpc(server, namespace = "node"))]
#[cfg_attr(all(feature = "client", not(feature = "server")), rpc(client, namespace = "node"))]
pub trait Node {
    /// What the node is and how far it is. Scope: read.
    #[method(name = "info")]
    async fn node_info(&self) -> RpcResult<NodeInfo>;
}

/// Blocks and the transactions in them.
#[cfg_attr(all(feature = "server", feature = "client"), rpc(server, client, namespace = "chain"))]
#[cfg_attr(all(feature = "server", not(feature = "client")), rpc(server, namespace = "chain"))]
#[cfg_attr(all(feature = "client", not(feature = "server")), rpc(client, namespace = "chain"))]
pub trait Chain {
    /// The header of the tip. Scope: read.
    #[method(name = "tip")]
    async fn chain_tip(&self) -> RpcResult<HeaderJson>;

    /// The header of a block, named by height on the followed chain or by id. Errors: 2001. Scope: read.
    #[method(name = "getHeader")]
    async fn get_header(&self, block: BlockRef) -> RpcResult<HeaderJson>;

    /// A block, named by height on the followed chain or by id; with `full`, its transactions instead of
    /// their ids. Errors: 2001. Scope: read.
    #[method(name = "getBlock")]
    async fn get_block(&self, block: BlockRef, full: Option<bool>) -> RpcResult<BlockJson>;

    /// A transaction of the followed chain, with its block and confirmations, or of the pool. Errors:
    /// 2002. Scope: read.
    #[method(name = "getTransaction")]
    async fn get_transaction(&self, txid: Text<TxId>) -> RpcResult<TransactionInfo>;

    /// Sends the header of each new tip; after a reorganisation only that of the new tip. A subscriber
    /// that does not read misses headers and is told so by a gap in the heights. Scope: read.
    #[subscription(name = "subscribeHeads" => "heads", unsubscribe = "unsubscribeHeads", item = HeaderJson)]
    async fn subscribe_heads(&self) -> SubscriptionResult;
}

/// Accounts at the tip.
#[cfg_attr(all(feature = "server", feature = "client"), rpc(server, client, namespace = "state"))]
#[cfg_attr(all(feature = "server", not(feature = "client")), rpc(server, namespace = "state"))]
#[cfg_attr(all(feature = "client", not(feature = "server")), rpc(client, namespace = "state"))]
pub trait State {
    /// What an address has, and what its own transactions in the pool would make of it. An address
    /// without an account has nothing. Errors: 1001. Scope: read.
    #[method(name = "getAccount")]
    async fn get_account(&self, address: String) -> RpcResult<AccountJson>;

    /// A proof of what an address has, or that it has no account, against the state root of the tip.
    /// Errors: 1001. Scope: read.
    #[method(name = "getProof")]
    async fn get_proof(&self, address: String) -> RpcResult<ProofJson>;
}

/// Transactions on their way into a block.
#[cfg_attr(all(feature = "server", feature = "client"), rpc(server, client, namespace = "tx"))]
#[cfg_attr(all(feature = "server", not(feature = "client")), rpc(server, namespace = "tx"))]
#[cfg_attr(all(feature = "client", not(feature = "server")), rpc(client, namespace = "tx"))]
pub trait Tx {
    /// Takes a signed transaction, as the hex of its bytes, into the pool and passes it on. Errors: 1002
    /// and 30xx, one for each reason to refuse it. Scope: submit.
    #[method(name = "submit")]
    async fn submit_tx(&self, raw: HexBytes) -> RpcResult<Submitted>;

    /// What became of a transaction. Scope: read.
    #[method(name = "status")]
    async fn tx_status(&self, txid: Text<TxId>) -> RpcResult<TxStatus>;
}

/// The pool of transactions that wait for a block.
#[cfg_attr(all(feature = "server", feature = "client"), rpc(server, client, namespace = "mempool"))]
#[cfg_attr(all(feature = "server", not(feature = "client")), rpc(server, namespace = "mempool"))]
#[cfg_attr(all(feature = "client", not(feature = "server")), rpc(client, namespace = "mempool"))]
pub trait Mempool {
    /// How full it is and what it takes. Scope: read.
    #[method(name = "info")]
    async fn mempool_info(&self) -> RpcResult<MempoolInfo>;
}

/// The miner.
#[cfg_attr(all(feature = "server", feature = "client"), rpc(server, client, namespace = "mining"))]
#[cfg_attr(all(feature = "server", not(feature = "client")), rpc(server, namespace = "mining"))]
#[cfg_attr(all(feature = "client", not(feature = "server")), rpc(client, namespace = "mining"))]
pub trait Mining {
    /// What the miner does. Scope: read.
    #[method(name = "info")]
    async fn mining_info(&self) -> RpcResult<MiningInfo>;

    /// On a local network, makes `blocks` blocks (1 to 100) at once, stamped one interval apart, for
    /// `beneficiary` or for the miner's. It stops, and says so, when the chain has caught up with the
    /// clock. Errors: 1001, 1003, 4001, 4002. Scope: mine.
    #[method(name = "generate")]
    async fn generate(&self, blocks: u64, beneficiary: Option<String>) -> RpcResult<Generated>;
}

/// Peers.
#[cfg_attr(all(feature = "server", feature = "client"), rpc(server, client, namespace = "net"))]
#[cfg_attr(all(feature = "server", not(feature = "client")), rpc(server, namespace = "net"))]
#[cfg_attr(all(feature = "client", not(feature = "server")), rpc(client, namespace = "net"))]
pub trait Net {
    /// The node among its peers. Scope: read.
    #[method(name = "info")]
    async fn net_info(&self) -> RpcResult<NetInfo>;

    /// The connected peers. Scope: read.
    #[method(name = "peers")]
    async fn net_peers(&self) -> RpcResult<Vec<PeerJson>>;

    /// Dials a peer, named by its multiaddress with `/p2p/<peer id>`, and keeps redialling it until the
    /// node stops. Errors: 1004. Scope: admin.
    #[method(name = "addPeer")]
    async fn add_peer(&self, address: String) -> RpcResult<()>;

    /// Refuses a peer, named by its id, a host, named by its IP address (an IPv6 /64), or a group of hosts,
    /// named by a prefix (an IPv4 /16, an IPv6 /32), for `seconds` (an hour by default, a year at most), and
    /// parts from those it covers. Bans survive a restart. Errors: 1041. Scope: admin.
    #[method(name = "ban")]
    async fn ban(&self, target: String, seconds: Option<u64>, reason: Option<String>) -> RpcResult<()>;

    /// Lifts a ban, named as [`ban`](Self::ban) named it; whether there was one. Errors: 1041. Scope: admin.
    #[method(name = "unban")]
    async fn unban(&self, target: String) -> RpcResult<bool>;

    /// The bans that hold. Scope: admin.
    #[method(name = "listBans")]
    async fn list_bans(&self) -> RpcResult<Vec<BanJson>>;

    /// Lets a peer into this private network; whether it was out. It holds until the node stops: what is to
    /// last is in `network.admit`. Errors: 1042, 5011, 5012. Scope: admin.
    #[method(name = "admit")]
    async fn admit(&self, peer_id: String) -> RpcResult<bool>;

    /// Shuts a peer out of this private network and parts from it; whether it was in. It holds until the node
    /// stops: what is to last is in `network.admit`. Errors: 1042, 5011. Scope: admin.
    #[method(name = "revoke")]
    async fn revoke(&self, peer_id: String) -> RpcResult<bool>;

    /// Asks the DHT who provides a resource: of the kind `full_history` (the default) with the genesis id as
    /// its hash (the default). It takes as long as the search: seconds. Errors: 1043, 5013, 6001. Scope: read.
    #[method(name = "findProviders")]
    async fn find_providers(&self, kind: Option<String>, hash: Option<Text<Hash>>) -> RpcResult<Vec<ProviderJson>>;
}
