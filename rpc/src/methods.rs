//! The methods, one trait for each namespace. Every method names its scope: what a caller's token must
//! allow (read, submit, mine, admin). Callers on the node's own machine need none for read and submit, unless
//! the method says `token`: what it tells is the operator's business. [`scope`](crate::scope) holds the same
//! as a table.

use crate::text::{HexBytes, Text};
use crate::types::{
    AccountJson, AddressHistory, AddressMove, BackupInfo, BanJson, BlockJson, BlockPage, BlockRef, ChainMove,
    DifficultyJson, FeeEstimateJson, FoundBlock, Generated, HeaderJson, HeaderPage, HistoryCursor, LightProofJson,
    MempoolInfo, MiningInfo, NetInfo, NodeInfo, PeerJson, PoolCursor, PoolEntry, PoolPage, ProofJson, ProviderJson,
    StorageInfo, Submitted, Supply, TransactionInfo, TransactionPage, TransactionProofJson, TxCheck, TxStatus,
    WorkJson,
};
use cairn_ledger::hash::{BlockId, Hash, TxId};
#[cfg(feature = "server")]
use jsonrpsee::core::{RpcResult, SubscriptionResult};
use jsonrpsee::proc_macros::rpc;

/// The node itself.
#[cfg_attr(feature = "server", rpc(server, client, namespace = "node"))]
#[cfg_attr(not(feature = "server"), rpc(client, namespace = "node"))]
pub trait Node {
    /// What the node is and how far it is. Scope: read.
    #[method(name = "info")]
    async fn node_info(&self) -> RpcResult<NodeInfo>;

    /// What the database takes on the disk, table by table, and what the parts hold in memory. Scope: read,
    /// token.
    #[method(name = "storage")]
    async fn node_storage(&self) -> RpcResult<StorageInfo>;

    /// Copies the database, as it is now, to `db` in a directory of the node's machine, which is made: an absolute path
    /// where nothing is yet. A node can be started on it. Errors: 1044, 9003. Scope: admin.
    #[method(name = "backup")]
    async fn node_backup(&self, directory: String) -> RpcResult<BackupInfo>;

    /// Stops the node in order, as SIGTERM does. It answers before it has stopped: it has once nothing listens on its
    /// port any more. Scope: admin.
    #[method(name = "stop")]
    async fn node_stop(&self) -> RpcResult<()>;
}

/// Blocks and the transactions in them.
#[cfg_attr(feature = "server", rpc(server, client, namespace = "chain"))]
#[cfg_attr(not(feature = "server"), rpc(client, namespace = "chain"))]
pub trait Chain {
    /// The header of the tip. Scope: read.
    #[method(name = "tip")]
    async fn chain_tip(&self) -> RpcResult<HeaderJson>;

    /// The header of a block, named by height on the followed chain or by id. Errors: 2001. Scope: read.
    #[method(name = "getHeader")]
    async fn get_header(&self, block: BlockRef) -> RpcResult<HeaderJson>;

    /// A block, named by height on the followed chain or by id; with `full`, its transactions instead of
    /// their ids. Errors: 2001, 2004. Scope: read.
    #[method(name = "getBlock")]
    async fn get_block(&self, block: BlockRef, full: Option<bool>) -> RpcResult<BlockJson>;

    /// A block as its canonical bytes in hex, named by height on the followed chain or by id: header, count,
    /// transactions. Errors: 2001, 2004. Scope: read.
    #[method(name = "getRawBlock")]
    async fn get_raw_block(&self, block: BlockRef) -> RpcResult<HexBytes>;

    /// A transaction of the followed chain, with its block and confirmations, or of the pool. Errors:
    /// 2002. Scope: read.
    #[method(name = "getTransaction")]
    async fn get_transaction(&self, txid: Text<TxId>) -> RpcResult<TransactionInfo>;

    /// Proves the tip `tip` and the work below it to a light client. `random` is 32 bytes in hex that the client
    /// draws after it was told the tip. With `known`, a tip the client verified before, the answer is only
    /// what came since, if `known` is among the last 512 blocks of this chain. Errors: 2001 when `tip` is not
    /// on the followed chain, 6001. Scope: read.
    #[method(name = "getProof")]
    async fn get_light_proof(
        &self,
        tip: Text<BlockId>,
        random: Text<Hash>,
        known: Option<Text<BlockId>>,
    ) -> RpcResult<LightProofJson>;

    /// The headers after the block `after` up to the block `at`, 1 to 5000 (the default) of them, without what follows
    /// from those before: 112 bytes each, for clients that check every header. Errors: 1003, 2001 when one of both
    /// blocks is not on the followed chain, or `after` not below `at`, 6001. Scope: read.
    #[method(name = "getBareHeaders")]
    async fn get_bare_headers(
        &self,
        after: Text<BlockId>,
        at: Text<BlockId>,
        count: Option<u64>,
    ) -> RpcResult<HexBytes>;

