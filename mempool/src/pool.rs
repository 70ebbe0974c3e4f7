//! The pool itself. Pure: time and accounts are arguments, and equal calls in equal order give equal pools.

mod reorg;
mod view;

pub use view::{FeeEstimate, Waiting};

use super::policy::{
    DropReason, FeeRate, Neighbours, PoolConfig, PoolError, PoolStatus, Standing, has_expired, judge, window_end,
};
use super::queue::{Entry, Queue, Walk, Worth};
use super::removed::Removed;
use cairn_ledger::{
    Account, Address, CheckedTransaction, Height, Timestamp, Transaction, TxId, transaction::MIN_TRANSACTION_BYTES,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A place in the ranking: ascending, it is the order of eviction, and descending that of selection. Of
/// equal worths the sender that came last goes first, and of one sender the last nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    worth: Worth,
    arrival: Reverse<u64>,
    nonce: Reverse<u64>,
    sender: Address,
}

/// What the chain's move to a new tip means for the pool.
#[derive(Clone, Debug, Default)]
pub(super) struct TipChange {
    /// The new tip's height.
    pub height: Height,
    /// The accounts the move may have changed, as they were after it, of those senders that are in the pool.
    pub accounts: BTreeMap<Address, Account>,
    /// The transactions that are on the chain now.
    pub mined: HashSet<TxId>,
    /// Whether the chain was reorganised, so that nonces may have fallen; so too when nobody can say what changed.
    pub is_reorganised: bool,
}

/// What an address has in the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// How many transactions.
    pub count: u64,
    /// What they spend at most, in pebbles. After a reorganisation it may exceed the balance for a while.
    pub spent: u64,
    /// The first nonce that is neither mined nor pooled; `None` where nothing is pooled.
    pub next_nonce: Option<u64>,
}

/// How full the pool is, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolInfo {
    /// Transactions.
    pub count: usize,
    /// Their bytes.
    pub bytes: usize,
    /// The most transactions.
    pub max_count: usize,
    /// The most bytes.
    pub max_bytes: usize,
    /// Senders.
    pub senders: usize,
    /// The least fee it takes now, in pebbles for each byte.
    pub min_fee_rate: u64,
}

/// The pool. Its invariants are on the [front page](super).
#[derive(Debug, Default)]
pub(super) struct Pool {
    config: PoolConfig,
    tip: Height,
    queues: HashMap<Address, Queue>,
    place_by_id: HashMap<TxId, (Address, u64)>,
    ranking: BTreeMap<Rank, CheckedTransaction>,
    by_age: BTreeSet<(Timestamp, TxId)>,
    by_last_height: BTreeSet<(Height, TxId)>,
    bytes: usize,
    arrivals: u64,
    removed: Removed,
}

impl Pool {
    /// An empty pool at a tip.
    pub fn new(config: PoolConfig, tip: Height) -> Self {
        Self { config, tip, ..Self::default() }
    }

    /// The height of the tip it goes by.
    pub fn tip(&self) -> Height {
        self.tip
    }

    /// Judges a transaction before its signature is checked, so that a signature costs us nothing when
    /// the answer is no anyway. Whether there is room is told by [`Pool::admit`] alone: it depends on
    /// neighbours that may come with it.
    ///
    /// # Errors
    /// Why the pool does not take it.
    pub fn judge(
        &mut self,
        txid: &TxId,
        transaction: &Transaction,
        standing: &Standing,
        now: Timestamp,
    ) -> Result<(), PoolError> {
        if self.place_by_id.contains_key(txid) {
            return Err(PoolError::AlreadyPooled);
        }
        // The account may have been read after a block whose event is still on its way to us.
        let (sender, account) = (&transaction.body.sender, standing.account.unwrap_or_default());
        if self.queues.get(sender).is_some_and(|queue| queue.account != account) {
            self.set_account(sender, account, &HashSet::new(), now);
        }
        let neighbours = self.neighbours(transaction, standing);
        judge(&self.config, self.tip, transaction, standing, &neighbours)
    }

    /// Takes a transaction that came at the moment `added`, evicting what is worth less when there is no
    /// room.
    ///
    /// # Errors
    /// Why the pool does not take it; then nothing has changed.
    pub fn admit(
        &mut self,
        transaction: CheckedTransaction,
        standing: &Standing,
        added: Timestamp,
        now: Timestamp,
    ) -> Result<TxId, PoolError> {
        let txid = transaction.txid();
        self.judge(&txid, transaction.transaction(), standing, now)?;
        self.insert(transaction, standing.account.unwrap_or_default(), added, now)?;
        Ok(txid)
    }

