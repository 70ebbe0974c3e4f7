//! A chain in the hands of a stranger: real blocks as far as it likes, then headers whose work and links are right
//! and whose blocks nobody could connect. All are made as honest miners make theirs, on a network whose targets are
//! easy; what they cost is what the network's rules demand.

use crate::node::Node;
use cairn_ledger::accounts::Leaf;
use cairn_ledger::block::{Block, Body, Header};
use cairn_ledger::pow::search::{CHUNK, Search};
use cairn_ledger::testing::{self, MemoryState, genesis_state, key};
use cairn_ledger::validate::{ChainContext, check_header, check_work};
use cairn_ledger::{
    chain_spec::ChainSpec, hash::BlockId, light::BareHeader, merkle::txs_root, pow::Work, transaction::Transaction,
    units::Amount, units::Timestamp,
};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Whatever the time, the stranger does not mind.
const END_OF_TIME: Timestamp = Timestamp::from_millis(u64::MAX);

/// A block of it.
#[derive(Clone, Debug)]
struct Link {
    id: BlockId,
    block: Block,
    /// Whether it follows every rule; otherwise those for headers alone.
    executed: bool,
}

/// The chain.
#[derive(Clone)]
pub struct Chain {
    spec: ChainSpec,
    tip: ChainContext,
    /// The accounts after the tip; none above a block that was never executed.
    state: Option<MemoryState>,
    /// From block 0 up.
    links: Vec<Link>,
    heights: HashMap<BlockId, usize>,
}

impl Chain {
    /// Block 0.
    pub fn new(spec: &ChainSpec) -> Self {
        let (tip, genesis) = (ChainContext::genesis(spec), spec.genesis().clone());
        let link = Link { id: tip.id(), block: Block { header: genesis, body: Body::default() }, executed: true };
        let heights = HashMap::from([(link.id, 0)]);
        Self { spec: spec.clone(), tip, state: Some(genesis_state(spec)), links: vec![link], heights }
    }

    /// The chain of a node, by asking for its blocks.
    ///
    /// # Panics
    /// The node does not answer, or its chain breaks a rule.
    pub async fn of(node: &Node, spec: &ChainSpec) -> Self {
        Self::new(spec).led_by(node).await
    }

    /// What a node follows now, by asking for the blocks that this chain lacks.
    ///
    /// # Panics
    /// The node does not answer, or its chain breaks a rule.
    pub async fn led_by(self, node: &Node) -> Self {
        let (mut blocks, mut at) = (Vec::new(), node.info().await.tip.0);
        while !self.heights.contains_key(&at) {
            let block = node.block(at).await;
            at = block.header.parent;
            blocks.push(block);
        }
        let height = self.header_of(&at).height.get();
        let mut chain = if height == self.height() { self } else { self.fork(height) };
        blocks.into_iter().rev().for_each(|block| chain.connect(block));
        chain
    }

    /// The chain in files of blocks, one after the other.
    ///
    /// # Errors
    /// A file cannot be read, or is none of blocks.
    ///
    /// # Panics
    /// A block breaks a rule.
    pub fn read(spec: &ChainSpec, files: &[&Path]) -> io::Result<Self> {
        let mut chain = Self::new(spec);
        for path in files {
            let mut file = BufReader::new(File::open(path)?);
            // What it is, its version and the network's.
            let (mut head, mut length) = ([0; 44], [0; 4]);
            file.read_exact(&mut head)?;
            while !file.fill_buf()?.is_empty() {
                file.read_exact(&mut length)?;
                let mut bytes = Vec::new();
                file.by_ref().take(u64::from(u32::from_le_bytes(length))).read_to_end(&mut bytes)?;
                chain.connect(Block::from_bytes(&bytes).map_err(io::Error::other)?);
            }
        }
        Ok(chain)
    }

    fn header_of(&self, id: &BlockId) -> &Header {
        &self.links[self.heights[id]].block.header
    }

    /// Its last block.
    pub fn tip(&self) -> BlockId {
        self.tip.id()
    }

    /// The height of the last block.
    pub fn height(&self) -> u64 {
        self.tip.header().height.get()
    }

    /// Its work.
    pub fn total_work(&self) -> Work {
        self.tip.total_work()
    }

    /// The time of its last block.
    pub fn time(&self) -> Timestamp {
        self.tip.header().time
    }

    /// The rules.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// Whether a block is on it.
    pub fn contains(&self, id: &BlockId) -> bool {
        self.heights.contains_key(id)
    }

    /// A copy that ends at this height.
    ///
    /// # Panics
    /// The chain is shorter.
    pub fn fork(&self, height: u64) -> Self {
        let mut fork = Self::new(&self.spec);
        let upto = usize::try_from(height).expect("a height that fits");
        for link in &self.links[1..=upto] {
            match link.executed {
                true => fork.connect(link.block.clone()),
                false => fork.push(link.block.clone()),
            }
        }
        fork
    }