    /// Proves that a transaction is in a block of the chain that ends with the block `at`. Errors: 2001 when
    /// `at` is not on the followed chain, 2002, 6001. Scope: read.
    #[method(name = "getTransactionProof")]
    async fn get_transaction_proof(&self, txid: Text<TxId>, at: Text<BlockId>) -> RpcResult<TransactionProofJson>;

    /// Headers of the followed chain from a height upward, 1 to 500 (the default). Errors: 1003. Scope: read.
    #[method(name = "getHeaders")]
    async fn get_headers(&self, from: u64, count: Option<u64>) -> RpcResult<HeaderPage>;

    /// Blocks of the followed chain from a height upward, 1 to 100 (the default), fewer when they are large;
    /// with `full`, with transactions instead of their ids. Errors: 1003, 2004. Scope: read.
    #[method(name = "getBlocks")]
    async fn get_blocks(&self, from: u64, count: Option<u64>, full: Option<bool>) -> RpcResult<BlockPage>;

    /// Transactions of the followed chain in its order, 1 to 500 (the default), from a block's height and a
    /// place in it (0 by default) on. Errors: 1003, 2004. Scope: read.
    #[method(name = "getTransactions")]
    async fn get_transactions(&self, from: u64, place: Option<u64>, count: Option<u64>) -> RpcResult<TransactionPage>;

    /// How much money there is after the block at a height (the tip by default), what the next block adds, and
    /// what there will be in the end. Scope: read.
    #[method(name = "supply")]
    async fn chain_supply(&self, height: Option<u64>) -> RpcResult<Supply>;

    /// How hard blocks are to find: interval and hash rate over the last blocks, 1 to 1000 (120 by default),
    /// and the next target. Errors: 1003. Scope: read.
    #[method(name = "difficulty")]
    async fn chain_difficulty(&self, window: Option<u64>) -> RpcResult<DifficultyJson>;

    /// Sends every move of the chain: the headers that left it and those that came, nothing left out. With
    /// `since`, the `tip` of an earlier notification or any block's id, it begins with what happened since.
    /// Errors: 2001, 6008. Scope: read.
    #[subscription(name = "subscribeMoves" => "moves", unsubscribe = "unsubscribeMoves", item = ChainMove)]
    async fn subscribe_moves(&self, since: Option<Text<BlockId>>) -> SubscriptionResult;

    /// Sends the header of each new tip; after a reorganisation only that of the new tip. A subscriber
    /// that does not read misses headers and is told so by a gap in the heights. Scope: read.
    #[subscription(name = "subscribeHeads" => "heads", unsubscribe = "unsubscribeHeads", item = HeaderJson)]
    async fn subscribe_heads(&self) -> SubscriptionResult;
}

/// Accounts.
#[cfg_attr(feature = "server", rpc(server, client, namespace = "state"))]
#[cfg_attr(not(feature = "server"), rpc(client, namespace = "state"))]
pub trait State {
    /// What an address has, and what its own transactions in the pool would make of it. An address
    /// without an account has nothing. Errors: 1001. Scope: read.
    #[method(name = "getAccount")]
    async fn get_account(&self, address: String) -> RpcResult<AccountJson>;

    /// A proof of what an address has, or that it has no account, against the state root of the tip, or of
    /// the block `at`, one of the last 32 below it. Errors: 1001, 2003. Scope: read.
    #[method(name = "getProof")]
    async fn get_proof(&self, address: String, at: Option<Text<BlockId>>) -> RpcResult<ProofJson>;

    /// What touched an address on the followed chain, the last first: transactions it sent or that paid it, and
    /// rewards; 1 to 100 (the default), from the page's `next` on. New blocks change no page; when a
    /// reorganisation did, the next page says so. What block 0 allotted is not in it. Needs `index.addresses`.
    /// Errors: 1001, 1003, 2001, 6001, 6008, 9011, 9012. Scope: read.
    #[method(name = "getHistory")]
    async fn get_history(
        &self,
        address: String,
        before: Option<Text<HistoryCursor>>,
        count: Option<u64>,
    ) -> RpcResult<AddressHistory>;

    /// Sends the transactions an address sends or receives as they come onto the chain or leave it; `since` as
    /// in `chain_subscribeMoves`. Errors: 1001, 2001, 6008. Scope: read.
    #[subscription(name = "subscribeAddress" => "address", unsubscribe = "unsubscribeAddress", item = AddressMove)]
    async fn subscribe_address(&self, address: String, since: Option<Text<BlockId>>) -> SubscriptionResult;
}

/// Transactions on their way into a block.
#[cfg_attr(feature = "server", rpc(server, client, namespace = "tx"))]
#[cfg_attr(not(feature = "server"), rpc(client, namespace = "tx"))]
pub trait Tx {
    /// Takes a signed transaction, as the hex of its bytes, into the pool and passes it on. Errors: 1002
    /// and 30xx, one for each reason to refuse it. Scope: submit.
    #[method(name = "submit")]
    async fn submit_tx(&self, raw: HexBytes) -> RpcResult<Submitted>;