    /// Says whether [`Pool::admit`] would take a transaction.
    ///
    /// # Errors
    /// Why it would not.
    pub fn try_admit(
        &mut self,
        transaction: &CheckedTransaction,
        standing: &Standing,
        now: Timestamp,
    ) -> Result<(), PoolError> {
        self.judge(&transaction.txid(), transaction.transaction(), standing, now)?;
        let (worth, rival) = self.worth_of(transaction, standing.account.unwrap_or_default());
        self.plan_room(transaction.transaction().size(), worth, rival.as_ref()).map(drop)
    }

    /// Remembers why transactions were not taken, unless something better is known of them.
    pub fn remember_refusals(&mut self, refusals: Vec<(TxId, PoolError)>, now: Timestamp) {
        for (txid, error) in refusals {
            let known = self.place_by_id.contains_key(&txid) || self.removed.reason(&txid).is_some();
            // Bytes that are invalid say nothing about the transaction of this id: another signature may be good.
            if !known && !matches!(error, PoolError::AlreadyPooled | PoolError::AlreadyMined | PoolError::Invalid(_)) {
                self.removed.record(now, txid, DropReason::Refused(error));
            }
        }
    }

    /// Follows the chain to a new tip.
    pub fn on_tip(&mut self, now: Timestamp, change: TipChange) {
        self.tip = change.height;
        for txid in &change.mined {
            self.removed.forget(txid);
        }
        for (sender, account) in &change.accounts {
            // An admission may have read the account after a block that we are yet to hear of. That is told by its
            // nonce, which falls only where the chain is reorganised.
            let known = self.queues.get(sender).map(|queue| queue.account.nonce);
            if change.is_reorganised || known.is_none_or(|known| known <= account.nonce) {
                self.set_account(sender, *account, &change.mined, now);
            }
        }
        self.expire_by_height(now);
    }

    /// The rate above which a transaction is worth keeping: that of the least while the pool is full, and nothing while
    /// there is room. What pays less need not be looked at.
    pub fn least_rate(&self) -> Option<FeeRate> {
        let is_full = self.len() >= self.config.max_count
            || self.bytes.saturating_add(MIN_TRANSACTION_BYTES) > self.config.max_bytes;
        self.ranking.keys().next().filter(|rank| is_full && rank.worth.ready).map(|rank| rank.worth.rate)
    }

    /// Drops what an upgrade made too dear for the price that it allows.
    pub fn on_dearer(&mut self, now: Timestamp, too_dear: &[TxId]) {
        too_dear.iter().for_each(|txid| self.drop_transaction(txid, DropReason::PriceAboveMax, now));
    }

    /// Drops what has waited too long.
    pub fn on_time(&mut self, now: Timestamp) {
        let expiry = u64::try_from(self.config.expiry.as_millis()).unwrap_or(u64::MAX);
        while let Some((added, txid)) = self.by_age.first().copied()
            && now.since(added) >= expiry
        {
            self.drop_transaction(&txid, DropReason::TooOld, now);
        }
        self.removed.on_time(now);
    }

    /// Up to `max_bytes` of transactions for a block: the best rates first, each sender's in order of
    /// nonce without a gap.
    pub fn select(&self, max_bytes: usize) -> Vec<CheckedTransaction> {
        let (mut left, mut selected, mut blocked) = (max_bytes, Vec::new(), HashSet::new());
        for (rank, transaction) in self.ranking.iter().rev().take_while(|(rank, _)| rank.worth.ready) {
            if left < MIN_TRANSACTION_BYTES {
                break;
            }
            let bytes = transaction.transaction().size();
            if blocked.contains(&rank.sender) {
                continue;
            }
            // What does not fit keeps its successors out; others may still fit.
            if bytes > left {
                blocked.insert(rank.sender);
                continue;
            }
            left -= bytes;
            selected.push(transaction.clone());
        }
        selected
    }

    /// All transactions, the most valuable first.
    pub fn transactions(&self) -> impl Iterator<Item = &Entry> {
        self.ranking.keys().rev().map(|rank| self.entry(&rank.sender, rank.nonce.0))
    }

    /// A pooled transaction.
    pub fn get(&self, txid: &TxId) -> Option<CheckedTransaction> {
        let (sender, nonce) = self.place_by_id.get(txid)?;
        Some(self.entry(sender, *nonce).transaction.clone())
    }

    /// What became of a transaction.
    pub fn status(&self, txid: &TxId) -> PoolStatus {
        if self.place_by_id.contains_key(txid) {
            return PoolStatus::Pooled;
        }
        match self.removed.reason(txid) {
            None => PoolStatus::Unknown,
            Some(DropReason::Expired { .. }) => PoolStatus::Expired,
            Some(reason) => PoolStatus::Dropped(reason),
        }
    }

