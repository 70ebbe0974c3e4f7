//! The rules of one network, and its block 0.

use crate::accounts::{AccountSlice, AccountTree, Leaf, NotLoaded};
use crate::block::{HEADER_VERSION, Header};
use crate::hash::{BlockId, Hash, Tag};
use crate::pow::{CompactTarget, DifficultyRule, Target, TargetFormError};
use crate::units::{Amount, Height, Timestamp};
use crate::upgrades::{Rules, RulesError, Schedule, Upgrade, is_name};
use crate::{address::AddressPrefix, keys::Address, merkle::txs_root};
use alloc::{string::String, vec::Vec};

/// The fewest intervals that a half-life may have: a pause counts as one half-life at most, so with one interval the
/// difficulty would never fall.
const LEAST_INTERVALS: u64 = 2;
/// The most intervals that a half-life may have.
const MOST_INTERVALS: u64 = 1024;

/// The parameters of a network as they are written down; [`ChainSpec::new`] judges them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainParams {
    /// Its name: one to 32 lower-case letters, digits or hyphens.
    pub name: String,
    /// What its addresses begin with.
    pub prefix: AddressPrefix,
    /// The intended time between blocks, in milliseconds.
    pub interval_ms: u64,
    /// The half-life of the difficulty rule, in milliseconds.
    pub half_life_ms: u64,
    /// How far ahead of the clock a block's time may be, in milliseconds.
    pub max_future_ms: u64,
    /// The largest block, in bytes, header included.
    pub max_block_bytes: u64,
    /// The most accounts a block may create, the beneficiary's not counted.
    pub max_new_accounts: u64,
    /// What creating an account costs.
    pub account_price: Amount,
    /// What block 1 creates.
    pub subsidy: Amount,
    /// After so many blocks the subsidy halves, rounding down.
    pub halving: u64,
    /// The time of block 0.
    pub genesis_time: Timestamp,
    /// The easiest target.
    pub pow_limit: CompactTarget,
    /// The target of blocks 1 and 2.
    pub genesis_target: CompactTarget,
    /// Who has money in block 0: strictly ascending addresses.
    pub allocations: Vec<(Address, Amount)>,
}

/// Why parameters make no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum ChainSpecError {
    /// The name is empty, long, or has other characters. It is cut after 80.
    #[error("name: got {got:?}, expected 1 to 32 lower-case letters, digits or hyphens")]
    Name { got: String },
    /// Not 1 ≤ interval, 2 intervals ≤ half-life ≤ 1024 intervals.
    #[error(
        "interval_ms and half_life_ms: got {interval} and {half_life}, expected 1 <= interval and a half-life of 2 to \
         1024 intervals"
    )]
    Interval { interval: u64, half_life: u64 },
    /// Halving after no blocks.
    #[error("halving: got 0, expected at least 1")]
    Halving,
    /// A target not in its normal form.
    #[error("pow_limit or genesis_target: {0}")]
    TargetForm(#[from] TargetFormError),
    /// Not genesis_target ≤ pow_limit < 2^255.
    #[error(
        "targets: got genesis_target {genesis} and pow_limit {limit}, expected genesis_target <= pow_limit < 2^255"
    )]
    Targets { genesis: CompactTarget, limit: CompactTarget },
    /// Rules that no network may have.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// Allocations not strictly ascending by address.
    #[error("allocations: {address} stands after an address that is not lower; sort them by the hex of the key")]
    AllocationOrder { address: Address },
    /// An allocation nobody could spend.
    #[error("allocations: no key exists for {address}")]
    AllocationNotOnCurve { address: Address },
    /// An allocation of nothing.
    #[error("allocations: {address} gets nothing, expected at least 1 pebble")]
    AllocationZero { address: Address },
    /// More money than amounts can express.
    #[error("allocations and all subsidies together exceed {} pebbles", Amount::MAX.pebbles())]
    Supply,
}

/// A network: its checked parameters, its block 0 and what follows from them.
#[derive(Clone, Debug)]
pub struct ChainSpec {
    params: ChainParams,
    difficulty: DifficultyRule,
    genesis: Header,
    genesis_id: BlockId,
    genesis_leaves: Vec<Leaf>,
    schedule: Schedule,
}