    /// Says whether `tx_submit` would take a transaction now, without taking it. Errors: 1002 and 30xx. Scope:
    /// read.
    #[method(name = "check")]
    async fn check_tx(&self, raw: HexBytes) -> RpcResult<TxCheck>;

    /// Sends what becomes of a transaction at each change, until it is `depth` blocks deep (1 to 10000, 1 by
    /// default) or has expired. Errors: 1003. Scope: read.
    #[subscription(name = "subscribeStatus" => "txStatus", unsubscribe = "unsubscribeStatus", item = TxStatus)]
    async fn subscribe_status(&self, txid: Text<TxId>, depth: Option<u64>) -> SubscriptionResult;

    /// What became of a transaction: why it left the pool, or why this node did not take it from its own
    /// clients, is known for a day. Scope: read.
    #[method(name = "status")]
    async fn tx_status(&self, txid: Text<TxId>) -> RpcResult<TxStatus>;
}

/// The pool of transactions that wait for a block.
#[cfg_attr(feature = "server", rpc(server, client, namespace = "mempool"))]
#[cfg_attr(not(feature = "server"), rpc(client, namespace = "mempool"))]
pub trait Mempool {
    /// How full it is and what it takes. Scope: read.
    #[method(name = "info")]
    async fn mempool_info(&self) -> RpcResult<MempoolInfo>;

    /// The transactions in it, in order of arrival, 1 to 200 (the default), from the page's `next` on. Errors:
    /// 1003. Scope: read.
    #[method(name = "content")]
    async fn mempool_content(&self, after: Option<Text<PoolCursor>>, count: Option<u64>) -> RpcResult<PoolPage>;

    /// The transactions of one sender, in order of nonce, the first 200. Errors: 1001. Scope: read.
    #[method(name = "ofSender")]
    async fn mempool_of_sender(&self, address: String) -> RpcResult<Vec<PoolEntry>>;

    /// What a transaction should pay to be mined within some blocks (1 to 100, 1 by default), and on what that
    /// is based. Errors: 1003. Scope: read.
    #[method(name = "feeEstimate")]
    async fn fee_estimate(&self, blocks: Option<u64>) -> RpcResult<FeeEstimateJson>;
}

/// The miner.
#[cfg_attr(feature = "server", rpc(server, client, namespace = "mining"))]
#[cfg_attr(not(feature = "server"), rpc(client, namespace = "mining"))]
pub trait Mining {
    /// What the miner does. Scope: read, token.
    #[method(name = "info")]
    async fn mining_info(&self) -> RpcResult<MiningInfo>;

    /// On a local network, makes `blocks` blocks (1 to 100) at once, stamped one interval apart, for
    /// `beneficiary` or for the miner's. It stops, and says so, when the chain has caught up with the
    /// clock. Errors: 1001, 1003, 4001, 4002. Scope: mine.
    #[method(name = "generate")]
    async fn generate(&self, blocks: u64, beneficiary: Option<String>) -> RpcResult<Generated>;

    /// Work for a miner elsewhere: a block on the tip for `beneficiary`, or for the miner's, complete but for
    /// its nonce. Ask again at every new tip, and every few seconds for new transactions. Errors: 1001, 4002,
    /// 4004. Scope: mine.
    #[method(name = "getTemplate")]
    async fn get_template(&self, beneficiary: Option<String>) -> RpcResult<WorkJson>;

    /// Hands in a nonce that solves the work with this seal; the block is on the chain when this answers.
    /// Errors: 4005, 4006. Scope: mine.
    #[method(name = "submit")]
    async fn submit_work(&self, seal: Text<Hash>, nonce: Text<u64>) -> RpcResult<FoundBlock>;
}

/// Peers.
#[cfg_attr(feature = "server", rpc(server, client, namespace = "net"))]
#[cfg_attr(not(feature = "server"), rpc(client, namespace = "net"))]
pub trait Net {
    /// The node among its peers. Scope: read, token.
    #[method(name = "info")]
    async fn net_info(&self) -> RpcResult<NetInfo>;

    /// The connected peers. Scope: read, token.
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

    /// Lifts a ban, named as `net_ban` names it; whether there was one. Errors: 1041. Scope: admin.
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
    /// its hash (the default), or of the kind `snapshot`, the accounts as they were after a block, with the state root
    /// of that block as its hash, or of the kind `stretch`, blocks of the history, with the genesis id's first 16
    /// bytes, the number of the stretch and the number of blocks in one (8 bytes each, big-endian) as its hash. It
    /// takes as long as the search: seconds. Errors: 1043, 5013, 6001. Scope: read, token.
    #[method(name = "findProviders")]
    async fn find_providers(&self, kind: Option<String>, hash: Option<Text<Hash>>) -> RpcResult<Vec<ProviderJson>>;
}
