//! Keys, networks, states and blocks for the tests of this and of other crates. The rules are the real
//! ones; only the numbers are easy.

use crate::accounts::{AccountSlice, AccountTree, Leaf, StateChange, TreeUpdate, UndoRecord};
use crate::block::{Block, Body, Header};
use crate::chain_spec::{ChainParams, ChainSpec};
use crate::codec::{BoundedBytes, BoundedVec};
use crate::keys::{Address, SecretKey};
use crate::transaction::{Output, TRANSACTION_VERSION, Transaction, TransactionBody};
use crate::units::{Amount, Height, Timestamp};
use crate::validate::{
    ChainContext, CheckedBlock, CheckedTransaction, Execution, check_header, check_transactions, check_work,
    connect_block, touched_addresses,
};
use crate::{address::AddressPrefix, hash::Hash, light::BareHeader, merkle::txs_root, pow::CompactTarget};
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

mod headers;

pub use headers::HeaderChain;

/// The n-th test key.
pub fn key(n: u64) -> SecretKey {
    let seed = crate::hash::sha256(&[b"test key", &n.to_le_bytes()]);
    SecretKey::from_bytes(seed.as_bytes()).expect("a hash is a key, almost surely")
}

/// Whole pebbles.
pub fn pebbles(count: u64) -> Amount {
    Amount::from_pebbles(count).expect("a small number")
}

/// The parameters of [`easy_network`]: local's, with the easiest target there is, and 10^12 pebbles for
/// each of the keys 0 to 9.
pub fn easy_params() -> ChainParams {
    let mut allocations: Vec<_> = (0..10).map(|n| (key(n).address(), pebbles(1_000_000_000_000))).collect();
    allocations.sort();
    ChainParams {
        name: String::from("easy"),
        prefix: AddressPrefix::new("ecrn").expect("a prefix"),
        interval_ms: 2_000,
        half_life_ms: 20_000,
        max_future_ms: 5_000,
        max_block_bytes: 2 << 20,
        max_new_accounts: 16_384,
        account_price: pebbles(1_000),
        subsidy: pebbles(5_000_000_000),
        halving: 100_000,
        genesis_time: Timestamp::from_millis(1_700_000_000_000),
        pow_limit: CompactTarget::from_bits(0x207f_ffff),
        genesis_target: CompactTarget::from_bits(0x207f_ffff),
        allocations,
    }
}

/// The file of a network with these parameters, as the files in `genesis/` are. Its ports are never used: every node of
/// a test is told its own.
pub fn network_file(params: &ChainParams, local: bool) -> String {
    let ChainParams { name, prefix, interval_ms, half_life_ms, max_future_ms, .. } = params;
    let ChainParams { max_block_bytes, max_new_accounts, account_price, subsidy, halving, .. } = params;
    let ChainParams { genesis_time, pow_limit, genesis_target, allocations, .. } = params;
    let mut text = format!(
        "name = \"{name}\"\nprefix = \"{prefix}\"\ninterval_ms = {interval_ms}\nhalf_life_ms = {half_life_ms}\n\
         max_future_ms = {max_future_ms}\nmax_block_bytes = {max_block_bytes}\nmax_new_accounts = {max_new_accounts}\n\
         account_price = \"{account_price}\"\nsubsidy = \"{subsidy}\"\nhalving = {halving}\n\
         genesis_time = {genesis_time}\npow_limit = \"{pow_limit}\"\ngenesis_target = \"{genesis_target}\"\n"
    );
    for (address, amount) in allocations {
        let address = prefix.encode(address);
        text += &format!("[[allocations]]\naddress = \"{address}\"\namount = \"{amount}\"\n");
    }
    text + &format!("[defaults]\np2p_port = 1\nrpc_port = 2\nboot_nodes = []\nlocal = {local}\n")
}

/// A network on which a block takes two attempts.
pub fn easy_network() -> ChainSpec {
    ChainSpec::new(easy_params()).expect("valid parameters")
}

/// A signed payment of one output, which may cost the price of an account.
pub fn payment(spec: &ChainSpec, from: &SecretKey, nonce: u64, to: Address, amount: u64, fee: u64) -> Transaction {
    let body = TransactionBody {
        version: TRANSACTION_VERSION,
        sender: from.address(),
        nonce,
        fee: pebbles(fee),
        max_price: spec.rules_at(Height::GENESIS).account_price,
        valid_until: Height::GENESIS,
        outputs: BoundedVec::new(alloc::vec![Output { to, amount: pebbles(amount) }]).expect("one output"),
        memo: BoundedBytes::default(),
    };
    body.sign(from, &spec.genesis_id(), &[7; 32])
}

/// Checks transactions that must be valid.
pub fn checked(spec: &ChainSpec, transactions: Vec<Transaction>) -> Vec<CheckedTransaction> {
    check_transactions(&spec.genesis_id(), transactions).expect("valid transactions")
}

/// All accounts in memory: the plainest thing that can serve slices.
#[derive(Clone, Debug)]
pub struct MemoryState {
    leaves: Vec<Leaf>,
    index: BTreeMap<Address, u64>,
    tree: AccountTree,
}

/// The state after block 0.
pub fn genesis_state(spec: &ChainSpec) -> MemoryState {
    MemoryState::from_leaves(spec.genesis_leaves().to_vec())
}

impl MemoryState {
    /// A state with these leaves, in order.
    pub fn from_leaves(leaves: Vec<Leaf>) -> Self {
        let index = leaves.iter().zip(0..).map(|(leaf, index)| (leaf.address, index)).collect();
        let tree = AccountTree::from_leaf_hashes(&Leaf::hash_each(&leaves));
        Self { leaves, index, tree }
    }