impl ChainSpec {
    /// Makes a network of its parameters.
    ///
    /// # Errors
    /// Refuses parameters outside docs/protocol.md, chapter 8, naming the first.
    pub fn new(params: ChainParams) -> Result<Self, ChainSpecError> {
        let difficulty = check_params(&params)?;
        let genesis_leaves = allocate(&params.allocations).map_err(|_| ChainSpecError::Supply)?;
        let tree = AccountTree::from_leaf_hashes(&Leaf::hash_each(&genesis_leaves));
        let genesis = Header {
            version: HEADER_VERSION,
            height: Height::GENESIS,
            parent: BlockId::from_bytes(*params_hash(&params).as_bytes()),
            time: params.genesis_time,
            target: params.genesis_target,
            beneficiary: Address::ZERO,
            txs_root: txs_root(&[]),
            state_root: tree.state_root(),
            history_root: Hash::ZERO,
            nonce: 0,
        };
        let (genesis_id, rules) = (genesis.id(), first_rules(&params));
        let schedule = Schedule::new(&genesis_id, rules, Vec::new())?;
        Ok(Self { difficulty, genesis_id, genesis, genesis_leaves, schedule, params })
    }

    /// The same network with these upgrades in place of its own: another [`rules_id`](Schedule::id), the same genesis
    /// id.
    ///
    /// # Errors
    /// Refuses upgrades outside docs/protocol.md, 8.1, naming the first.
    pub fn with_upgrades(self, upgrades: Vec<Upgrade>) -> Result<Self, ChainSpecError> {
        let schedule = Schedule::new(&self.genesis_id, first_rules(&self.params), upgrades)?;
        Ok(Self { schedule, ..self })
    }

    /// What holds for the block at `height`, of all that an upgrade may change.
    pub fn rules_at(&self, height: Height) -> &Rules {
        self.schedule.at(height)
    }

    /// The rules at every height.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The parameters: what block 0 binds.
    pub fn params(&self) -> &ChainParams {
        &self.params
    }

    /// How difficulty follows from block times.
    pub fn difficulty(&self) -> &DifficultyRule {
        &self.difficulty
    }

    /// Block 0. It has no transactions and is exempt from the rules for blocks.
    pub fn genesis(&self) -> &Header {
        &self.genesis
    }

    /// The id of block 0, which names the network and binds every rule of it.
    pub fn genesis_id(&self) -> BlockId {
        self.genesis_id
    }

    /// All accounts after block 0 in order of creation, the sentinel first.
    pub fn genesis_leaves(&self) -> &[Leaf] {
        &self.genesis_leaves
    }

    /// What a block at `height` creates: nothing at 0, halved every `halving` blocks, nothing after 64 of
    /// them.
    pub fn subsidy(&self, height: Height) -> Amount {
        let halvings = height.get().checked_div(self.params.halving).and_then(|count| u32::try_from(count).ok());
        let pebbles = halvings.and_then(|count| self.params.subsidy.pebbles().checked_shr(count)).unwrap_or(0);
        if height == Height::GENESIS { Amount::ZERO } else { Amount::from_pebbles(pebbles).unwrap_or_default() }
    }

    /// Everything that was ever given out after the block at `height`: what accounts have and what was burned.
    pub fn supply(&self, height: Height) -> Amount {
        let allocated = self.params.allocations.iter().map(|(_, amount)| u128::from(amount.pebbles()));
        let total = allocated.fold(0, u128::saturating_add).saturating_add(minted(&self.params, height));
        u64::try_from(total).ok().and_then(|pebbles| Amount::from_pebbles(pebbles).ok()).unwrap_or(Amount::MAX)
    }
}

/// The sum of the subsidies of blocks 1 ..= height.
fn minted(params: &ChainParams, height: Height) -> u128 {
    (0..64_u32).fold(0_u128, |sum, era| {
        // Era k is the heights k·halving .. (k + 1)·halving, without height 0.
        let start = u64::from(era).saturating_mul(params.halving).max(1);
        let end = u64::from(era).saturating_add(1).saturating_mul(params.halving);
        let blocks = end.min(height.get().saturating_add(1)).saturating_sub(start);
        sum.saturating_add(u128::from(params.subsidy.pebbles() >> era).saturating_mul(u128::from(blocks)))
    })
}

