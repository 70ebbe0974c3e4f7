//! Every message that crosses the wire, with its bounds. All of them go through the one encoding
//! ([`cairn_ledger::codec`]): length first, every list bounded before it is allocated.
//!
//! Questions and answers may end in fields that are not known here: a later program adds them, and is not at fault for
//! it. What is gossiped has one form, as everybody passes on the very bytes; another form gets another topic.

pub(crate) mod compact;
pub(crate) mod short_ids;

use cairn_chain::store::MAX_STRETCHES;
use cairn_ledger::accounts::StateRun;
use cairn_ledger::block::{Body, HEADER_BYTES, Header, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};
use cairn_ledger::codec::{self, BoundedBytes, BoundedVec, Decode, DecodeError, Encode};
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::transaction::{MIN_TRANSACTION_BYTES, Transaction};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::{pow::Work, upgrades::Upgrade};

/// Headers in one answer.
pub const MAX_HEADERS: usize = 2_000;
/// Ids in a locator: ten in a row and doubling steps, twice over (a branch, then the followed chain).
pub const MAX_LOCATOR: usize = 128;
/// Bodies in one answer; the bytes are bounded by [`Bodies::MAX_BYTES`].
pub const MAX_BODIES: usize = 128;
/// Upgrades a node names: the last in force, and the next.
pub const MAX_UPGRADES: usize = 2;
/// The longest name of an upgrade.
const MAX_UPGRADE_NAME: usize = 32;
/// Snapshots a node says it holds.
pub const MAX_SNAPSHOTS: usize = 4;
/// Bytes of the transactions a compact block carries whole.
pub const MAX_PREFILLED_BYTES: usize = 64 << 10;
/// More transactions than this do not fit into [`MAX_PREFILLED_BYTES`].
pub const MAX_PREFILLED: usize = MAX_PREFILLED_BYTES / MIN_TRANSACTION_BYTES;
/// More transactions than this do not fit into a batch.
pub const MAX_BATCH: usize = TxBatch::MAX_BYTES / MIN_TRANSACTION_BYTES;

/// Short ids of pooled transactions in one answer: a pool of the usual greatest size.
pub const MAX_POOL_IDS: usize = 100_000;
/// Pooled transactions asked for at once: of the usual size, they fill about an answer.
pub const MAX_POOL_WANTED: usize = 4_096;
/// Parts in which two pools are compared: by the first byte of a short id. Of pools that differ little, little is
/// listed.
pub const POOL_PARTS: usize = 256;
/// More transactions than this do not fit into an answer about the pool.
pub const MAX_POOL_TXS: usize = PoolAnswer::MAX_BYTES / MIN_TRANSACTION_BYTES;

/// Addresses in one answer: enough to fill the slots of a node several times.
pub const MAX_ADDRESSES: usize = 64;
/// Bytes of an Ed25519 key.
pub const KEY_BYTES: usize = 32;

/// A message with one encoding and a greatest size.
pub trait Message: Encode + Decode<()> {
    /// The longest encoding that is read or written.
    const MAX_BYTES: usize;
    /// Whether it may end in fields that are not known here.
    const OPEN_ENDED: bool;

    /// Its bytes.
    fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads it from all of `bytes`.
    ///
    /// # Errors
    /// Refuses anything but the one encoding of a message within its bounds, and what may follow it.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        if Self::OPEN_ENDED {
            return codec::decode_beginning(bytes, Self::MAX_BYTES).map(|(message, _)| message);
        }
        codec::decode(bytes, Self::MAX_BYTES)
    }
}

/// How long messages may be, and whether they may end in fields that are not known here.
macro_rules! messages {
    ($($message:ty, $max_bytes:expr, $open_ended:literal;)*) => {
        $(impl Message for $message {
            const MAX_BYTES: usize = $max_bytes;
            const OPEN_ENDED: bool = $open_ended;
        })*
    };
}

