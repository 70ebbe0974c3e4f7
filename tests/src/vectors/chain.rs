//! A chain that grows by what the ledger finds valid.

use super::{hex, hex_of, key, payments, payments::Drafts, rng::Rng, verdict};
use cairn_ledger::block::{Block, Body, Header};
use cairn_ledger::testing::{MemoryState, genesis_state, pebbles};
use cairn_ledger::validate::{
    ChainContext, CheckedBlock, ConnectError, ConnectedBlock, Execution, check_header, check_transactions, check_work,
    connect_block, touched_addresses,
};
use cairn_ledger::{
    accounts::UndoRecord, chain_spec::ChainSpec, error::BlockError, hash::Hash, keys::Address, light::BareHeader,
    merkle::txs_root, pow::CompactTarget, transaction::Transaction, units::Timestamp,
};

/// A target of more work than this is made easier by a long gap, so that blocks take a few attempts.
const HARDEST: u32 = 0x2001_0000;

/// The blocks up to a tip, and the state after it.
pub struct Chain {
    /// The rules.
    pub spec: ChainSpec,
    /// The block to build on.
    pub tip: ChainContext,
    /// The state after it.
    pub state: MemoryState,
    /// What leads back: each block's parent, and its record.
    past: Vec<(ChainContext, UndoRecord)>,
}

/// A block in the making.
pub struct Draft {
    /// Everything but nonce and roots is set.
    pub header: Header,
    /// In order.
    pub transactions: Vec<Transaction>,
}

impl Chain {
    /// Block 0.
    pub fn new(spec: ChainSpec) -> Self {
        Self { tip: ChainContext::genesis(&spec), state: genesis_state(&spec), past: Vec::new(), spec }
    }

    /// Whether an address has an account: one is created with money, and only its own transactions take that away.
    pub fn has_account(&self, address: &Address) -> bool {
        self.state.balance(address) > pebbles(0) || self.state.nonce(address) > 0
    }

    /// The address of an account; not the sentinel's, where there is another.
    pub fn some_account(&self, rng: &mut Rng) -> Address {
        let leaves = self.state.leaves();
        leaves[rng.index(leaves.len())].address
    }

    /// What the next block charges for an account.
    pub fn account_price(&self) -> u64 {
        self.spec.rules_at(self.next_height()).account_price.pebbles()
    }

    fn next_height(&self) -> cairn_ledger::units::Height {
        self.tip.header().height.next().expect("a low height")
    }

    /// A block after the tip that is mostly valid.
    pub fn draft(&self, rng: &mut Rng) -> Draft {
        let mut drafts = Drafts::default();
        let transactions = (0..rng.pick(&[0, 0, 1, 1, 2, 5])).map(|_| {
            let (sender, body) = drafts.payment(rng, self);
            payments::sign(self, sender, body)
        });
        let transactions = transactions.collect();
        let beneficiary = match rng.below(4) {
            0 => Address::from_bytes(rng.bytes()),
            1 => self.some_account(rng),
            n => key(n).address(),
        };
        let beneficiary = if beneficiary == Address::ZERO { key(0).address() } else { beneficiary };
        let (time, state_root) = (self.tip.header().time.saturating_add(self.gap(rng)), Hash::ZERO);
        let bare = BareHeader { time, beneficiary, txs_root: txs_root(&[]), state_root, nonce: 0 };
        let mut draft = Draft { header: bare.complete(&self.spec, &self.tip), transactions };
        self.commit(&mut draft);
        draft
    }

    fn gap(&self, rng: &mut Rng) -> u64 {
        let (interval, half_life) = (self.spec.params().interval_ms, self.spec.params().half_life_ms);
        let long = [half_life, half_life + 1, 3 * half_life];
        if self.tip.next_target(&self.spec).bits() < HARDEST {
            return rng.pick(&long);
        }
        match rng.below(8) {
            0 => 1,
            1 => rng.pick(&long),
            2 => 1 + rng.below(half_life),
            3 => interval.saturating_sub(1).max(1),
            4 => interval + 1,
            _ => 1 + rng.below(2 * interval),
        }
    }

