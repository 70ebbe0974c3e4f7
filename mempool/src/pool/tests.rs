//! The pool: one test for each refusal, the stories of replacement, eviction and reorganisation, and any
//! sequence of events against a model that recomputes everything.

use super::*;
use cairn_ledger::codec::{BoundedBytes, BoundedVec};
use cairn_ledger::testing::{checked, easy_network, key, pebbles};
use cairn_ledger::transaction::{Output, TRANSACTION_VERSION, TransactionBody};
use cairn_ledger::{ChainSpec, TxError, error::ExecutionError};
use std::{cell::RefCell, sync::OnceLock, time::Duration};

fn spec() -> &'static ChainSpec {
    static SPEC: OnceLock<ChainSpec> = OnceLock::new();
    SPEC.get_or_init(easy_network)
}

/// A transaction to be made. The same draft gives the same transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Draft {
    from: u64,
    nonce: u64,
    amount: u64,
    fee: u64,
    outputs: u64,
    valid_until: u64,
    max_price: u64,
}

const DRAFT: Draft = Draft { from: 1, nonce: 0, amount: 10, fee: 1_000, outputs: 1, valid_until: 0, max_price: 0 };

impl Draft {
    fn make(self) -> CheckedTransaction {
        thread_local! {
            /// Signing and checking take longer than everything else here.
            static MADE: RefCell<HashMap<Draft, CheckedTransaction>> = RefCell::default();
        }
        MADE.with_borrow_mut(|made| made.entry(self).or_insert_with(|| self.sign()).clone())
    }