messages! {
    // More than it takes: later programs may say more.
    PeerStatus, 1024, true;
    CompactBlock, 160 << 10, false;
    TxBatch, 48 << 10, false;
    GetHeaders, 8 + MAX_LOCATOR * 32, true;
    Headers, 8 + MAX_HEADERS * HEADER_BYTES, true;
    GetBodies, 8 + MAX_BODIES * 32, true;
    Bodies, 4 << 20, true;
    GetBlockTxs, 32 + 8 + 4 * MAX_BLOCK_TRANSACTIONS, true;
    BlockTxs, 8 + MAX_BLOCK_BYTES, true;
    GetPool, 16 + 8 + 6 * MAX_POOL_WANTED + 8 + 8 * POOL_PARTS, true;
    PoolAnswer, 1 << 20, true;
    // More than it takes: later programs may say more.
    GetAddresses, 64, true;
    GetStateRun, 64, true;
    StateRuns, 8 + StateRun::MAX_BYTES, true;
    Addresses, 8 + MAX_ADDRESSES * (KEY_BYTES + 16 + 2 + 1), true;
}

/// `status/1`, question and answer alike: where a node stands.
///
/// Layout: `genesis_id 32 ‖ tip 32 ‖ height u64 ‖ total_work 32 ‖ now u64 ‖ lowest_body u64 ‖ count u64 ‖
/// (height u64 ‖ state_root 32)* ‖ rules_id 32 ‖ count u64 ‖ (height u64 ‖ length u64 ‖ name)* ‖ count u64 ‖
/// (from u64 ‖ to u64)*`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct PeerStatus {
    /// The network, in full: protocol names hold only its beginning.
    pub genesis_id: BlockId,
    /// The last connected block.
    pub tip: BlockId,
    /// Its height.
    pub height: Height,
    /// The work of its chain.
    pub total_work: Work,
    /// The node's clock.
    pub now: Timestamp,
    /// The lowest height whose body it keeps.
    pub lowest_body: Height,
    /// The snapshots it serves.
    pub snapshots: BoundedVec<SnapshotName, MAX_SNAPSHOTS>,
    /// What tells all upgrades it knows ([`Schedule::id`](cairn_ledger::upgrades::Schedule::id)).
    pub rules_id: Hash,
    /// The last of them that is in force after its tip, and the next.
    pub upgrades: BoundedVec<NamedUpgrade, MAX_UPGRADES>,
    /// The blocks below the lowest whose bodies it keeps, too.
    pub stretches: BoundedVec<StretchName, MAX_STRETCHES>,
}

/// Blocks that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct StretchName {
    /// The first.
    pub from: Height,
    /// The one after the last.
    pub to: Height,
}

impl StretchName {
    /// Whether a block is one of them.
    pub(crate) fn has(&self, height: Height) -> bool {
        (self.from..self.to).contains(&height)
    }
}

impl PeerStatus {
    /// Whose bodies it says it keeps: from the first of several to the one after the last.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (Height, Height)> {
        let stretches = self.stretches.iter().map(|stretch| (stretch.from, stretch.to));
        stretches.chain([(self.lowest_body, Height::new(u64::MAX))])
    }

    /// Whether it says that it keeps the body of a block.
    pub fn keeps(&self, height: Height) -> bool {
        height >= self.lowest_body || self.stretches.iter().any(|stretch| stretch.has(height))
    }
}

/// An upgrade, as a peer calls it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct NamedUpgrade {
    /// Its first block.
    pub height: Height,
    /// Its name; what a peer sends may be any bytes.
    pub name: BoundedBytes<MAX_UPGRADE_NAME>,
}

impl NamedUpgrade {
    /// As this node names an upgrade of its own.
    pub(crate) fn new(upgrade: &Upgrade) -> Self {
        let name = BoundedBytes::new(upgrade.name.as_bytes().to_vec());
        Self { height: upgrade.height, name: name.unwrap_or_default() }
    }

    /// Its name with nothing in it but what a name may have.
    pub(crate) fn inert_name(&self) -> String {
        let allowed = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        self.name.iter().filter(|byte| allowed(byte)).map(|byte| char::from(*byte)).collect()
    }
}

/// Which snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct SnapshotName {
    /// The block after which the accounts were so.
    pub height: Height,
    /// The root over them.
    pub state_root: Hash,
}

/// The `blocks/1` topic: a block without the transactions that its receivers already have.
///
/// Layout: `header 190 ‖ count u64 ‖ (short id 6)* ‖ count u64 ‖ (place u32 ‖ transaction)*`. The short ids
/// are those of the transactions that are not prefilled, in block order; the places rise.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct CompactBlock {
    /// The header.
    pub header: Header,
    /// What stands for the transactions that are left out.
    pub short_ids: BoundedVec<ShortId, MAX_BLOCK_TRANSACTIONS>,
    /// Transactions that receivers are not expected to have.
    pub prefilled: BoundedVec<Prefilled, MAX_PREFILLED>,
}

