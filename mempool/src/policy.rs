//! What the pool takes: limits, prices, and the judgement of one transaction. Pure: the tip, the account
//! and the neighbours in the pool are arguments.
//!
//! Policy is each node's own. A transaction refused here may still be mined by others; only
//! [`PoolError::Invalid`] says something about the transaction itself.

use cairn_ledger::{Account, Address, Height, Transaction, TxError, TxId, error::ExecutionError};
use std::{cmp::Ordering, time::Duration};

/// A transaction must be minable for at least this many blocks after the tip, or relaying it is a waste:
/// it would expire on its way.
pub const LIFETIME_BLOCKS: u64 = 4;
/// A replacement's fee is at least this many percent of the one it replaces, so that a sender cannot make
/// everyone relay the same payment over and over for nothing.
pub const REPLACEMENT_PERCENT: u64 = 110;

/// The pool's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// The most transactions. Each costs a few hundred bytes besides its own.
    pub max_count: usize,
    /// The most bytes of encoded transactions.
    pub max_bytes: usize,
    /// The most transactions that one sender may hand in, and how far ahead of its account their nonces may be. What a
    /// reorganisation displaces comes back beyond that.
    pub max_per_sender: usize,
    /// The least fee, in pebbles for each byte.
    pub min_fee_rate: u64,
    /// How long a transaction may wait.
    pub expiry: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_count: 100_000,
            max_bytes: 64 << 20,
            max_per_sender: 64,
            min_fee_rate: 1,
            expiry: Duration::from_secs(3 * 24 * 60 * 60),
        }
    }
}

/// Why the pool does not take a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum PoolError {
    /// It is invalid everywhere and for ever: the only refusal that proves something about its bytes.
    #[error("{0}")]
    Invalid(TxError),
    /// It does not fit the accounts at the tip, the sender's other pooled transactions counted.
    #[error("{0}")]
    Execution(ExecutionError),
    /// It is here already.
    #[error("the transaction is in the pool already")]
    AlreadyPooled,
    /// It is in a block of the followed chain.
    #[error("the transaction is in a block already")]
    AlreadyMined,
    /// It pays too little for its size.
    #[error("got a fee of {got} pebbles, expected at least {min} for this size")]
    FeeTooLow { got: u64, min: u64 },
    /// A transaction with this sender and nonce is pooled, and this one does not pay enough more.
    #[error("got a fee of {got} pebbles, expected at least {min} to replace the pooled transaction with this nonce")]
    ReplacementFeeTooLow { got: u64, min: u64 },
    /// The sender has as many transactions in the pool as one may.
    #[error("the sender has {max} transactions in the pool, which is all that one may have")]
    SenderLimit { max: usize },
    /// Its nonce is too far ahead of the first that is neither mined nor pooled.
    #[error("got nonce {got}, which is too far ahead; the next one to send is {expected}")]
    NonceGap { got: u64, expected: u64 },
    /// It would expire before it could reach a block.
    #[error(
        "valid until height {valid_until}, expected 0 or at least {}: the tip is at {tip}",
        tip.saturating_add(LIFETIME_BLOCKS)
    )]
    ExpiresSoon { valid_until: Height, tip: Height },
    /// The pool is full of transactions that pay more.
    #[error("the pool is full; at least {min_fee_rate} pebbles a byte get in now")]
    PoolFull { min_fee_rate: u64 },
}

impl PoolError {
    /// What it proves about the transaction, whoever looks: nothing, unless it is invalid.
    pub fn proves(&self) -> Option<TxError> {
        if let Self::Invalid(error) = self { Some(*error) } else { None }
    }
}

/// A fee for a size. Ordered by fee per byte, exactly; equal rates are equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct FeeRate {
    /// In pebbles.
    pub fee: u64,
    /// Encoded size, at least 1.
    pub bytes: u64,
}

impl FeeRate {
    /// What `transaction` pays.
    pub fn of(transaction: &Transaction) -> Self {
        Self { fee: transaction.body.fee.pebbles(), bytes: transaction.size() as u64 }
    }

    /// The least whole number of pebbles a byte above this rate.
    pub fn next_whole(self) -> u64 {
        (self.fee / self.bytes).saturating_add(1)
    }
}