    /// What an address has in the pool.
    pub fn pending(&self, address: &Address) -> Pending {
        let Some(queue) = self.queues.get(address) else { return Pending::default() };
        let count = queue.entries.len() as u64;
        Pending { count, spent: queue.spent_without(None), next_nonce: Some(queue.missing(u64::MAX)) }
    }

    /// How full the pool is.
    pub fn info(&self) -> PoolInfo {
        let min_fee_rate = self.least_rate().map_or(0, FeeRate::next_whole).max(self.config.min_fee_rate);
        PoolInfo {
            count: self.len(),
            bytes: self.bytes,
            max_count: self.config.max_count,
            max_bytes: self.config.max_bytes,
            senders: self.queues.len(),
            min_fee_rate,
        }
    }

    /// Whether an address has transactions here.
    pub fn has_sender(&self, address: &Address) -> bool {
        self.queues.contains_key(address)
    }

    /// Everybody who has transactions here, in no particular order.
    pub fn senders(&self) -> impl Iterator<Item = &Address> {
        self.queues.keys()
    }

    fn len(&self) -> usize {
        self.place_by_id.len()
    }

    fn entry(&self, sender: &Address, nonce: u64) -> &Entry {
        let queue = self.queues.get(sender).expect("a ranked transaction's sender has a queue");
        queue.entries.get(&nonce).expect("a ranked transaction is in its sender's queue")
    }

    fn neighbours(&self, transaction: &Transaction, standing: &Standing) -> Neighbours {
        let nonce = transaction.body.nonce;
        let Some(queue) = self.queues.get(&transaction.body.sender) else {
            let missing = standing.account.unwrap_or_default().nonce;
            return Neighbours { missing, ..Neighbours::default() };
        };
        let rival = queue.entries.get(&nonce);
        let spent = queue.spent_without(rival);
        // As far as may be handed in: after a reorganisation there may be many more.
        let missing = queue.missing(window_end(&self.config, queue.account.nonce));
        Neighbours { spent, missing, rival: rival.map(|rival| rival.price) }
    }

    /// Puts a transaction where its sender and nonce say, in place of one that is there, if there is room.
    fn insert(
        &mut self,
        transaction: CheckedTransaction,
        account: Account,
        added: Timestamp,
        now: Timestamp,
    ) -> Result<(), PoolError> {
        let (txid, sender) = (transaction.txid(), transaction.transaction().body.sender);
        let (worth, rival) = self.worth_of(&transaction, account);
        let bytes = transaction.transaction().size();
        let victims = self.plan_room(bytes, worth, rival.as_ref())?;
        if let Some(rival) = rival {
            self.drop_transaction(&rival.txid(), DropReason::Replaced { by: txid }, now);
        }
        for victim in victims {
            self.drop_transaction(&victim, DropReason::Evicted, now);
        }
        self.put(transaction, account, added, worth);
        self.rank(&sender);
        Ok(())
    }

    /// Puts a transaction where nothing is. Its sender's queue must be ranked afterwards, which is cheap where `worth`
    /// is right already.
    fn put(&mut self, transaction: CheckedTransaction, account: Account, added: Timestamp, worth: Worth) {
        let (txid, body) = (transaction.txid(), &transaction.transaction().body);
        let (sender, nonce, valid_until) = (body.sender, body.nonce, body.valid_until);
        let (price, bytes) = (FeeRate::of(transaction.transaction()), transaction.transaction().size());
        let arrivals = &mut self.arrivals;
        let queue = self.queues.entry(sender).or_insert_with(|| {
            *arrivals += 1;
            Queue::new(*arrivals, account)
        });
        let rank = Rank { worth, arrival: Reverse(queue.arrival), nonce: Reverse(nonce), sender };
        self.ranking.insert(rank, transaction.clone());
        queue.insert(nonce, Entry { transaction, price, added, worth });
        self.place_by_id.insert(txid, (sender, nonce));
        self.by_age.insert((added, txid));
        if valid_until != Height::GENESIS {
            self.by_last_height.insert((valid_until, txid));
        }
        self.bytes += bytes;
        self.removed.forget(&txid);
    }

