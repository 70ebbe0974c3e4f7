//! A chain in memory that takes blocks through every check, as a node does.

use cairn_ledger::block::{Block, Body, Header};
use cairn_ledger::chain_spec::{ChainParams, ChainSpec};
use cairn_ledger::codec::{BoundedBytes, BoundedVec};
use cairn_ledger::error::{BlockError, HeaderError};
use cairn_ledger::keys::{Address, SecretKey};
use cairn_ledger::testing::{self, MemoryState};
use cairn_ledger::transaction::{Output, TRANSACTION_VERSION, Transaction, TransactionBody};
use cairn_ledger::units::{Amount, Height};
use cairn_ledger::validate::{
    ChainContext, CheckedBlock, ConnectError, ConnectedBlock, LinkedHeader, check_header, check_work, connect_block,
    touched_addresses,
};
use cairn_ledger::{accounts::UndoRecord, merkle::txs_root};
use proptest::test_runner::{Config as ProptestConfig, RngSeed};

/// So many cases, the same on every run; `PROPTEST_RNG_SEED=<number>` looks at others.
pub fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0xca12),
        fixed => fixed,
    };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..default }
}

/// One chain: its network, the block to build on, and all accounts after that block.
#[derive(Clone)]
pub struct Chain {
    pub spec: ChainSpec,
    pub tip: ChainContext,
    pub state: MemoryState,
    /// The money that is gone.
    pub burned: u64,
}

impl Chain {
    pub fn new(spec: ChainSpec) -> Self {
        Self { tip: ChainContext::genesis(&spec), state: testing::genesis_state(&spec), burned: 0, spec }
    }

    pub fn easy() -> Self {
        Self::new(testing::easy_network())
    }

    /// The easy network with other parameters.
    pub fn with_params(change: impl FnOnce(&mut ChainParams)) -> Self {
        let mut params = testing::easy_params();
        change(&mut params);
        Self::new(ChainSpec::new(params).unwrap())
    }

    pub fn height(&self) -> Height {
        self.tip.header().height
    }

    /// A valid block on the tip.
    pub fn mine(&self, transactions: Vec<Transaction>) -> Block {
        testing::mine(&self.spec, &self.tip, &self.state, transactions)
    }

    /// Judges a header at the moment it names.
    pub fn link(&self, header: Header) -> Result<LinkedHeader, HeaderError> {
        let now = header.time;
        check_header(&self.spec, &self.tip, check_work(&self.spec, header)?, now)
    }

    /// Takes a block through all four levels; changes nothing.
    pub fn connect(&self, block: Block) -> Result<ConnectedBlock, BlockError> {
        let linked = self.link(block.header)?;
        let checked = CheckedBlock::check(&self.spec, linked, block.body)?;
        let touched = touched_addresses(&checked.header().header().beneficiary, checked.transactions());
        connect_block(&self.spec, checked, self.state.slice(&touched), self.state.tree()).map_err(|error| match error {
            ConnectError::Rule(error) => error,
            ConnectError::NotLoaded(error) => panic!("{error}"),
        })
    }

    /// Connects a valid block and makes it the tip.
    pub fn push(&mut self, block: Block) -> UndoRecord {
        let (block, change, update) = self.connect(block).unwrap().into_parts();
        self.tip = self.tip.extend(block.header());
        self.state.apply(&change, update);
        self.burned += change.burned.pebbles();
        change.undo()
    }

    /// What all accounts have and what was burned: allocations and subsidies.
    pub fn given_out(&self) -> u64 {
        self.state.total() + self.burned
    }

    /// Mines a block and makes it the tip.
    pub fn grow(&mut self, transactions: Vec<Transaction>) -> UndoRecord {
        self.push(self.mine(transactions))
    }

    /// A payment of one output from test key `from`, with its next nonce.
    pub fn pay(&self, from: u64, to: Address, amount: u64, fee: u64) -> Transaction {
        let key = testing::key(from);
        testing::payment(&self.spec, &key, self.state.nonce(&key.address()), to, amount, fee)
    }

    /// A transaction of test key `from` with its next nonce, changed before it is signed.
    pub fn signed(&self, from: u64, change: impl FnOnce(&mut TransactionBody)) -> Transaction {
        let key = testing::key(from);
        let mut body = body(&key, self.state.nonce(&key.address()), &[(address(50), 1_000)]);
        change(&mut body);
        body.sign(&key, &self.spec.genesis_id(), &[7; 32])
    }
}

/// A body without fee, limit or memo, which may create accounts.
pub fn body(key: &SecretKey, nonce: u64, outputs: &[(Address, u64)]) -> TransactionBody {
    TransactionBody {
        version: TRANSACTION_VERSION,
        sender: key.address(),
        nonce,
        fee: Amount::ZERO,
        max_price: Amount::MAX,
        valid_until: Height::GENESIS,
        outputs: to_outputs(outputs),
        memo: BoundedBytes::default(),
    }
}

pub fn to_outputs<const MAX: usize>(outputs: &[(Address, u64)]) -> BoundedVec<Output, MAX> {
    let outputs = outputs.iter().map(|(to, amount)| Output { to: *to, amount: testing::pebbles(*amount) });
    BoundedVec::new(outputs.collect()).unwrap()
}

/// The address of test key `n`; keys 0 to 9 have money on the easy network.
pub fn address(n: u64) -> Address {
    testing::key(n).address()
}

/// An address that is nobody's: consensus takes any bytes.
pub fn nobody(n: u64) -> Address {
    Address::from_bytes(*testing::arbitrary_hash(n).as_bytes())
}

/// The block with other transactions, its header committing to them and mined again. The state root stays
/// as it was.
pub fn with_body(block: &Block, transactions: Vec<Transaction>) -> Block {
    let body = Body::new(transactions).unwrap();
    let txids: Vec<_> = body.iter().map(Transaction::id).collect();
    Block { header: resealed(&block.header, |header| header.txs_root = txs_root(&txids)), body }
}

/// The header, changed and mined again.
pub fn resealed(header: &Header, change: impl FnOnce(&mut Header)) -> Header {
    let mut header = header.clone();
    change(&mut header);
    testing::seal(header)
}

/// The header, changed by an attacker who does not pay for its work.
pub fn altered(header: &Header, change: impl FnOnce(&mut Header)) -> Header {
    let mut header = header.clone();
    change(&mut header);
    header
}