/// The first six bytes, little-endian, of SipHash-2-4 of a transaction's id.
pub type ShortId = [u8; 6];

/// A transaction in its place in a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct Prefilled {
    /// Its place, counted from 0.
    pub place: u32,
    /// The transaction.
    pub transaction: Transaction,
}

/// The `txs/1` topic: transactions that wait for a block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct TxBatch {
    /// The transactions.
    pub transactions: BoundedVec<Transaction, MAX_BATCH>,
}

/// `headers/1`: what comes after the first of these ids that is on the asked node's chain?
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct GetHeaders {
    /// From the asker's tip down: ten in a row, then doubling steps, the genesis last.
    pub locator: BoundedVec<BlockId, MAX_LOCATOR>,
}

/// The answer of `headers/1`: consecutive headers, the lowest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct Headers {
    /// The headers.
    pub headers: BoundedVec<Header, MAX_HEADERS>,
}

/// `bodies/1`: the transactions of these blocks, please.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct GetBodies {
    /// The blocks.
    pub ids: BoundedVec<BlockId, MAX_BODIES>,
}

/// The answer of `bodies/1`: the bodies of a prefix of the blocks asked for, in their order. It ends at
/// the first that the node does not have, or with the last that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct Bodies {
    /// The bodies.
    pub bodies: BoundedVec<Body, MAX_BODIES>,
}

/// `block-txs/1`: the transactions at these places of a block, please: those that its compact form lacked here.
///
/// Layout: `id 32 ‖ count u64 ‖ (place u32)*`; the places rise.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct GetBlockTxs {
    /// The block.
    pub id: BlockId,
    /// Places in it, counted from 0.
    pub places: BoundedVec<u32, MAX_BLOCK_TRANSACTIONS>,
}

/// The answer of `block-txs/1`: the transactions at all those places, in their order; none when the node does not
/// have them all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct BlockTxs {
    /// The transactions.
    pub transactions: Body,
}

/// `pool/1`: without short ids, which transactions wait with you? With some: these of them, please.
///
/// Layout: `key 16 ‖ count u64 ‖ (short id 6)* ‖ count u64 ‖ (sum u64)*`; there are [`POOL_PARTS`] sums, or none.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct GetPool {
    /// What short ids are keyed with: the asker draws it.
    pub key: [u8; 16],
    /// What is wanted, in the order in which it was listed.
    pub wanted: BoundedVec<ShortId, MAX_POOL_WANTED>,
    /// The asker's own pool, in parts: of each the exclusive or of the SipHash-2-4 of its ids whose first byte is the
    /// part's number. What is in parts that are the same is not listed.
    pub sums: BoundedVec<u64, POOL_PARTS>,
}

impl GetPool {
    /// Which of what waits with you is in parts whose sums are others than these?
    pub(crate) fn list(key: [u8; 16], sums: &[u64; POOL_PARTS]) -> Self {
        Self { key, wanted: BoundedVec::default(), sums: BoundedVec::new(sums.to_vec()).unwrap_or_default() }
    }

    /// These, please; no more than may be asked for.
    pub(crate) fn some(key: [u8; 16], wanted: Vec<ShortId>) -> Self {
        Self { key, wanted: BoundedVec::new(wanted).unwrap_or_default(), sums: BoundedVec::default() }
    }
}

/// The answer of `pool/1`. To a question without short ids: those of what can be mined now and is in parts that differ,
/// the best paying first and each sender's in order of nonce. To one with some: of those transactions, the ones that
/// still wait, in the order in which they were named, as many as fit.
///
/// Layout: `count u64 ‖ (short id 6)* ‖ count u64 ‖ transaction* ‖ count u64 ‖ (part u8)*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct PoolAnswer {
    /// The list.
    pub short_ids: BoundedVec<ShortId, MAX_POOL_IDS>,
    /// The transactions.
    pub transactions: BoundedVec<Transaction, MAX_POOL_TXS>,
    /// The parts whose sums were others than the asker's, of which all is in the list.
    pub different: BoundedVec<u8, POOL_PARTS>,
}