impl Ord for FeeRate {
    fn cmp(&self, other: &Self) -> Ordering {
        let cross = |fee: u64, bytes: u64| u128::from(fee) * u128::from(bytes);
        cross(self.fee, other.bytes).cmp(&cross(other.fee, self.bytes))
    }
}

impl PartialOrd for FeeRate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FeeRate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for FeeRate {}

/// What the chain says about a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The sender's account at the tip.
    pub account: Option<Account>,
    /// Whether the transaction is in a block of the followed chain; looked up only for nonces that are
    /// used already.
    pub mined: bool,
    /// What the accounts that it would create at the tip cost, in pebbles.
    pub price: u64,
}

/// What the pool holds of a transaction's sender.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Neighbours {
    /// What the sender's other pooled transactions spend at most, in pebbles; the one with the same nonce is left
    /// out, as only one of the two can stay.
    pub spent: u64,
    /// The first nonce, from the account's on, that is not pooled.
    pub missing: u64,
    /// What the pooled transaction with the same nonce pays.
    pub rival: Option<FeeRate>,
}

/// Judges everything about a transaction but its signature and whether the pool has room, cheapest first.
///
/// # Errors
/// Why the pool does not take it.
pub(super) fn judge(
    config: &PoolConfig,
    tip: Height,
    transaction: &Transaction,
    standing: &Standing,
    neighbours: &Neighbours,
) -> Result<(), PoolError> {
    let body = &transaction.body;
    // These two are invalid everywhere. The check that proves it comes later, with the signatures; any
    // other answer given here would hide it.
    if body.sender == Address::ZERO || body.nonce == u64::MAX {
        return Ok(());
    }
    let price = FeeRate::of(transaction);
    let min = price.bytes.saturating_mul(config.min_fee_rate);
    if price.fee < min {
        return Err(PoolError::FeeTooLow { got: price.fee, min });
    }
    check_lifetime(body.valid_until, tip)?;
    let Some(account) = standing.account else {
        return Err(PoolError::Execution(ExecutionError::UnknownSender { sender: body.sender }));
    };
    if body.nonce < account.nonce {
        let used = ExecutionError::Nonce { got: body.nonce, expected: account.nonce };
        return Err(if standing.mined { PoolError::AlreadyMined } else { PoolError::Execution(used) });
    }
    check_window(config, body.nonce, account.nonce, neighbours.missing)?;
    if let Some(rival) = neighbours.rival {
        let min = replacement_fee(config, rival, price.bytes);
        if price.fee < min {
            return Err(PoolError::ReplacementFeeTooLow { got: price.fee, min });
        }
    }
    // Never to be mined as it is, it would keep out those that can be.
    if standing.price > body.max_price.pebbles() {
        let above = ExecutionError::PriceAboveMax { price: standing.price, max_price: body.max_price };
        return Err(PoolError::Execution(above));
    }
    let needed = neighbours.spent.saturating_add(body.max_cost());
    if needed > account.balance.pebbles() {
        let balance = account.balance;
        return Err(PoolError::Execution(ExecutionError::InsufficientBalance { balance, needed }));
    }
    Ok(())
}

/// Whether a transaction can no longer be in the block after `tip`.
pub(super) fn has_expired(valid_until: Height, tip: Height) -> bool {
    valid_until != Height::GENESIS && valid_until <= tip
}

fn check_lifetime(valid_until: Height, tip: Height) -> Result<(), PoolError> {
    if has_expired(valid_until, tip) {
        let height = tip.saturating_add(1);
        return Err(PoolError::Execution(ExecutionError::Expired { valid_until, height }));
    }
    if valid_until != Height::GENESIS && valid_until < tip.saturating_add(LIFETIME_BLOCKS) {
        return Err(PoolError::ExpiresSoon { valid_until, tip });
    }
    Ok(())
}

/// A nonce may be ahead of its account by less than the sender's limit: enough for transactions that
/// arrive out of order, too little to fill the pool with what may never be mined.
fn check_window(config: &PoolConfig, got: u64, account_nonce: u64, missing: u64) -> Result<(), PoolError> {
    let end = window_end(config, account_nonce);
    if got < end {
        return Ok(());
    }
    let max = config.max_per_sender;
    Err(if missing >= end { PoolError::SenderLimit { max } } else { PoolError::NonceGap { got, expected: missing } })
}