    fn sign(self) -> CheckedTransaction {
        let output = |n| Output { to: key(100 + n).address(), amount: pebbles(self.amount) };
        let body = TransactionBody {
            version: TRANSACTION_VERSION,
            sender: key(self.from).address(),
            nonce: self.nonce,
            fee: pebbles(self.fee),
            max_price: pebbles(self.max_price),
            valid_until: Height::new(self.valid_until),
            outputs: BoundedVec::new((0..self.outputs).map(output).collect()).expect("few outputs"),
            memo: BoundedBytes::default(),
        };
        let transaction = body.sign(&key(self.from), &spec().genesis_id(), &[7; 32]);
        checked(spec(), vec![transaction]).remove(0)
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn account(nonce: u64, balance: u64) -> Account {
    Account { nonce, balance: pebbles(balance) }
}

const RICH: u64 = 1_000_000_000;

/// A pool with small limits: 6 transactions, 3 of one sender.
fn small() -> Pool {
    let config = PoolConfig { max_count: 6, max_per_sender: 3, expiry: Duration::from_secs(10), ..Default::default() };
    Pool::new(config, Height::new(100))
}

fn submit_as(pool: &mut Pool, account: Account, draft: Draft) -> Result<TxId, PoolError> {
    let standing = Standing { account: Some(account), mined: false, price: 0 };
    let result = pool.admit(draft.make(), &standing, at(0), at(0));
    pool.assert_consistent();
    result
}

fn submit(pool: &mut Pool, draft: Draft) -> Result<TxId, PoolError> {
    submit_as(pool, account(0, RICH), draft)
}

fn nonces(selected: &[CheckedTransaction]) -> Vec<u64> {
    selected.iter().map(|checked| checked.transaction().body.nonce).collect()
}

impl Pool {
    /// Every index against the queues, and every invariant of the front page.
    fn assert_consistent(&self) {
        let entries = || self.queues.values().flat_map(|queue| queue.entries.values());
        let size = |entry: &Entry| entry.transaction.transaction().size();
        assert_eq!(self.bytes, entries().map(size).sum::<usize>(), "bytes are exact");
        assert_eq!(self.len(), entries().count(), "counts are exact");
        assert!(self.len() <= self.config.max_count && self.bytes <= self.config.max_bytes);
        assert_eq!((self.ranking.len(), self.by_age.len()), (self.len(), self.len()));
        let limited = entries().filter(|entry| entry.transaction.transaction().body.valid_until.get() != 0);
        assert_eq!(self.by_last_height.len(), limited.count());
        for (sender, queue) in &self.queues {
            assert!(!queue.entries.is_empty());
            let spent: u64 = queue.entries.values().map(Entry::max_cost).sum();
            assert_eq!(queue.spent_without(None), spent, "sums are exact");
            let mut walk = Walk::new(queue.account);
            for (nonce, entry) in &queue.entries {
                let body = &entry.transaction.transaction().body;
                assert_eq!((body.sender, body.nonce), (*sender, *nonce));
                assert_eq!(self.place_by_id.get(&entry.transaction.txid()), Some(&(*sender, *nonce)));
                let worth = walk.step(*nonce, entry.max_cost(), entry.price);
                assert_eq!(worth, entry.worth);
                let arrival = Reverse(queue.arrival);
                assert!(self.ranking.contains_key(&Rank { worth, arrival, nonce: Reverse(*nonce), sender: *sender }));
            }
        }
        self.assert_selection(&self.select(usize::MAX));
    }

    /// No gap, nothing spent twice.
    fn assert_selection(&self, selected: &[CheckedTransaction]) {
        let mut accounts: HashMap<Address, Account> = HashMap::new();
        for checked in selected {
            let body = &checked.transaction().body;
            let account = accounts.entry(body.sender).or_insert_with(|| self.queues[&body.sender].account);
            assert_eq!(body.nonce, account.nonce, "no gap");
            let left = account.balance.checked_sub(pebbles(body.max_cost())).expect("no balance is oversold");
            *account = Account { balance: left, nonce: account.nonce + 1 };
        }
    }
}

#[test]
fn a_transaction_is_taken_once() {
    let mut pool = small();
    let txid = submit(&mut pool, DRAFT).expect("a good one");
    assert_eq!(submit(&mut pool, DRAFT), Err(PoolError::AlreadyPooled));
    assert_eq!((pool.status(&txid), pool.get(&txid)), (PoolStatus::Pooled, Some(DRAFT.make())));
    let pending = Pending { count: 1, spent: 1_010, next_nonce: Some(1) };
    assert_eq!(pool.pending(&key(1).address()), pending);
    assert_eq!(pool.pending(&key(2).address()), Pending::default());
}

#[test]
fn what_does_not_fit_the_account_is_refused() {
    let (mut pool, sender) = (small(), key(1).address());
    let nobody = pool.admit(DRAFT.make(), &Standing::default(), at(0), at(0));
    assert_eq!(nobody, Err(PoolError::Execution(ExecutionError::UnknownSender { sender })));
    let used = PoolError::Execution(ExecutionError::Nonce { got: 0, expected: 1 });
    assert_eq!(submit_as(&mut pool, account(1, RICH), DRAFT), Err(used));
    let mined = Standing { account: Some(account(1, RICH)), mined: true, price: 0 };
    assert_eq!(pool.admit(DRAFT.make(), &mined, at(0), at(0)), Err(PoolError::AlreadyMined));
    let poor = |balance, needed| {
        Err(PoolError::Execution(ExecutionError::InsufficientBalance { balance: pebbles(balance), needed }))
    };
    assert_eq!(submit_as(&mut pool, account(0, 1_009), DRAFT), poor(1_009, 1_010));
    assert!(submit_as(&mut pool, account(0, 2_019), DRAFT).is_ok());
    assert_eq!(submit_as(&mut pool, account(0, 2_019), Draft { nonce: 1, ..DRAFT }), poor(2_019, 2_020));
    // A replacement spends instead of the old one, not on top of it.
    assert!(submit_as(&mut pool, account(0, 2_019), Draft { fee: 2_009, ..DRAFT }).is_ok());
}

/// The price of state: what a payment may cost for new accounts is kept for it, and what it does not allow is refused.
#[test]
fn the_price_of_new_accounts_is_reserved_and_a_payment_that_does_not_allow_it_is_refused() {
    let mut pool = small();
    let submit = |pool: &mut Pool, draft: Draft, price| {
        let standing = Standing { account: Some(account(0, 4_019)), mined: false, price };
        let result = pool.admit(draft.make(), &standing, at(0), at(0));
        pool.assert_consistent();
        result
    };
    let above = ExecutionError::PriceAboveMax { price: 1_000, max_price: pebbles(999) };
    let refused = submit(&mut pool, Draft { max_price: 999, ..DRAFT }, 1_000);
    assert_eq!(refused, Err(PoolError::Execution(above)));
    assert_eq!(refused.map_err(|error| error.proves()), Err(None), "on another chain the receiver may be there");
    submit(&mut pool, Draft { max_price: 1_000, ..DRAFT }, 1_000).expect("just enough");
    let pending = Pending { count: 1, spent: 2_010, next_nonce: Some(1) };
    assert_eq!(pool.pending(&key(1).address()), pending);
    // The second could be paid for only if the first cost less than it may.
    let second = Draft { nonce: 1, max_price: 1_000, ..DRAFT };
    let short = ExecutionError::InsufficientBalance { balance: pebbles(4_019), needed: 4_020 };
    assert_eq!(submit(&mut pool, second, 0), Err(PoolError::Execution(short)));
    submit(&mut pool, Draft { max_price: 999, ..second }, 0).expect("the negative control");
}

#[test]
fn a_fee_below_a_pebble_a_byte_is_refused() {
    let mut pool = small();
    assert_eq!(submit(&mut pool, Draft { fee: 184, ..DRAFT }), Err(PoolError::FeeTooLow { got: 184, min: 185 }));
    assert!(submit(&mut pool, Draft { fee: 185, ..DRAFT }).is_ok());
}

#[test]
fn a_last_height_too_near_is_refused() {
    let mut pool = small();
    let tip = Height::new(100);
    let soon = PoolError::ExpiresSoon { valid_until: Height::new(103), tip };
    assert_eq!(submit(&mut pool, Draft { valid_until: 103, ..DRAFT }), Err(soon));
    let (valid_until, height) = (tip, Height::new(101));
    let expired = PoolError::Execution(ExecutionError::Expired { valid_until, height });
    assert_eq!(submit(&mut pool, Draft { valid_until: 100, ..DRAFT }), Err(expired));
    assert!(submit(&mut pool, Draft { valid_until: 104, ..DRAFT }).is_ok());
}

#[test]
fn nonces_may_arrive_out_of_order_but_only_a_run_without_a_gap_is_selected() {
    let mut pool = small();
    submit(&mut pool, Draft { nonce: 2, ..DRAFT }).expect("within the limit");
    assert!(pool.select(usize::MAX).is_empty());
    let gap = PoolError::NonceGap { got: 3, expected: 0 };
    assert_eq!(submit(&mut pool, Draft { nonce: 3, ..DRAFT }), Err(gap));
    submit(&mut pool, DRAFT).expect("the first");
    assert_eq!(nonces(&pool.select(usize::MAX)), [0]);
    submit(&mut pool, Draft { nonce: 1, ..DRAFT }).expect("the gap");
    assert_eq!(nonces(&pool.select(usize::MAX)), [0, 1, 2]);
    assert_eq!(submit(&mut pool, Draft { nonce: 3, ..DRAFT }), Err(PoolError::SenderLimit { max: 3 }));
}

#[test]
fn a_replacement_pays_more_and_the_old_one_is_said_to_be_replaced() {
    let mut pool = small();
    let old = submit(&mut pool, DRAFT).expect("a good one");
    let cheap = PoolError::ReplacementFeeTooLow { got: 1_184, min: 1_185 };
    assert_eq!(submit(&mut pool, Draft { fee: 1_184, ..DRAFT }), Err(cheap));
    let by = submit(&mut pool, Draft { fee: 1_185, ..DRAFT }).expect("enough");
    assert_eq!(pool.status(&old), PoolStatus::Dropped(DropReason::Replaced { by }));
    assert_eq!(pool.info().count, 1);
}

#[test]
fn a_full_pool_evicts_the_lowest_rate_and_refuses_what_pays_no_more() {
    let mut pool = small();
    let cheap = submit(&mut pool, Draft { from: 1, fee: 900, ..DRAFT }).expect("room");
    for from in 2..7 {
        submit(&mut pool, Draft { from, ..DRAFT }).expect("room");
    }
    assert_eq!(pool.info().min_fee_rate, 5, "900 for 185 bytes is 4 and a bit");
    let full = Err(PoolError::PoolFull { min_fee_rate: 5 });
    assert_eq!(submit(&mut pool, Draft { from: 7, fee: 900, ..DRAFT }), full, "as much is not more");
    assert!(submit(&mut pool, Draft { from: 7, fee: 901, ..DRAFT }).is_ok());
    assert_eq!(pool.status(&cheap), PoolStatus::Dropped(DropReason::Evicted));
}

#[test]
fn a_tail_is_evicted_before_what_it_follows_and_does_not_shield_it() {
    let mut pool = small();
    let cheap = submit(&mut pool, Draft { fee: 200, ..DRAFT }).expect("room");
    let shield = submit(&mut pool, Draft { nonce: 1, fee: 90_000, ..DRAFT }).expect("room");
    for from in 2..6 {
        submit(&mut pool, Draft { from, ..DRAFT }).expect("room");
    }
    submit(&mut pool, Draft { from: 6, ..DRAFT }).expect("better than a tail behind 200");
    assert_eq!(pool.status(&shield), PoolStatus::Dropped(DropReason::Evicted));
    assert_eq!(pool.status(&cheap), PoolStatus::Pooled);
    submit(&mut pool, Draft { from: 7, ..DRAFT }).expect("better than 200");
    assert_eq!(pool.status(&cheap), PoolStatus::Dropped(DropReason::Evicted));
}

#[test]
fn what_cannot_be_mined_yet_is_evicted_first_and_evicts_nothing() {
    let mut pool = small();
    let waiting = submit(&mut pool, Draft { nonce: 1, fee: 90_000, ..DRAFT }).expect("room");
    for from in 2..7 {
        submit(&mut pool, Draft { from, fee: 185, ..DRAFT }).expect("room");
    }
    assert!(submit(&mut pool, Draft { from: 7, fee: 185, ..DRAFT }).is_ok());
    assert_eq!(pool.status(&waiting), PoolStatus::Dropped(DropReason::Evicted));
    let refused = submit(&mut pool, Draft { nonce: 1, fee: 90_000, ..DRAFT });
    assert_eq!(refused, Err(PoolError::PoolFull { min_fee_rate: 2 }));
}

#[test]
fn a_large_transaction_makes_room_for_all_its_bytes_or_takes_none() {
    let config = PoolConfig { max_bytes: 4 * 185, ..Default::default() };
    let mut pool = Pool::new(config, Height::GENESIS);
    for (from, fee) in [(1, 200), (2, 300), (3, 400), (4, 90_000)] {
        submit(&mut pool, Draft { from, fee, ..DRAFT }).expect("room");
    }
    // 585 bytes leave room for none of the others.
    let large = Draft { from: 5, outputs: 11, fee: 5_770, ..DRAFT };
    assert_eq!(submit(&mut pool, large), Err(PoolError::PoolFull { min_fee_rate: 487 }));
    assert_eq!(pool.info().count, 4, "nothing was evicted in vain");
    assert!(submit(&mut pool, Draft { fee: 577_000, ..large }).is_ok());
    assert_eq!(pool.info().count, 1);
}

#[test]
fn a_block_is_filled_by_rate_in_order_of_nonce() {
    let mut pool = Pool::new(PoolConfig::default(), Height::GENESIS);
    for (from, nonce, fee) in [(1, 0, 300), (1, 1, 9_000), (2, 0, 500), (3, 0, 400), (3, 1, 350)] {
        submit(&mut pool, Draft { from, nonce, fee, ..DRAFT }).expect("room");
    }
    let fees = |pool: &Pool, max_bytes| -> Vec<u64> {
        pool.select(max_bytes).iter().map(|checked| checked.transaction().body.fee.pebbles()).collect()
    };
    assert_eq!(fees(&pool, usize::MAX), [500, 400, 350, 300, 9_000]);
    assert_eq!(fees(&pool, 3 * 185 + 184), [500, 400, 350]);
    assert!(fees(&pool, 184).is_empty());
    // What is too large for the rest keeps its successors out, and nobody else.
    submit(&mut pool, Draft { from: 4, outputs: 11, fee: 57_700, ..DRAFT }).expect("room");
    submit(&mut pool, Draft { from: 4, nonce: 1, fee: 50_000, ..DRAFT }).expect("room");
    assert_eq!(fees(&pool, 2 * 185), [500, 400]);
}

#[test]
fn what_was_mined_leaves_and_what_it_made_impossible_is_dropped() {
    let mut pool = small();
    let mined = submit(&mut pool, DRAFT).expect("room");
    let beaten = submit(&mut pool, Draft { from: 2, ..DRAFT }).expect("room");
    let next = submit(&mut pool, Draft { nonce: 1, ..DRAFT }).expect("room");
    let accounts = [(key(1).address(), account(1, RICH)), (key(2).address(), account(1, RICH))];
    let change =
        TipChange { height: Height::new(101), accounts: accounts.into(), mined: [mined].into(), is_reorganised: false };
    pool.on_tip(at(1), change);
    pool.assert_consistent();
    let statuses = [mined, beaten, next].map(|txid| pool.status(&txid));
    assert_eq!(
        statuses,
        [PoolStatus::Unknown, PoolStatus::Dropped(DropReason::NonceUsed), PoolStatus::Pooled],
        "the pool knows nothing of mined ones: the chain does"
    );
}

/// A pool that read of a sender's account with nonce 2, and took the last transaction that this allows.
fn ahead_of_the_news() -> (Pool, TxId) {
    let mut pool = small();
    let last = submit_as(&mut pool, account(2, RICH), Draft { nonce: 4, ..DRAFT }).expect("the last of three");
    (pool, last)
}

/// An event once took the account back to where it was before a newer read, and what had been accepted then was
/// dropped.
#[test]
fn news_older_than_what_was_read_change_nothing() {
    let (mut pool, last) = ahead_of_the_news();
    let accounts = [(key(1).address(), account(1, RICH))].into();
    pool.on_tip(at(1), TipChange { height: Height::new(101), accounts, ..TipChange::default() });
    pool.assert_consistent();
    assert_eq!((pool.status(&last), pool.pending(&key(1).address()).next_nonce), (PoolStatus::Pooled, Some(2)));
}

#[test]
fn a_nonce_falls_where_a_transaction_returns_or_news_were_missed() {
    let accounts = [(key(1).address(), account(1, RICH))];
    let (mut told, last) = ahead_of_the_news();
    told.on_tip(at(1), TipChange { accounts: accounts.into(), is_reorganised: true, ..TipChange::default() });
    let (mut lagging, _) = ahead_of_the_news();
    let height = Height::new(101);
    lagging
        .on_tip(at(1), TipChange { height, accounts: accounts.into(), is_reorganised: true, ..TipChange::default() });
    for mut pool in [told, lagging] {
        pool.assert_consistent();
        assert_eq!(pool.pending(&key(1).address()).next_nonce, Some(1), "what comes before it is displaced");
        pool.take_back(at(1), (1..4).map(|nonce| Draft { nonce, ..DRAFT }.make()).collect(), &accounts.into());
        pool.assert_consistent();
        assert_eq!(pool.status(&last), PoolStatus::Pooled);
    }
}

#[test]
fn displaced_transactions_return_and_wait_for_the_money_they_spend() {
    let mut pool = small();
    let rich = account(1, RICH);
    let next = submit_as(&mut pool, rich, Draft { nonce: 1, ..DRAFT }).expect("room");
    // The block with sender 1's first payment, and sender 2's, who spent what that block gave, is gone.
    let returned = vec![DRAFT.make(), Draft { from: 2, ..DRAFT }.make(), Draft { from: 3, ..DRAFT }.make()];
    let accounts = [(1, account(0, RICH)), (2, account(0, 0)), (3, account(1, RICH))];
    let accounts: BTreeMap<_, _> = accounts.map(|(from, account)| (key(from).address(), account)).into();
    let (height, is_reorganised) = (Height::new(100), true);
    pool.on_tip(at(1), TipChange { height, accounts: accounts.clone(), is_reorganised, ..TipChange::default() });
    pool.take_back(at(1), returned.clone(), &accounts);
    pool.assert_consistent();
    let selected = pool.select(usize::MAX);
    assert_eq!(selected.iter().map(CheckedTransaction::txid).collect::<Vec<_>>(), [returned[0].txid(), next]);
    assert_eq!(pool.status(&returned[1].txid()), PoolStatus::Pooled, "its money may come back");
    assert_eq!(pool.status(&returned[2].txid()), PoolStatus::Dropped(DropReason::NonceUsed));
    let accounts = [(key(2).address(), account(0, 1_010))].into();
    let change = TipChange { height: Height::new(101), accounts, ..TipChange::default() };
    pool.on_tip(at(2), change);
    pool.assert_consistent();
    assert_eq!(pool.select(usize::MAX).len(), 3, "the money came back");
}

#[test]
fn waiting_ends_with_the_last_height_or_after_the_longest_time() {
    let mut pool = small();
    let limited = submit(&mut pool, Draft { valid_until: 104, ..DRAFT }).expect("room");
    let next = submit(&mut pool, Draft { nonce: 1, ..DRAFT }).expect("room");
    let to = |height| TipChange { height: Height::new(height), ..TipChange::default() };
    pool.on_tip(at(1), to(103));
    assert_eq!(pool.status(&limited), PoolStatus::Pooled, "104 may still be its block");
    pool.on_tip(at(2), to(104));
    pool.assert_consistent();
    assert_eq!((pool.status(&limited), pool.status(&next)), (PoolStatus::Expired, PoolStatus::Pooled));
    assert!(pool.select(usize::MAX).is_empty(), "what follows a gap waits");
    pool.on_time(at(9_999));
    assert_eq!(pool.status(&next), PoolStatus::Pooled);
    pool.on_time(at(10_000));
    pool.assert_consistent();
    assert_eq!(pool.status(&next), PoolStatus::Dropped(DropReason::TooOld));
    assert_eq!((pool.info().count, pool.info().senders, pool.info().bytes), (0, 0, 0));
}

/// What was mined and displaced was once given up beyond the number that a sender may hand in: a faucet's payments, or
/// an exchange's, were lost in a reorganisation of two blocks.
#[test]
fn all_displaced_payments_of_a_sender_come_back() {
    let config = PoolConfig { max_count: 400, max_per_sender: 3, ..Default::default() };
    let mut pool = Pool::new(config, Height::new(100));
    for nonce in 200..203 {
        submit_as(&mut pool, account(200, RICH), Draft { nonce, ..DRAFT }).expect("room");
    }
    let accounts: BTreeMap<_, _> = [(key(1).address(), account(0, RICH))].into();
    let change = TipChange { accounts: accounts.clone(), is_reorganised: true, ..TipChange::default() };
    pool.on_tip(at(1), TipChange { height: Height::new(99), ..change });
    for block in 0..2 {
        let returned = (100 * block..100 * (block + 1)).map(|nonce| Draft { nonce, ..DRAFT }.make());
        pool.take_back(at(1), returned.collect(), &accounts);
        pool.assert_consistent();
    }
    assert_eq!(nonces(&pool.select(usize::MAX)), (0..203).collect::<Vec<_>>());
    let more = submit_as(&mut pool, account(0, RICH), Draft { nonce: 203, ..DRAFT });
    assert_eq!(more, Err(PoolError::SenderLimit { max: 3 }), "the control: it may not hand in more");
    // They are mined again, as many as before.
    let mined = (0..200).map(|nonce| Draft { nonce, ..DRAFT }.make().txid()).collect();
    let accounts = [(key(1).address(), account(200, RICH))].into();
    pool.on_tip(at(2), TipChange { height: Height::new(101), accounts, mined, is_reorganised: false });
    pool.assert_consistent();
    assert_eq!(nonces(&pool.select(usize::MAX)), [200, 201, 202]);
    submit_as(&mut pool, account(200, RICH), Draft { nonce: 203, ..DRAFT }).expect_err("three wait");
}

#[test]
fn displaced_payments_stay_within_the_limits_of_the_pool() {
    let mut pool = small();
    let honest = submit(&mut pool, Draft { from: 2, fee: 5_000, ..DRAFT }).expect("room");
    let accounts = [(key(1).address(), account(0, RICH))].into();
    let returned: Vec<_> = (0..50).map(|nonce| Draft { nonce, ..DRAFT }.make()).collect();
    pool.take_back(at(1), returned.clone(), &accounts);
    pool.assert_consistent();
    assert_eq!(pool.status(&honest), PoolStatus::Pooled, "it pays more");
    assert_eq!(
        nonces(&pool.of_sender(&key(1).address()).into_iter().map(|e| e.transaction).collect::<Vec<_>>()),
        [0, 1, 2, 3, 4]
    );
    assert_eq!(pool.status(&returned[49].txid()), PoolStatus::Dropped(DropReason::Evicted));
}

mod model {
    //! The pool against a list that is searched from end to end.

    use super::*;
    use proptest::prelude::*;

    const SENDERS: u64 = 4;

    #[derive(Clone, Debug)]
    enum Event {
        Submit(Draft),
        /// A block with the best of the pool, up to so many; and another payment of the sender, if any.
        Mine {
            most: usize,
            other: Option<u64>,
        },
        /// So many blocks are replaced with one more, all empty.
        Reorganise {
            depth: usize,
        },
        /// So many milliseconds pass.
        Wait(u64),
    }

    fn any_draft() -> impl Strategy<Value = Draft> {
        let fees = prop::sample::select(vec![100, 185, 240, 300, 700, 2_000, 9_000]);
        let lasts = prop::sample::select(vec![0, 0, 0, 103, 106, 110]);
        let (amounts, prices) = (prop::sample::select(vec![1, 3_000, 20_000]), prop::sample::select(vec![0, 0, 5_000]));
        (1..=SENDERS, 0..8u64, amounts, fees, 1..4u64, lasts, prices).prop_map(
            |(from, nonce, amount, fee, outputs, valid_until, max_price)| Draft {
                from,
                nonce,
                amount,
                fee,
                outputs,
                valid_until,
                max_price,
            },
        )
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            12 => any_draft().prop_map(Event::Submit),
            2 => (0..4usize, prop::option::of(1..=SENDERS)).prop_map(|(most, other)| Event::Mine { most, other }),
            1 => (1..4usize).prop_map(|depth| Event::Reorganise { depth }),
            1 => (1..400u64).prop_map(Event::Wait),
        ]
    }

    /// The model: a list, and a chain of accounts.
    struct Model {
        config: PoolConfig,
        now: Timestamp,
        height: Height,
        accounts: BTreeMap<Address, Account>,
        blocks: Vec<(BTreeMap<Address, Account>, Vec<CheckedTransaction>)>,
        list: Vec<(CheckedTransaction, Timestamp)>,
        /// Senders in the order in which they came, as long as they have something in the list.
        arrived: Vec<Address>,
    }

    fn sender(checked: &CheckedTransaction) -> Address {
        checked.transaction().body.sender
    }

    fn nonce(checked: &CheckedTransaction) -> u64 {
        checked.transaction().body.nonce
    }

    impl Model {
        fn new(config: PoolConfig) -> Self {
            let accounts = (1..=SENDERS).map(|n| (key(n).address(), account(0, 60_000))).collect();
            let (now, height) = (at(1_000), Height::new(100));
            Self { config, now, height, accounts, blocks: Vec::new(), list: Vec::new(), arrived: Vec::new() }
        }

        /// Ready?, the lowest rate up to it, and the order of arrival: by searching everything before it.
        fn rank(&self, checked: &CheckedTransaction) -> (bool, FeeRate, Reverse<usize>, Reverse<u64>) {
            let account = self.accounts[&sender(checked)];
            let others = self.list.iter().map(|(other, _)| other).filter(|other| sender(other) == sender(checked));
            let run: Vec<_> = others.filter(|other| nonce(other) < nonce(checked)).chain([checked]).collect();
            let most: u64 = run.iter().map(|other| other.transaction().body.max_cost()).sum();
            let gapless = run.len() as u64 == nonce(checked) + 1 - account.nonce;
            let rate = run.iter().map(|other| FeeRate::of(other.transaction())).min().expect("itself");
            let arrival = self.arrived.iter().position(|address| *address == sender(checked));
            let arrival = Reverse(arrival.unwrap_or(self.arrived.len()));
            (gapless && most <= account.balance.pebbles(), rate, arrival, Reverse(nonce(checked)))
        }

        fn ranked(&self) -> Vec<CheckedTransaction> {
            let mut ranked: Vec<_> = self.list.iter().map(|(checked, _)| (self.rank(checked), checked)).collect();
            ranked.sort_by_key(|(rank, _)| *rank);
            ranked.into_iter().map(|(_, checked)| checked.clone()).collect()
        }

        fn insert(&mut self, checked: CheckedTransaction) -> bool {
            let rank = self.rank(&checked);
            let (mut kept, mut ranked) = (self.list.clone(), self.ranked().into_iter());
            kept.retain(|(other, _)| (sender(other), nonce(other)) != (sender(&checked), nonce(&checked)));
            loop {
                let bytes: usize = kept.iter().map(|(other, _)| other.transaction().size()).sum();
                let full = bytes + checked.transaction().size() > self.config.max_bytes;
                if kept.len() < self.config.max_count && !full {
                    break;
                }
                let Some(worst) = ranked.next() else { return false };
                if (self.rank(&worst).0, self.rank(&worst).1) >= (rank.0, rank.1) {
                    return false;
                }
                kept.retain(|(other, _)| *other != worst);
            }
            self.list = kept;
            self.tidy();
            if !self.arrived.contains(&sender(&checked)) {
                self.arrived.push(sender(&checked));
            }
            self.list.push((checked, self.now));
            true
        }

        fn tidy(&mut self) {
            let list = &self.list;
            self.arrived.retain(|address| list.iter().any(|(checked, _)| sender(checked) == *address));
        }

        fn submit(&mut self, checked: &CheckedTransaction) -> Result<TxId, Option<PoolError>> {
            if self.list.iter().any(|(other, _)| other == checked) {
                return Err(Some(PoolError::AlreadyPooled));
            }
            let standing = self.standing(checked);
            let queue: Vec<_> =
                self.list.iter().map(|(other, _)| other).filter(|other| sender(other) == sender(checked)).collect();
            let rival = queue.iter().find(|other| nonce(other) == nonce(checked));
            let others = queue.iter().filter(|other| nonce(other) != nonce(checked));
            let first = self.accounts[&sender(checked)].nonce;
            let neighbours = Neighbours {
                spent: others.map(|other| other.transaction().body.max_cost()).sum(),
                missing: (first..).find(|missing| !queue.iter().any(|other| nonce(other) == *missing)).expect("one"),
                rival: rival.map(|rival| FeeRate::of(rival.transaction())),
            };
            judge(&self.config, self.height, checked.transaction(), &standing, &neighbours).map_err(Some)?;
            if self.insert(checked.clone()) { Ok(checked.txid()) } else { Err(None) }
        }

        fn standing(&self, checked: &CheckedTransaction) -> Standing {
            let mined = self.blocks.iter().any(|(_, block)| block.contains(checked));
            Standing { account: self.accounts.get(&sender(checked)).copied(), mined, price: 0 }
        }

        /// Follows the chain to where `accounts` and `height` say.
        fn moved(&mut self, returned: &[CheckedTransaction]) {
            let (accounts, height) = (&self.accounts, self.height);
            let fits = |checked: &CheckedTransaction| accounts[&sender(checked)].nonce <= nonce(checked);
            let lives = |checked: &CheckedTransaction| !has_expired(checked.transaction().body.valid_until, height);
            self.list.retain(|(checked, _)| fits(checked) && lives(checked));
            let back: Vec<_> = returned.iter().filter(|checked| fits(checked) && lives(checked)).cloned().collect();
            self.tidy();
            for checked in back {
                let taken =
                    |other: &CheckedTransaction| (sender(other), nonce(other)) == (sender(&checked), nonce(&checked));
                if self.list.iter().any(|(other, _)| taken(other)) {
                    continue;
                }
                if !self.arrived.contains(&sender(&checked)) {
                    self.arrived.push(sender(&checked));
                }
                self.list.push((checked, self.now));
            }
            while self.is_over() {
                let worst = self.ranked().remove(0);
                self.list.retain(|(other, _)| *other != worst);
            }
            self.tidy();
        }

        fn is_over(&self) -> bool {
            let bytes: usize = self.list.iter().map(|(checked, _)| checked.transaction().size()).sum();
            self.list.len() > self.config.max_count || bytes > self.config.max_bytes
        }

        fn mine(&mut self, block: Vec<CheckedTransaction>) -> TipChange {
            let before = self.accounts.clone();
            for checked in &block {
                let account = self.accounts.get_mut(&sender(checked)).expect("a known sender");
                let left = account.balance.checked_sub(pebbles(checked.transaction().body.total()));
                *account = Account { balance: left.expect("it can pay"), nonce: account.nonce + 1 };
            }
            // Someone was paid as well.
            let lucky = key(1 + block.len() as u64 % SENDERS).address();
            let account = self.accounts.get_mut(&lucky).expect("a known sender");
            account.balance = account.balance.checked_add(pebbles(10_000)).expect("a small sum");
            self.height = self.height.saturating_add(1);
            let mined = block.iter().map(CheckedTransaction::txid).collect();
            self.blocks.push((before, block));
            self.moved(&[]);
            TipChange { height: self.height, accounts: self.accounts.clone(), mined, is_reorganised: false }
        }

        fn reorganise(&mut self, depth: usize) -> (TipChange, Vec<CheckedTransaction>) {
            let gone = self.blocks.split_off(self.blocks.len().saturating_sub(depth));
            let returned: Vec<_> = gone.iter().flat_map(|(_, block)| block).cloned().collect();
            if let Some((before, _)) = gone.into_iter().next() {
                self.accounts = before;
            }
            self.height = self.height.saturating_add(1);
            self.moved(&returned);
            let (height, accounts) = (self.height, self.accounts.clone());
            (TipChange { height, accounts, is_reorganised: true, ..TipChange::default() }, returned)
        }
    }

    fn step(pool: &mut Pool, model: &mut Model, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Submit(draft) => {
                let checked = draft.make();
                let got = pool.admit(checked.clone(), &model.standing(&checked), model.now, model.now);
                match model.submit(&checked) {
                    Ok(txid) => prop_assert_eq!(got, Ok(txid)),
                    Err(Some(expected)) => prop_assert_eq!(got, Err(expected)),
                    Err(None) => {
                        let full = matches!(got, Err(PoolError::PoolFull { .. }));
                        prop_assert!(full, "expected a full pool, got {:?}", got);
                    }
                }
            }
            Event::Mine { most, other } => {
                let mut block = pool.select(usize::MAX);
                block.truncate(most);
                if let Some(from) = other {
                    let taken = block.iter().filter(|checked| sender(checked) == key(from).address()).count() as u64;
                    let nonce = model.accounts[&key(from).address()].nonce + taken;
                    let rest = model.accounts[&key(from).address()].balance.pebbles();
                    if taken == 0 && rest >= 1_007 {
                        block.push(Draft { from, nonce, amount: 7, fee: 1_000, ..DRAFT }.make());
                    }
                }
                pool.on_tip(model.now, model.mine(block));
            }
            Event::Reorganise { depth } => {
                let (change, returned) = model.reorganise(depth);
                let accounts = change.accounts.clone();
                pool.on_tip(model.now, change);
                pool.take_back(model.now, returned, &accounts);
            }
            Event::Wait(millis) => {
                model.now = model.now.saturating_add(millis);
                let (now, expiry) = (model.now, model.config.expiry.as_millis() as u64);
                model.list.retain(|(_, added)| now.since(*added) < expiry);
                model.tidy();
                pool.on_time(now);
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_pool_is_the_model(events in prop::collection::vec(any_event(), 1..120)) {
            let config = PoolConfig {
                max_count: 9,
                max_bytes: 1_800,
                max_per_sender: 4,
                expiry: Duration::from_millis(1_000),
                ..PoolConfig::default()
            };
            let mut model = Model::new(config.clone());
            let mut pool = Pool::new(config, model.height);
            for event in events {
                step(&mut pool, &mut model, event)?;
                pool.assert_consistent();
                let ids = |list: Vec<CheckedTransaction>| list.iter().map(CheckedTransaction::txid).collect::<Vec<_>>();
                let pooled = pool.transactions().map(|entry| entry.transaction.clone()).collect();
                let mut expected = model.ranked();
                expected.reverse();
                prop_assert_eq!(ids(pooled), ids(expected));
                for (sender, account) in &model.accounts {
                    prop_assert!(pool.queues.get(sender).is_none_or(|queue| queue.account == *account));
                }
            }
        }
    }
}

#[test]
fn a_dry_run_says_what_admission_would_and_changes_nothing() {
    let mut pool = small();
    let standing = Standing { account: Some(account(0, RICH)), mined: false, price: 0 };
    let drafts = (1..=8).map(|from| Draft { from, fee: 1_000 + from % 2, ..DRAFT });
    for draft in drafts.chain([Draft { from: 9, fee: 0, ..DRAFT }, Draft { from: 10, fee: 9_000, ..DRAFT }]) {
        let before = pool.info();
        let tried = pool.try_admit(&draft.make(), &standing, at(0));
        assert_eq!(pool.info(), before);
        assert_eq!(tried, submit(&mut pool, draft).map(drop), "{draft:?}");
    }
    assert_eq!(pool.len(), pool.config.max_count, "it was full, too");
}

#[test]
fn a_refusal_is_remembered_unless_something_better_is_known() {
    let mut pool = small();
    let refusal = PoolError::FeeTooLow { got: 0, min: 185 };
    let (gone, here) = (DRAFT.make().txid(), submit(&mut pool, Draft { from: 2, ..DRAFT }).expect("it is taken"));
    for error in [PoolError::AlreadyPooled, PoolError::AlreadyMined, PoolError::Invalid(TxError::Signature)] {
        pool.remember_refusals(vec![(gone, error)], at(0));
        assert_eq!(pool.status(&gone), PoolStatus::Unknown, "{error}");
    }
    pool.remember_refusals(vec![(gone, refusal)], at(0));
    assert_eq!(pool.status(&gone), PoolStatus::Dropped(DropReason::Refused(refusal)));
    pool.remember_refusals(vec![(here, refusal)], at(0));
    assert_eq!(pool.status(&here), PoolStatus::Pooled);
    submit(&mut pool, DRAFT).expect("later it is taken");
    assert_eq!(pool.status(&gone), PoolStatus::Pooled);
}

#[test]
fn pages_follow_the_order_of_arrival_and_a_place_outlives_its_transaction() {
    let mut pool = small();
    let standing = Standing { account: Some(account(0, RICH)), mined: false, price: 0 };
    let ids: Vec<TxId> = (1..=5)
        .map(|from| pool.admit(Draft { from, ..DRAFT }.make(), &standing, at(from), at(from)).expect("it is taken"))
        .collect();
    let of = |page: Vec<Waiting>| page.iter().map(|entry| entry.transaction.txid()).collect::<Vec<_>>();
    assert_eq!(of(pool.page(None, 2)), ids[..2]);
    pool.drop_transaction(&ids[1], DropReason::Evicted, at(5));
    assert_eq!(of(pool.page(Some((at(2), ids[1])), 9)), ids[2..]);
    assert_eq!(of(pool.of_sender(&key(4).address())), ids[3..4]);
    assert!(pool.of_sender(&key(9).address()).is_empty());
}

#[test]
fn an_estimate_beats_the_first_that_would_be_left_out() {
    let mut pool = small();
    for (from, fee) in [(1, 1_000), (2, 2_000), (3, 3_000)] {
        submit(&mut pool, Draft { from, fee, ..DRAFT }).expect("it is taken");
    }
    let size = DRAFT.make().transaction().size();
    let estimate = pool.estimate(2 * size);
    assert_eq!((estimate.rate, estimate.ahead, estimate.pooled), (1_000 / size as u64 + 1, 2 * size, 3 * size));
    assert_eq!(pool.estimate(3 * size).rate, pool.config.min_fee_rate, "there is room for all");
}