/// `snapshot/1`: this run of leaves of the accounts under this root, please.
///
/// Layout: `state_root 32 ‖ number u64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct GetStateRun {
    /// The root over the accounts.
    pub state_root: Hash,
    /// Which run, counted from 0.
    pub number: u64,
}

/// The answer of `snapshot/1`: the run; nothing where the node does not hold it, or not any more.
///
/// Layout: `count u64 ‖ (accounts u64 ‖ number u64 ‖ count u64 ‖ leaf 80* ‖ count u64 ‖ (sibling 32)*)*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct StateRuns {
    /// The run, which proves itself against the root.
    pub runs: BoundedVec<StateRun, 1>,
}

/// `addresses/1`: whom do you know?
///
/// Layout: `max u16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct GetAddresses {
    /// The most addresses that are wanted.
    pub max: u16,
}

/// The answer of `addresses/1`: places at which the answering node has lately found nodes of this network.
///
/// Layout: `count u64 ‖ (key 32 ‖ ip 16 ‖ port u16 ‖ quic u8)*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct Addresses {
    /// The places.
    pub addresses: BoundedVec<PeerAddress, MAX_ADDRESSES>,
}

/// Where a node is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[bincode(crate = "cairn_ledger::codec::bincode")]
pub struct PeerAddress {
    /// Its Ed25519 key: its identity.
    pub key: [u8; KEY_BYTES],
    /// Its IPv6 address; an IPv4 address is mapped (RFC 4291, 2.5.5.2).
    pub ip: [u8; 16],
    /// Its port.
    pub port: u16,
    /// Whether it is reached there by QUIC rather than TCP.
    pub quic: bool,
}