    /// What keeping a transaction would be worth, and whose place it would take.
    fn worth_of(&self, transaction: &CheckedTransaction, account: Account) -> (Worth, Option<CheckedTransaction>) {
        let body = &transaction.transaction().body;
        let price = FeeRate::of(transaction.transaction());
        let Some(queue) = self.queues.get(&body.sender) else {
            return (Walk::new(account).step(body.nonce, body.max_cost(), price), None);
        };
        let rival = queue.entries.get(&body.nonce).map(|entry| entry.transaction.clone());
        (queue.worth_at(body.nonce, body.max_cost(), price), rival)
    }

    /// What must go so that a transaction of `bytes` fits in place of `rival`: the least worth first, and
    /// nothing that is worth as much as the newcomer.
    fn plan_room(
        &self,
        bytes: usize,
        worth: Worth,
        rival: Option<&CheckedTransaction>,
    ) -> Result<Vec<TxId>, PoolError> {
        let freed = rival.map_or(0, |rival| rival.transaction().size());
        let mut count = self.len() + 1 - usize::from(rival.is_some());
        let mut total = self.bytes + bytes - freed;
        let mut victims = Vec::new();
        let mut ranks = self.ranking.iter();
        while count > self.config.max_count || total > self.config.max_bytes {
            let Some((rank, victim)) = ranks.next() else {
                return Err(PoolError::PoolFull { min_fee_rate: self.config.min_fee_rate });
            };
            if rank.worth >= worth {
                let least = if rank.worth.ready { rank.worth.rate.next_whole() } else { 0 };
                return Err(PoolError::PoolFull { min_fee_rate: least.max(self.config.min_fee_rate) });
            }
            if rival != Some(victim) {
                count -= 1;
                total -= victim.transaction().size();
                victims.push(victim.txid());
            }
        }
        Ok(victims)
    }

    /// Judges a sender's whole queue again, against its account as it is now.
    fn set_account(&mut self, sender: &Address, account: Account, mined: &HashSet<TxId>, now: Timestamp) {
        let Some(queue) = self.queues.get_mut(sender) else { return };
        queue.account = account;
        let used = queue.entries.range(..account.nonce);
        let used: Vec<_> = used.map(|(_, entry)| entry.transaction.txid()).collect();
        for txid in used {
            self.remove(&txid);
            if !mined.contains(&txid) {
                self.removed.record(now, txid, DropReason::NonceUsed);
            }
        }
        self.rank(sender);
    }

    fn expire_by_height(&mut self, now: Timestamp) {
        while let Some((valid_until, txid)) = self.by_last_height.first().copied()
            && has_expired(valid_until, self.tip)
        {
            self.drop_transaction(&txid, DropReason::Expired { valid_until }, now);
        }
    }

    fn drop_transaction(&mut self, txid: &TxId, reason: DropReason, now: Timestamp) {
        if let Some((sender, nonce)) = self.remove(txid) {
            // What was last changes nothing for those before it.
            if self.queues.get(&sender).is_some_and(|queue| queue.entries.range(nonce..).next().is_some()) {
                self.rank(&sender);
            }
            self.removed.record(now, *txid, reason);
        }
    }

    /// Removes a transaction everywhere. Its sender's queue must be ranked again afterwards, if any come after it.
    fn remove(&mut self, txid: &TxId) -> Option<(Address, u64)> {
        let (sender, nonce) = self.place_by_id.remove(txid)?;
        let queue = self.queues.get_mut(&sender).expect("a placed transaction's sender has a queue");
        let entry = queue.remove(nonce).expect("a placed transaction is in its sender's queue");
        let (worth, arrival) = (entry.worth, Reverse(queue.arrival));
        self.ranking.remove(&Rank { worth, arrival, nonce: Reverse(nonce), sender });
        if queue.entries.is_empty() {
            self.queues.remove(&sender);
        }
        self.by_age.remove(&(entry.added, *txid));
        self.by_last_height.remove(&(entry.transaction.transaction().body.valid_until, *txid));
        self.bytes -= entry.transaction.transaction().size();
        Some((sender, nonce))
    }

    /// Brings the ranking of a sender's transactions up to date.
    fn rank(&mut self, sender: &Address) {
        let Some(queue) = self.queues.get_mut(sender) else { return };
        let (arrival, mut walk) = (Reverse(queue.arrival), Walk::new(queue.account));
        for (nonce, entry) in &mut queue.entries {
            let worth = walk.step(*nonce, entry.max_cost(), entry.price);
            if worth == entry.worth {
                continue;
            }
            let rank = Rank { worth: entry.worth, arrival, nonce: Reverse(*nonce), sender: *sender };
            if let Some(transaction) = self.ranking.remove(&rank) {
                self.ranking.insert(Rank { worth, ..rank }, transaction);
            }
            entry.worth = worth;
        }
    }
}

#[cfg(test)]
mod tests;