    /// Makes a block `gap` milliseconds after the last, with these transactions, for key 0.
    ///
    /// # Panics
    /// A transaction is invalid, or a block below was never executed.
    pub fn mine(&mut self, gap: u64, transactions: Vec<Transaction>) {
        let time = self.time().saturating_add(gap);
        let state = self.state.as_ref().expect("blocks whose accounts are known");
        let block = testing::mine_at(&self.spec, &self.tip, state, transactions, time);
        self.connect(block);
    }

    /// Makes `count` empty blocks, each `gap` milliseconds after the one before.
    pub fn grow(&mut self, count: u64, gap: u64) {
        (0..count).for_each(|_| self.mine(gap, Vec::new()));
    }

    /// Makes a header `gap` milliseconds after the last, for the n-th test key, with the accounts of block 0: its
    /// work and its links are right, and its empty body belongs to it, but nobody could connect it.
    pub fn extend(&mut self, gap: u64, beneficiary: u64) {
        let (time, state_root) = (self.time().saturating_add(gap), self.spec.genesis().state_root);
        let beneficiary = key(beneficiary).address();
        let bare = BareHeader { time, beneficiary, txs_root: txs_root(&[]), state_root, nonce: 0 };
        let header = solved(bare.complete(&self.spec, &self.tip));
        self.push(Block { header, body: Body::default() });
    }

    /// Makes an empty block `gap` milliseconds after the last, after which the first test key has so much more than any
    /// rule gives it. What is mined above follows from those accounts.
    ///
    /// # Panics
    /// A block below was never executed, or the key has no account.
    pub fn forge(&mut self, gap: u64, amount: Amount) {
        let state = self.state.as_ref().expect("blocks whose accounts are known");
        let time = self.time().saturating_add(gap);
        let mut block = testing::mine_at(&self.spec, &self.tip, state, Vec::new(), time);
        let mut honest = state.clone();
        honest.follow(&self.spec, &self.tip, block.clone());
        let (mut leaves, rich) = (honest.leaves().to_vec(), key(1).address());
        let leaf = leaves.iter_mut().find(|leaf| leaf.address == rich).expect("an account");
        leaf.account.balance = leaf.account.balance.checked_add(amount).expect("less than there can be");
        let forged = MemoryState::from_leaves(leaves);
        block.header = solved(Header { state_root: forged.tree().state_root(), ..block.header });
        self.push(block);
        self.state = Some(forged);
    }

    /// The accounts after the last block, as they lie in the tree.
    ///
    /// # Panics
    /// A block below was never executed.
    pub fn leaves(&self) -> &[Leaf] {
        self.state.as_ref().expect("blocks whose accounts are known").leaves()
    }

    /// Adds a block that is linked and never executed.
    fn push(&mut self, block: Block) {
        let sealed = check_work(&self.spec, block.header.clone()).expect("valid work");
        let linked = check_header(&self.spec, &self.tip, sealed, END_OF_TIME).expect("a header that links");
        self.tip = self.tip.extend(&linked);
        self.state = None;
        self.keep(block, false);
    }

    /// Adds a valid block.
    ///
    /// # Panics
    /// It breaks a rule.
    pub fn connect(&mut self, block: Block) {
        let state = self.state.as_mut().expect("blocks whose accounts are known");
        self.tip = state.follow(&self.spec, &self.tip, block.clone());
        self.keep(block, true);
    }

    fn keep(&mut self, block: Block, executed: bool) {
        self.heights.insert(self.tip.id(), self.links.len());
        self.links.push(Link { id: self.tip.id(), block, executed });
    }

    /// A header by its height.
    ///
    /// # Panics
    /// The chain is shorter.
    pub fn header(&self, height: u64) -> &Header {
        &self.block(height).header
    }

    /// A block by its height.
    ///
    /// # Panics
    /// The chain is shorter.
    pub fn block(&self, height: u64) -> &Block {
        &self.links[usize::try_from(height).expect("a height that fits")].block
    }

    /// The body of a block.
    pub fn body(&self, id: &BlockId) -> Option<&Body> {
        Some(&self.links[*self.heights.get(id)?].block.body)
    }

    /// The place after the first of these ids that is on the chain; that of block 1 when none is.
    pub fn place_after(&self, locator: &[BlockId]) -> usize {
        locator.iter().find_map(|id| self.heights.get(id)).map_or(1, |height| height + 1)
    }

    /// At most so many headers from a place on.
    pub fn headers_from(&self, place: usize, most: usize) -> Vec<Header> {
        self.links.iter().skip(place).take(most).map(|link| link.block.header.clone()).collect()
    }
}

/// Finds a nonce for a header, as fast as miners do.
fn solved(mut header: Header) -> Header {
    let search = Search::new(header.seal(), header.target.decode().expect("a target"));
    let mut chunks = (0..).step_by(CHUNK as usize);
    header.nonce = chunks.find_map(|first| search.in_chunk(first)).expect("some nonce meets the target");
    header
}