/// The id of a gossiped message: the first 20 bytes of SHA-256 of its data, so that nobody can make two
/// messages share one.
pub fn gossip_id(data: &[u8]) -> [u8; 20] {
    let digest = cairn_ledger::hash::sha256(&[data]);
    let mut id = [0; 20];
    id.copy_from_slice(&digest.as_bytes()[..20]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::accounts::{Account, Leaf, RUN_LEAVES};
    use cairn_ledger::testing::{arbitrary_hash, easy_network, key, payment};
    use cairn_ledger::units::Amount;

    fn id(n: u64) -> BlockId {
        BlockId::from_bytes(*arbitrary_hash(n).as_bytes())
    }

    fn transaction(nonce: u64) -> Transaction {
        payment(&easy_network(), &key(1), nonce, key(2).address(), 5, 185)
    }

    fn list<T, const MAX: usize>(elements: Vec<T>) -> BoundedVec<T, MAX> {
        BoundedVec::new(elements).unwrap_or_else(|error| panic!("a short list: {error}"))
    }

    fn upgrade(height: u64, name: &[u8]) -> NamedUpgrade {
        let name = BoundedBytes::new(name.to_vec()).unwrap_or_else(|error| panic!("a short name: {error}"));
        NamedUpgrade { height: Height::new(height), name }
    }

    fn status() -> PeerStatus {
        PeerStatus {
            genesis_id: id(1),
            tip: id(2),
            height: Height::new(3),
            total_work: Work::from_u64(4),
            now: Timestamp::from_millis(5),
            lowest_body: Height::new(6),
            snapshots: list(vec![SnapshotName { height: Height::new(7), state_root: arbitrary_hash(8) }]),
            rules_id: arbitrary_hash(9),
            upgrades: list(vec![upgrade(10, b"cheap"), upgrade(11, b"")]),
            stretches: list(vec![StretchName { from: Height::new(12), to: Height::new(13) }]),
        }
    }

    fn place(port: u16, quic: bool) -> PeerAddress {
        let ip = std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().octets();
        PeerAddress { key: *arbitrary_hash(9).as_bytes(), ip, port, quic }
    }

    fn compact() -> CompactBlock {
        CompactBlock {
            header: easy_network().genesis().clone(),
            short_ids: list(vec![[1, 2, 3, 4, 5, 6], [7; 6]]),
            prefilled: list(vec![Prefilled { place: 1, transaction: transaction(0) }]),
        }
    }

    fn get_pool() -> GetPool {
        GetPool { key: [9; 16], wanted: list(vec![[1, 2, 3, 4, 5, 6], [7; 6]]), sums: list(vec![1, 2]) }
    }

    fn pool_answer() -> PoolAnswer {
        PoolAnswer {
            short_ids: list(vec![[7; 6]]),
            transactions: list(vec![transaction(0)]),
            different: list(vec![7, 8]),
        }
    }

    /// A run of so many leaves and siblings.
    fn run(leaves: usize, siblings: usize) -> StateRun {
        let account = Account { balance: Amount::ZERO, nonce: 4 };
        let leaf = Leaf { address: key(1).address(), next: key(2).address(), account };
        StateRun {
            count: 4_098,
            number: 1,
            leaves: list(vec![leaf; leaves]),
            siblings: list(vec![arbitrary_hash(14); siblings]),
        }
    }

    /// Checks that a message is read as it is written, refused when it is cut, and that more after it is left alone
    /// unless it is gossiped; gives its line.
    fn golden<M: Message + PartialEq + std::fmt::Debug>(name: &str, message: &M) -> String {
        let bytes = message.to_bytes();
        assert_eq!(M::from_bytes(&bytes).as_ref(), Ok(message));
        for cut in 0..bytes.len() {
            assert!(M::from_bytes(&bytes[..cut]).is_err(), "{name} cut to {cut}");
        }
        let longer = M::from_bytes(&[bytes.as_slice(), &[0]].concat());
        assert_eq!(longer.as_ref().ok(), M::OPEN_ENDED.then_some(message), "{name} with a byte more");
        format!("{name} {}\n", hex::encode(bytes))
    }

    #[test]
    fn every_message_has_its_golden_bytes() {
        let bodies = vec![Body::default(), list(vec![transaction(0)])];
        let lines = [
            golden("status", &status()),
            golden("compact_block", &compact()),
            golden("tx_batch", &TxBatch { transactions: list(vec![transaction(0), transaction(1)]) }),
            golden("get_headers", &GetHeaders { locator: list(vec![id(1), id(2)]) }),
            golden("headers", &Headers { headers: list(vec![easy_network().genesis().clone()]) }),
            golden("get_bodies", &GetBodies { ids: list(vec![id(1)]) }),
            golden("bodies", &Bodies { bodies: list(bodies) }),
            golden("get_block_txs", &GetBlockTxs { id: id(1), places: list(vec![0, 7]) }),
            golden("block_txs", &BlockTxs { transactions: list(vec![transaction(0), transaction(1)]) }),
            golden("get_pool", &get_pool()),
            golden("pool_answer", &pool_answer()),
            golden("get_state_run", &GetStateRun { state_root: arbitrary_hash(12), number: 13 }),
            golden("state_runs", &StateRuns { runs: list(vec![run(1, 2)]) }),
            golden("get_addresses", &GetAddresses { max: 64 }),
            golden("addresses", &Addresses { addresses: list(vec![place(9740, false), place(9741, true)]) }),
        ];
        assert_eq!(lines.concat(), include_str!("wire.golden"), "\n{}", lines.concat());
    }

    #[test]
    fn length_bombs_are_refused_before_allocation() {
        let bomb = (1_u64 << 60).to_le_bytes();
        assert_eq!(TxBatch::from_bytes(&bomb), Err(DecodeError::TooMany));
        assert_eq!(GetHeaders::from_bytes(&bomb), Err(DecodeError::TooMany));
        assert_eq!(Headers::from_bytes(&bomb), Err(DecodeError::TooMany));
        assert_eq!(GetBodies::from_bytes(&bomb), Err(DecodeError::TooMany));
        assert_eq!(Bodies::from_bytes(&bomb), Err(DecodeError::TooMany));
        assert_eq!(Addresses::from_bytes(&bomb), Err(DecodeError::TooMany));
        assert_eq!(BlockTxs::from_bytes(&bomb), Err(DecodeError::TooMany));
        assert_eq!(PoolAnswer::from_bytes(&bomb), Err(DecodeError::TooMany));
        assert_eq!(StateRuns::from_bytes(&bomb), Err(DecodeError::TooMany));
        // One run that claims more leaves than a run has.
        assert_eq!(
            StateRuns::from_bytes(&[&1_u64.to_le_bytes()[..], &[0; 16], &bomb].concat()),
            Err(DecodeError::TooMany)
        );
        assert_eq!(GetBlockTxs::from_bytes(&[&[0; 32][..], &bomb].concat()), Err(DecodeError::TooMany));
        assert_eq!(GetPool::from_bytes(&[&[0; 16][..], &bomb].concat()), Err(DecodeError::TooMany));
        assert_eq!(PoolAnswer::from_bytes(&[&[0; 8][..], &bomb].concat()), Err(DecodeError::TooMany));
        // One body that claims more transactions than a block can have.
        assert_eq!(Bodies::from_bytes(&[1_u64.to_le_bytes(), bomb].concat()), Err(DecodeError::TooMany));
        let mut compact = easy_network().genesis().clone().to_vec();
        compact.extend(bomb);
        assert_eq!(CompactBlock::from_bytes(&compact), Err(DecodeError::TooMany));
        let mut status = status().to_bytes();
        status.truncate(120);
        status.extend(bomb);
        assert_eq!(PeerStatus::from_bytes(&status), Err(DecodeError::TooMany));
    }

    /// A peer of newer rules once counted as one that sends what is no message.
    #[test]
    fn a_status_with_fields_of_a_later_program_is_read() {
        let later = [status().to_bytes(), vec![7; 200]].concat();
        assert_eq!(PeerStatus::from_bytes(&later), Ok(status()));
        let bomb = [status().to_bytes(), vec![7; PeerStatus::MAX_BYTES]].concat();
        assert!(matches!(PeerStatus::from_bytes(&bomb), Err(DecodeError::TooLong { .. })));
        assert!(CompactBlock::from_bytes(&[compact().to_bytes(), vec![7]].concat()).is_err(), "gossip has one form");
    }

    #[test]
    fn names_of_upgrades_are_shown_inert() {
        assert_eq!(upgrade(1, b"cheap-2").inert_name(), "cheap-2");
        assert_eq!(upgrade(1, b"\x1b[2Jch<eap>\xff").inert_name(), "2cheap");
    }

    #[test]
    fn what_is_too_long_is_refused_unread() {
        let long = vec![0; Bodies::MAX_BYTES + 1];
        let refused = Err(DecodeError::TooLong { got: long.len(), max: Bodies::MAX_BYTES });
        assert_eq!(Bodies::from_bytes(&long), refused);
    }

    #[test]
    fn the_largest_messages_fit_their_bounds() {
        let headers = Headers { headers: list(vec![easy_network().genesis().clone(); MAX_HEADERS]) };
        assert_eq!(headers.to_bytes().len(), Headers::MAX_BYTES);
        let ids = GetBodies { ids: list(vec![id(0); MAX_BODIES]) };
        assert_eq!(ids.to_bytes().len(), GetBodies::MAX_BYTES);
        let locator = GetHeaders { locator: list(vec![id(0); MAX_LOCATOR]) };
        assert_eq!(locator.to_bytes().len(), GetHeaders::MAX_BYTES);
        let places = GetBlockTxs { id: id(1), places: list(vec![0; MAX_BLOCK_TRANSACTIONS]) };
        assert_eq!(places.to_bytes().len(), GetBlockTxs::MAX_BYTES);
        let (wanted, sums) = (list(vec![[0; 6]; MAX_POOL_WANTED]), list(vec![0; POOL_PARTS]));
        let wanted = GetPool { key: [0; 16], wanted, sums };
        assert_eq!(wanted.to_bytes().len(), GetPool::MAX_BYTES);
        let pool = PoolAnswer { short_ids: list(vec![[0; 6]; MAX_POOL_IDS]), ..PoolAnswer::default() };
        assert!(pool.to_bytes().len() <= PoolAnswer::MAX_BYTES);
        let runs = StateRuns { runs: list(vec![run(RUN_LEAVES, 52)]) };
        assert_eq!(runs.to_bytes().len(), StateRuns::MAX_BYTES);
        let addresses = Addresses { addresses: list(vec![place(1, false); MAX_ADDRESSES]) };
        assert_eq!(addresses.to_bytes().len(), Addresses::MAX_BYTES);
    }

    trait ToVec {
        fn to_vec(&self) -> Vec<u8>;
    }

    impl ToVec for Header {
        fn to_vec(&self) -> Vec<u8> {
            codec::encode(self)
        }
    }
}