    /// The leaves in order of creation.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// The hashes.
    pub fn tree(&self) -> &AccountTree {
        &self.tree
    }

    /// What `address` has; nothing where it has no account.
    pub fn balance(&self, address: &Address) -> Amount {
        self.index.get(address).map_or(Amount::ZERO, |index| self.leaves[*index as usize].account.balance)
    }

    /// The nonce of `address`'s next transaction.
    pub fn nonce(&self, address: &Address) -> u64 {
        self.index.get(address).map_or(0, |index| self.leaves[*index as usize].account.nonce)
    }

    /// The sum of all balances in pebbles.
    pub fn total(&self) -> u64 {
        self.leaves.iter().map(|leaf| leaf.account.balance.pebbles()).sum()
    }

    /// The leaf of each address, or the one below it.
    pub fn slice<'a>(&self, addresses: impl IntoIterator<Item = &'a Address>) -> AccountSlice {
        let leaves = addresses.into_iter().map(|address| {
            let (_, index) = self.index.range(..=*address).next_back().expect("the sentinel is below all");
            (*index, self.leaves[*index as usize])
        });
        AccountSlice::load(self.leaves.len() as u64, leaves.collect())
    }

    /// What a block's changes make of the hashes.
    pub fn update(&self, change: &StateChange) -> TreeUpdate {
        self.tree.update(change.count, &change.leaf_hashes()).expect("all is loaded")
    }

    /// Makes a block's changes.
    pub fn apply(&mut self, change: &StateChange, update: TreeUpdate) {
        for leaf in &change.leaves {
            self.leaves.resize(self.leaves.len().max(leaf.index as usize + 1), Leaf::SENTINEL);
            self.leaves[leaf.index as usize] = leaf.new;
            self.index.insert(leaf.new.address, leaf.index);
        }
        self.tree.apply(update);
    }

    /// Takes the valid block after `parent` through every check, whatever its time, and makes its changes; gives it as
    /// the parent of others.
    pub fn follow(&mut self, spec: &ChainSpec, parent: &ChainContext, block: Block) -> ChainContext {
        let sealed = check_work(spec, block.header).expect("valid work");
        let linked = check_header(spec, parent, sealed, Timestamp::from_millis(u64::MAX)).expect("a header that links");
        let child = parent.extend(&linked);
        let checked = CheckedBlock::check(spec, linked, block.body).expect("a body that checks");
        let slice = self.slice(checked.touched());
        let connected = connect_block(spec, checked, slice, &self.tree).expect("a block that connects");
        let (_, change, update) = connected.into_parts();
        self.apply(&change, update);
        child
    }

    /// Takes a block's changes back.
    pub fn undo(&mut self, record: &UndoRecord) {
        let update = self.tree.update(record.count, &record.leaf_hashes());
        self.tree.apply(update.expect("all is loaded"));
        for leaf in self.leaves.drain(record.count as usize..) {
            self.index.remove(&leaf.address);
        }
        for (index, leaf) in record.leaves.iter() {
            self.leaves[*index as usize] = *leaf;
        }
    }
}

/// Mines the block after `parent` with these transactions, one interval later, for key 0.
pub fn mine(spec: &ChainSpec, parent: &ChainContext, state: &MemoryState, transactions: Vec<Transaction>) -> Block {
    let time = parent.header().time.saturating_add(spec.params().interval_ms);
    mine_at(spec, parent, state, transactions, time)
}

/// Mines the block after `parent` with these transactions at the moment `time`, for key 0.
pub fn mine_at(
    spec: &ChainSpec,
    parent: &ChainContext,
    state: &MemoryState,
    transactions: Vec<Transaction>,
    time: Timestamp,
) -> Block {
    mine_for(spec, parent, state, transactions, key(0).address(), time)
}

/// Mines the block after `parent` with these transactions for `beneficiary`, at the moment `time`.
pub fn mine_for(
    spec: &ChainSpec,
    parent: &ChainContext,
    state: &MemoryState,
    transactions: Vec<Transaction>,
    beneficiary: Address,
    time: Timestamp,
) -> Block {
    let height = parent.header().height.next().expect("a low height");
    let all = checked(spec, transactions.clone());
    let mut execution = Execution::new(spec, height, state.slice(&touched_addresses(&beneficiary, &all)));
    for transaction in &all {
        execution.apply(transaction).expect("a transaction that fits the accounts");
    }
    let change = execution.finish(&beneficiary).expect("a reward that fits");
    let txs_root = txs_root(&all.iter().map(CheckedTransaction::txid).collect::<Vec<_>>());
    let state_root = state.update(&change).state_root();
    let bare = BareHeader { time, beneficiary, txs_root, state_root, nonce: 0 };
    Block { header: seal(bare.complete(spec, parent)), body: Body::new(transactions).expect("few transactions") }
}

impl CheckedBlock {
    /// The block.
    pub fn to_block(&self) -> Block {
        let body = self.transactions().iter().map(|checked| checked.transaction().clone()).collect();
        Block { header: self.header().header().clone(), body: Body::new(body).expect("as many as in a block") }
    }
}

/// Finds a nonce for a header.
pub fn seal(mut header: Header) -> Header {
    let (seal, target) = (header.seal(), header.target.decode().expect("a target"));
    header.nonce = (0..).find(|nonce| target.is_met_by(&seal.id(*nonce))).expect("some nonce meets the target");
    header
}

/// Thirty-two bytes that are nothing in particular.
pub fn arbitrary_hash(n: u64) -> Hash {
    crate::hash::sha256(&[b"arbitrary", &n.to_le_bytes()])
}
