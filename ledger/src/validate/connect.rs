//! Checked → connected: a block's transactions against the accounts.

use super::context_free::{CheckedBlock, CheckedTransaction};
use crate::accounts::{Account, AccountSlice, AccountTree, NotLoaded, StateChange, TreeUpdate};
use crate::error::{BlockError, ExecutionError};
use crate::units::{Amount, Height};
use crate::{chain_spec::ChainSpec, keys::Address, upgrades::Rules};

/// Either the block is invalid, or the caller loaded too little to tell. Only the first is the block's
/// fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError<E> {
    /// A broken rule.
    #[error(transparent)]
    Rule(E),
    /// Our own mistake.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// Transactions being executed for one block, in order; then its reward.
#[derive(Clone, Debug)]
pub struct Execution<'a> {
    rules: &'a Rules,
    subsidy: Amount,
    height: Height,
    slice: AccountSlice,
    fees: Amount,
    new_accounts: u64,
    burned: u64,
}

impl<'a> Execution<'a> {
    /// Begins the block at `height` on the accounts in `slice`.
    pub fn new(spec: &'a ChainSpec, height: Height, slice: AccountSlice) -> Self {
        let (rules, subsidy) = (spec.rules_at(height), spec.subsidy(height));
        Self { rules, subsidy, height, slice, fees: Amount::ZERO, new_accounts: 0, burned: 0 }
    }

    /// The fees so far.
    pub fn fees(&self) -> Amount {
        self.fees
    }

    /// Executes one transaction; a refused one changes nothing, save for
    /// [`ExecutionError::BalanceOverflow`], after which the execution must be dropped.
    ///
    /// # Errors
    /// The broken rule, or an address that was not loaded.
    pub fn apply(&mut self, checked: &CheckedTransaction) -> Result<(), ConnectError<ExecutionError>> {
        let body = &checked.transaction().body;
        let rule = ConnectError::Rule;
        // > 5.3: the sender has an account
        let Some(place) = self.slice.place(&body.sender)? else {
            return Err(rule(ExecutionError::UnknownSender { sender: body.sender }));
        };
        let sender = self.slice.at(place);
        // > 5.3: `nonce` is the account's
        if body.nonce != sender.nonce {
            return Err(rule(ExecutionError::Nonce { got: body.nonce, expected: sender.nonce }));
        }
        // > 5.3: `valid_until` is 0 or at least `h`
        if body.valid_until != Height::GENESIS && self.height > body.valid_until {
            return Err(rule(ExecutionError::Expired { valid_until: body.valid_until, height: self.height }));
        }
        // > 5.3: `account_price * n` is at most `max_price`
        let created = self.slice.absent(body.outputs.iter().map(|output| &output.to))?;
        let price = self.rules.price_of(created);
        if price > body.max_price.pebbles() {
            return Err(rule(ExecutionError::PriceAboveMax { price, max_price: body.max_price }));
        }
        // > 5.3: the balance covers the fee, all amounts, and `account_price * n`
        let needed = body.total().saturating_add(price);
        let rest = Amount::from_pebbles(needed).ok().and_then(|total| sender.balance.checked_sub(total));
        let (Some(balance), Some(nonce)) = (rest, sender.nonce.checked_add(1)) else {
            return Err(rule(ExecutionError::InsufficientBalance { balance: sender.balance, needed }));
        };
        // > 5.3: the block's transactions have created at most `max_new_accounts` accounts so far, these `n`
        // > included
        let (got, max) = (self.new_accounts.saturating_add(created), self.rules.max_new_accounts);
        if got > max {
            return Err(rule(ExecutionError::TooManyNewAccounts { got, max }));
        }
        // > 5.3: Then the sender is debited what 5 names, its nonce rises by one, and the outputs are credited in
        // > order.
        let overflow = |address| rule(ExecutionError::BalanceOverflow { address });
        self.slice.set(place, Account { balance, nonce });
        for output in body.outputs.iter() {
            credit(&mut self.slice, &output.to, output.amount)?.ok_or_else(|| overflow(output.to))?;
        }
        self.new_accounts = got;
        self.burned = self.burned.saturating_add(price);
        self.fees = self.fees.checked_add(body.fee).ok_or_else(|| overflow(body.sender))?;
        Ok(())
    }