    /// Sets both roots. Where the transactions cannot be executed the state's stays what it is.
    pub fn commit(&self, draft: &mut Draft) {
        let ids: Vec<_> = draft.transactions.iter().map(Transaction::id).collect();
        draft.header.txs_root = txs_root(&ids);
        if let Some(root) = self.executed(draft) {
            draft.header.state_root = root;
        }
    }

    fn executed(&self, draft: &Draft) -> Option<Hash> {
        let checked = check_transactions(&self.spec.genesis_id(), draft.transactions.clone()).ok()?;
        let touched = touched_addresses(&draft.header.beneficiary, &checked);
        let mut execution = Execution::new(&self.spec, self.next_height(), self.state.slice(&touched));
        checked.iter().try_for_each(|transaction| execution.apply(transaction)).ok()?;
        let change = execution.finish(&draft.header.beneficiary).ok()?;
        Some(self.state.update(&change).state_root())
    }

    /// The line of a candidate. A valid one becomes the tip.
    pub fn judge(&mut self, bytes: &[u8], now: Timestamp) -> String {
        let verdict = match self.connect(bytes, now) {
            Ok(connected) => self.extend(connected),
            Err(rule) => rule.to_owned(),
        };
        format!("block {} {} {verdict}", now.millis(), hex_of(bytes))
    }

    fn connect(&self, bytes: &[u8], now: Timestamp) -> Result<ConnectedBlock, &'static str> {
        let Block { header, body } = Block::from_bytes(bytes).map_err(|_| "decode")?;
        let sealed = check_work(&self.spec, header).map_err(|error| verdict::header_rule(&error))?;
        let linked = check_header(&self.spec, &self.tip, sealed, now).map_err(|error| verdict::header_rule(&error))?;
        let rule = |error: BlockError| verdict::block_rule(&error);
        let checked = CheckedBlock::check(&self.spec, linked, body).map_err(rule)?;
        let slice = self.state.slice(checked.touched());
        connect_block(&self.spec, checked, slice, self.state.tree()).map_err(|error| match error {
            ConnectError::Rule(error) => rule(error),
            ConnectError::NotLoaded(error) => panic!("all touched accounts were loaded: {error}"),
        })
    }

    fn extend(&mut self, connected: ConnectedBlock) -> String {
        let (block, change, update) = connected.into_parts();
        let tip = self.tip.extend(block.header());
        let parent = core::mem::replace(&mut self.tip, tip);
        self.past.push((parent, change.undo()));
        self.state.apply(&change, update);
        let next = self.next_height();
        format!(
            "valid {} {} {} {} {}",
            hex(&self.state.tree().state_root()),
            hex(&self.tip.history().commitment()),
            self.tip.total_work(),
            self.spec.rules_at(next).version,
            self.tip.next_target(&self.spec),
        )
    }

    /// The line that takes the tip back; `None` at block 0.
    pub fn undo(&mut self) -> Option<String> {
        let (parent, record) = self.past.pop()?;
        self.state.undo(&record);
        self.tip = parent;
        Some(format!("undo {}", hex(&record)))
    }
}

impl Draft {
    /// Finds a nonce, if the target is one that a few attempts meet, and encodes.
    pub fn sealed(mut self) -> Vec<u8> {
        self.seal();
        self.bytes()
    }

    /// Finds a nonce, if that is a matter of a few attempts.
    pub fn seal(&mut self) {
        let easy = |target: &CompactTarget| target.bits() >> 24 >= 0x20;
        if let Some(target) = Some(self.header.target).filter(easy).and_then(|target| target.decode().ok()) {
            let seal = self.header.seal();
            self.header.nonce = (0..).find(|nonce| target.is_met_by(&seal.id(*nonce))).unwrap_or(0);
        }
    }

    /// The encoded block.
    pub fn bytes(self) -> Vec<u8> {
        let body = Body::new(self.transactions).expect("few transactions");
        cairn_ledger::codec::encode(&Block { header: self.header, body })
    }
}