fn check_params(params: &ChainParams) -> Result<DifficultyRule, ChainSpecError> {
    if !is_name(&params.name) {
        return Err(ChainSpecError::Name { got: params.name.chars().take(80).collect() });
    }
    let (interval, half_life) = (params.interval_ms, params.half_life_ms);
    let allowed = interval.saturating_mul(LEAST_INTERVALS)..=interval.saturating_mul(MOST_INTERVALS);
    if interval == 0 || !allowed.contains(&half_life) {
        return Err(ChainSpecError::Interval { interval, half_life });
    }
    if params.halving == 0 {
        return Err(ChainSpecError::Halving);
    }
    let (limit, genesis) = (params.pow_limit.decode()?, params.genesis_target.decode()?);
    if genesis > limit || limit > Target::HIGHEST_LIMIT {
        return Err(ChainSpecError::Targets { genesis: params.genesis_target, limit: params.pow_limit });
    }
    check_allocations(params)?;
    Ok(DifficultyRule { interval_ms: interval, half_life_ms: half_life, pow_limit: limit })
}

/// What a network begins with, of all that an upgrade may change.
fn first_rules(params: &ChainParams) -> Rules {
    Rules {
        version: HEADER_VERSION,
        max_block_bytes: params.max_block_bytes,
        max_new_accounts: params.max_new_accounts,
        account_price: params.account_price,
    }
}

fn check_allocations(params: &ChainParams) -> Result<(), ChainSpecError> {
    let mut previous = Address::ZERO;
    for (address, amount) in &params.allocations {
        let address = *address;
        if address <= previous {
            return Err(ChainSpecError::AllocationOrder { address });
        }
        if !address.is_on_curve() {
            return Err(ChainSpecError::AllocationNotOnCurve { address });
        }
        if *amount == Amount::ZERO {
            return Err(ChainSpecError::AllocationZero { address });
        }
        previous = address;
    }
    let allocated = params.allocations.iter().map(|(_, amount)| u128::from(amount.pebbles()));
    let all = allocated.fold(0, u128::saturating_add).saturating_add(minted(params, Height::new(u64::MAX)));
    if all > u128::from(Amount::MAX.pebbles()) { Err(ChainSpecError::Supply) } else { Ok(()) }
}

/// The leaves of block 0: the sentinel, then the allocations in order.
fn allocate(allocations: &[(Address, Amount)]) -> Result<Vec<Leaf>, NotLoaded> {
    let mut slice = AccountSlice::load(1, Vec::from([(0, Leaf::SENTINEL)]));
    for (address, amount) in allocations {
        slice.create(address, *amount)?;
    }
    let mut leaves: Vec<Leaf> = slice.into_change().leaves.into_iter().map(|change| change.new).collect();
    if leaves.is_empty() {
        leaves.push(Leaf::SENTINEL);
    }
    Ok(leaves)
}

impl ChainParams {
    /// Their encoding: what the id of block 0 binds.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut |part| bytes.extend_from_slice(part));
        bytes
    }

    fn put(&self, put: &mut dyn FnMut(&[u8])) {
        for text in [self.name.as_str(), self.prefix.as_str()] {
            put(&(text.len() as u64).to_le_bytes());
            put(text.as_bytes());
        }
        for number in [
            self.interval_ms,
            self.half_life_ms,
            self.max_future_ms,
            self.max_block_bytes,
            self.max_new_accounts,
            self.account_price.pebbles(),
            self.subsidy.pebbles(),
            self.halving,
            self.genesis_time.millis(),
        ] {
            put(&number.to_le_bytes());
        }
        put(&self.pow_limit.bits().to_le_bytes());
        put(&self.genesis_target.bits().to_le_bytes());
        put(&(self.allocations.len() as u64).to_le_bytes());
        for (address, amount) in &self.allocations {
            put(address.as_bytes());
            put(&amount.pebbles().to_le_bytes());
        }
    }
}

/// `T("cairn/chain", params)`: the parent of block 0, so that its id binds every rule.
fn params_hash(params: &ChainParams) -> Hash {
    Tag::CHAIN.hash_with(|put| params.put(put))
}