    /// Pays the beneficiary, and gives what the block did.
    ///
    /// > 5.3: Last, and once, the beneficiary is credited `subsidy(h)` plus all fees.
    ///
    /// # Errors
    /// [`BlockError::RewardOverflow`], or a beneficiary that was not loaded.
    pub fn finish(mut self, beneficiary: &Address) -> Result<StateChange, ConnectError<BlockError>> {
        let overflow = ConnectError::Rule(BlockError::RewardOverflow { address: *beneficiary });
        let reward = self.subsidy.checked_add(self.fees).ok_or(overflow)?;
        if self.slice.place(beneficiary)?.is_some() {
            credit(&mut self.slice, beneficiary, reward)?.ok_or(overflow)?;
        } else {
            // > 5.3: A beneficiary without an account pays it out of its reward: where the reward is above the price,
            // an > account with the rest is appended; where it is not, all of it is burned and nothing is appended.
            let price = self.rules.account_price;
            let rest = reward.checked_sub(price).filter(|rest| *rest > Amount::ZERO);
            if let Some(rest) = rest {
                self.slice.create(beneficiary, rest)?;
            }
            let burned = if rest.is_some() { price } else { reward };
            self.burned = self.burned.saturating_add(burned.pebbles());
        }
        let burned = Amount::from_pebbles(self.burned).unwrap_or(Amount::MAX);
        Ok(StateChange { burned, ..self.slice.into_change() })
    }
}

/// Adds to an account, creating it where there is none; `None` when the balance would overflow.
fn credit(slice: &mut AccountSlice, address: &Address, amount: Amount) -> Result<Option<()>, NotLoaded> {
    let Some(place) = slice.place(address)? else {
        return slice.create(address, amount).map(Some);
    };
    let account = slice.at(place);
    let Some(balance) = account.balance.checked_add(amount) else { return Ok(None) };
    slice.set(place, Account { balance, ..account });
    Ok(Some(()))
}

/// A block that fits the accounts it was executed on, and what it did to them.
#[derive(Clone, Debug)]
pub struct ConnectedBlock {
    block: CheckedBlock,
    change: StateChange,
    update: TreeUpdate,
}

impl ConnectedBlock {
    /// The block.
    pub fn block(&self) -> &CheckedBlock {
        &self.block
    }

    /// What it did to the accounts.
    pub fn change(&self) -> &StateChange {
        &self.change
    }

    /// Takes it apart: the block, its changes, and the update for the tree it was connected to.
    pub fn into_parts(self) -> (CheckedBlock, StateChange, TreeUpdate) {
        (self.block, self.change, self.update)
    }
}

/// Executes a checked block on the accounts of its parent: `slice` holds those it touches
/// ([`CheckedBlock::touched`]), `tree` the hashes of all.
///
/// # Errors
/// The broken rule, or what was not loaded.
pub fn connect_block(
    spec: &ChainSpec,
    block: CheckedBlock,
    slice: AccountSlice,
    tree: &AccountTree,
) -> Result<ConnectedBlock, ConnectError<BlockError>> {
    connect_block_with(spec, block, slice, |_, change| tree.update(change.count, &change.leaf_hashes()))
}

/// The same for who has something else to do with what the block did, while its hashes are computed: `update` gives
/// what [`AccountTree::update`] gives for the tree of the block's parent.
///
/// # Errors
/// As [`connect_block`]; then what `update` did besides is void.
pub fn connect_block_with(
    spec: &ChainSpec,
    block: CheckedBlock,
    slice: AccountSlice,
    update: impl FnOnce(&CheckedBlock, &StateChange) -> Result<TreeUpdate, NotLoaded>,
) -> Result<ConnectedBlock, ConnectError<BlockError>> {
    let change = execute_block(spec, &block, slice)?;
    let update = update(&block, &change)?;
    // > 7.3: `state_root` is that after execution
    let (got, expected) = (update.state_root(), block.header().header().state_root);
    if got != expected {
        return Err(ConnectError::Rule(BlockError::StateRoot { got, expected }));
    }
    Ok(ConnectedBlock { block, change, update })
}

/// Executes a block on some accounts, for who knows already that it fits them: the state root is not looked at.
///
/// # Errors
/// The broken rule, or what was not loaded.
pub fn execute_block(
    spec: &ChainSpec,
    block: &CheckedBlock,
    slice: AccountSlice,
) -> Result<StateChange, ConnectError<BlockError>> {
    let header = block.header().header();
    // > 7.3: the block executes (5.3)
    let mut execution = Execution::new(spec, header.height, slice);
    for (index, transaction) in block.transactions().iter().enumerate() {
        execution.apply(transaction).map_err(|error| match error {
            ConnectError::Rule(error) => ConnectError::Rule(BlockError::Execution { index, error }),
            ConnectError::NotLoaded(error) => ConnectError::NotLoaded(error),
        })?;
    }
    execution.finish(&header.beneficiary)
}