/// The first nonce that is too far ahead of an account.
pub(super) fn window_end(config: &PoolConfig, account_nonce: u64) -> u64 {
    account_nonce.saturating_add(config.max_per_sender as u64)
}

/// The least fee at which a transaction of `bytes` replaces one that pays `rival`: a tenth more than its
/// fee, its fee and the least rate for the new bytes on top (relaying those has to be paid for again), and
/// a higher rate.
fn replacement_fee(config: &PoolConfig, rival: FeeRate, bytes: u64) -> u64 {
    let tenth_more = rival.fee.saturating_mul(REPLACEMENT_PERCENT).div_ceil(100);
    let relayed_again = rival.fee.saturating_add(bytes.saturating_mul(config.min_fee_rate.max(1)));
    let same_rate = u128::from(rival.fee) * u128::from(bytes) / u128::from(rival.bytes);
    let higher_rate = u64::try_from(same_rate).unwrap_or(u64::MAX).saturating_add(1);
    tenth_more.max(relayed_again).max(higher_rate)
}

/// What became of a transaction, as far as the pool knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolStatus {
    /// Never seen, or gone for longer than the pool remembers.
    Unknown,
    /// It is in the pool.
    Pooled,
    /// It left the pool without being mined, or was never taken.
    Dropped(DropReason),
    /// It left the pool when its last height passed: it can never be mined.
    Expired,
}

/// Why a transaction left the pool without being mined, or never came into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say what the fields are")]
pub enum DropReason {
    /// Its sender replaced it.
    #[error("replaced by {by}")]
    Replaced { by: TxId },
    /// The pool was full, and others paid more.
    #[error("the pool was full of transactions that pay more")]
    Evicted,
    /// Another transaction with its nonce was mined.
    #[error("another transaction with its nonce was mined")]
    NonceUsed,
    /// It waited too long.
    #[error("it waited in the pool for too long")]
    TooOld,
    /// An upgrade raised the price of the accounts it would create above what it allows.
    #[error("an upgrade raised the price of the accounts it creates above its max_price")]
    PriceAboveMax,
    /// It was handed in here and not taken.
    #[error("not taken: {0}")]
    Refused(PoolError),
    /// Its last height has passed.
    #[error("its last height, {valid_until}, has passed")]
    Expired { valid_until: Height },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(fee: u64, bytes: u64) -> FeeRate {
        FeeRate { fee, bytes }
    }

    #[test]
    fn rates_are_compared_exactly() {
        assert_eq!(rate(1, 3), rate(2, 6));
        assert!(rate(333, 1000) < rate(1, 3), "no rounding");
        assert!(rate((1 << 53) - 1, 41_353) > rate((1 << 53) - 2, 41_353));
        assert_eq!([rate(199, 100).next_whole(), rate(200, 100).next_whole()], [2, 3]);
    }

    #[test]
    fn a_replacement_pays_a_tenth_more_its_own_bytes_and_a_higher_rate() {
        let config = PoolConfig::default();
        assert_eq!(replacement_fee(&config, rate(10_000, 177), 177), 11_000, "a tenth");
        assert_eq!(replacement_fee(&config, rate(10_001, 177), 177), 11_002, "a tenth, rounded up");
        assert_eq!(replacement_fee(&config, rate(200, 177), 177), 377, "its own bytes");
        assert_eq!(replacement_fee(&config, rate(1_770, 177), 1_770), 17_701, "a higher rate");
        assert_eq!(replacement_fee(&config, rate(17_700, 1_770), 177), 19_470, "smaller, yet a tenth more");
    }

    #[test]
    fn the_last_height_leaves_room_to_reach_a_block() {
        let tip = Height::new(10);
        assert_eq!(check_lifetime(Height::GENESIS, tip), Ok(()), "no limit");
        assert_eq!(check_lifetime(Height::new(14), tip), Ok(()));
        let valid_until = Height::new(13);
        assert_eq!(check_lifetime(valid_until, tip), Err(PoolError::ExpiresSoon { valid_until, tip }));
        let (valid_until, height) = (Height::new(10), Height::new(11));
        let expired = ExecutionError::Expired { valid_until, height };
        assert_eq!(check_lifetime(valid_until, tip), Err(PoolError::Execution(expired)));
    }
}
