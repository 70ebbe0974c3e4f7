//! What was given, and whether more may be: pure. The time is an argument, and it never runs backwards here: a clock
//! that is set back does not open a limit that was reached.

use super::challenge::GrantId;
use super::prefix::IpPrefix;
use super::price::Load;
use super::refusal::Refusal;
use cairn_ledger::{Amount, TxId};

/// Limits count what was given within so long.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The pace that the price looks at.
const HOUR_MS: u64 = 60 * 60 * 1_000;
/// How many times what one prefix may have the one around it may.
pub const WIDE_FACTOR: u64 = 5;

/// What is given away at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What one visitor gets.
    pub amount: Amount,
    /// How many gifts of that there are in 24 hours.
    pub per_day: u64,
    /// How many of them a prefix gets: /24 of IPv4, /64 of IPv6.
    pub per_prefix: u64,
}

/// A gift that was promised; on disk before it is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which.
    pub id: GrantId,
    /// When it was promised, Unix ms.
    pub time: u64,
    /// To whom.
    pub address: String,
    /// From where it was asked for.
    pub from: IpPrefix,
    /// How much.
    pub amount: Amount,
    /// The payment, once it is mined and buried.
    pub settled: Option<TxId>,
}

/// What was given in the last day, or is not settled yet.
#[derive(Debug)]
pub struct Book {
    limits: Limits,
    /// In the order of their times.
    grants: Vec<Grant>,
    /// The latest time that was seen here.
    newest: u64,
}

impl Limits {
    /// The most that is given away in 24 hours.
    pub fn budget(&self) -> Amount {
        let pebbles = self.amount.pebbles().saturating_mul(self.per_day);
        Amount::from_pebbles(pebbles).unwrap_or(Amount::MAX)
    }
}

impl Book {
    /// With what was given before, in the order of its times.
    pub fn new(limits: Limits, grants: Vec<Grant>) -> Self {
        let newest = grants.iter().map(|grant| grant.time).max().unwrap_or_default();
        Self { limits, grants, newest }
    }

    /// The time that counts when the clock says `clock`.
    pub fn now(&self, clock: u64) -> u64 {
        clock.max(self.newest)
    }

    /// How far the clock is behind what was given last, in ms.
    pub fn clock_lag(&self, clock: u64) -> u64 {
        self.newest.saturating_sub(clock)
    }

    /// What a visitor's work is priced by, if there is anything for it.
    ///
    /// # Errors
    /// The limit that was reached, and when it opens again.
    pub fn check(&self, clock: u64, address: &str, from: IpPrefix) -> Result<Load, Refusal> {
        let now = self.now(clock);
        if let Some(grant) = self.recent(now).find(|grant| grant.address == address) {
            return Err(Refusal::AddressLimit { id: grant.id, again: reopens(grant) });
        }
        if let Some(again) = self.budget_opens(now) {
            return Err(Refusal::BudgetUsed { budget: self.limits.budget(), again });
        }
        let (per_narrow, wide) = (self.limits.per_prefix, from.wide());
        let per_wide = per_narrow.saturating_mul(WIDE_FACTOR);
        let narrow_count = self.prefix_count(now, per_narrow, from, |grant| grant.from == from)?;
        let wide_count = self.prefix_count(now, per_wide, wide, |grant| grant.from.wide() == wide)?;
        Ok(Load { narrow: narrow_count, per_narrow, wide: wide_count, per_wide, ..self.load(clock) })
    }

    /// What everybody's work is priced by.
    pub fn load(&self, clock: u64) -> Load {
        let now = self.now(clock);
        let hour = self.recent(now).filter(|grant| now - grant.time < HOUR_MS).count() as u64;
        Load { hour, day: self.recent(now).count() as u64, per_day: self.limits.per_day, ..Load::default() }
    }

    /// How many a prefix has had, if it may have more.
    fn prefix_count(
        &self,
        now: u64,
        most: u64,
        prefix: IpPrefix,
        is_of: impl Fn(&Grant) -> bool,
    ) -> Result<u64, Refusal> {
        let of: Vec<&Grant> = self.recent(now).filter(|grant| is_of(grant)).collect();
        let count = of.len() as u64;
        if count < most {
            return Ok(count);
        }
        // Of more than there may be, because there might have been more before: those that have to grow old.
        let place = usize::try_from(count - most).unwrap_or(usize::MAX);
        let again = of.get(place).map_or(now.saturating_add(DAY_MS), |grant| reopens(grant));
        Err(Refusal::PrefixLimit { prefix, again })
    }

    /// When the budget has room for one more, if it has none now.
    pub fn budget_opens(&self, clock: u64) -> Option<u64> {
        let (now, budget) = (self.now(clock), self.limits.budget().pebbles());
        let room = budget.checked_sub(self.limits.amount.pebbles());
        let mut given = self.given(clock);
        let mut opens = None;
        for grant in self.recent(now) {
            if room.is_some_and(|room| given <= room) {
                break;
            }
            given = given.saturating_sub(grant.amount.pebbles());
            opens = Some(reopens(grant));
        }
        opens
    }

    /// What was given in the last 24 hours, in pebbles.
    pub fn given(&self, clock: u64) -> u64 {
        let amounts = self.recent(self.now(clock)).map(|grant| grant.amount.pebbles());
        amounts.fold(0, u64::saturating_add)
    }

    /// How many more there are within the budget.
    pub fn left(&self, clock: u64) -> u64 {
        let left = self.limits.budget().pebbles().saturating_sub(self.given(clock));
        left / self.limits.amount.pebbles().max(1)
    }

    fn recent(&self, now: u64) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(move |grant| now.saturating_sub(grant.time) < DAY_MS)
    }

    /// The gift of this id.
    pub fn grant(&self, id: GrantId) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.id == id)
    }

    /// Takes down what was promised, and forgets what no limit needs any more.
    pub fn add(&mut self, grant: Grant) {
        self.newest = self.newest.max(grant.time);
        let now = self.newest;
        self.grants.retain(|old| now.saturating_sub(old.time) < DAY_MS || old.settled.is_none());
        self.grants.push(grant);
    }

    /// Notes that a gift has arrived for good.
    pub fn settle(&mut self, id: GrantId, txid: TxId) {
        if let Some(grant) = self.grants.iter_mut().find(|grant| grant.id == id) {
            grant.settled = Some(txid);
        }
    }

    /// What is promised and not settled, the oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(|grant| grant.settled.is_none())
    }

    /// All that is still of use.
    #[cfg(test)]
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }
}

/// When the day of a gift is over.
fn reopens(grant: &Grant) -> u64 {
    grant.time.saturating_add(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crn(text: &str) -> Amount {
        text.parse().expect("an amount")
    }

    fn limits() -> Limits {
        Limits { amount: crn("10"), per_day: 5, per_prefix: 2 }
    }

    fn from(text: &str) -> IpPrefix {
        IpPrefix::narrow(text.parse().expect("an address"))
    }

    fn grant(number: u8, time: u64, ip: &str) -> Grant {
        let (id, address) = (GrantId::of(number), format!("a{number}"));
        Grant { id, time, address, from: from(ip), amount: crn("10"), settled: None }
    }

    /// A day that began long ago.
    const T: u64 = 1_000 * DAY_MS;

    fn book(grants: &[(u64, &str)]) -> Book {
        let grants = grants.iter().zip(1..).map(|((time, ip), number)| grant(number, *time, ip));
        Book::new(limits(), grants.collect())
    }

    #[test]
    fn an_address_gets_one_a_day() {
        let book = book(&[(T, "192.0.2.1")]);
        let other = from("198.51.100.1");
        let refused = Refusal::AddressLimit { id: GrantId::of(1), again: T + DAY_MS };
        assert_eq!(book.check(T, "a1", other), Err(refused.clone()));
        assert_eq!(book.check(T + DAY_MS - 1, "a1", other), Err(refused));
        assert!(book.check(T + DAY_MS, "a1", other).is_ok());
        assert!(book.check(T, "a2", other).is_ok(), "the control");
    }

    #[test]
    fn a_clock_that_is_set_back_opens_nothing() {
        let book = book(&[(T, "192.0.2.1"), (T + 1, "192.0.2.1")]);
        for clock in [0, T - 10 * DAY_MS, T - 1] {
            assert!(matches!(book.check(clock, "a1", from("198.51.100.1")), Err(Refusal::AddressLimit { .. })));
            let refused = Refusal::PrefixLimit { prefix: from("192.0.2.1"), again: T + DAY_MS };
            assert_eq!(book.check(clock, "x", from("192.0.2.77")), Err(refused));
            assert_eq!((book.left(clock), book.now(clock)), (3, T + 1));
        }
        assert_eq!((book.clock_lag(T), book.clock_lag(T + 5)), (1, 0));
    }

    #[test]
    fn the_day_has_its_budget_and_not_a_gift_more() {
        let ips = ["192.0.2.1", "198.51.100.1", "203.0.113.1", "192.168.0.1", "10.0.0.1"];
        let mut book = Book::new(limits(), Vec::new());
        for (ip, number) in ips.iter().zip(1..) {
            assert!(book.check(T, "x", from("100.64.0.1")).is_ok(), "{number}");
            book.add(grant(number, T + u64::from(number), ip));
        }
        let refused = Refusal::BudgetUsed { budget: crn("50"), again: T + 1 + DAY_MS };
        assert_eq!(book.check(T + 9, "x", from("100.64.0.1")), Err(refused));
        assert_eq!((book.left(T + 9), book.given(T + 9)), (0, 5_000_000_000));
        assert!(book.check(T + 1 + DAY_MS, "x", from("100.64.0.1")).is_ok(), "one has grown old");
        // Larger gifts than before: the money counts, and not their number.
        let dearer = Limits { amount: crn("30"), per_day: 2, ..limits() };
        let book = Book::new(dearer, book.grants().to_vec());
        let refused = Refusal::BudgetUsed { budget: crn("60"), again: T + 2 + DAY_MS };
        assert_eq!(book.check(T + 9, "x", from("100.64.0.1")), Err(refused));
    }

    #[test]
    fn neighbours_share_a_limit_by_64_bits_of_ipv6_too() {
        let book = book(&[(T, "2001:db8:1:2::1"), (T + 1, "2001:db8:1:2:ffff::1")]);
        let check = |ip| book.check(T + 2, "x", from(ip));
        assert_eq!(
            check("2001:db8:1:2:abcd::9"),
            Err(Refusal::PrefixLimit { prefix: from("2001:db8:1:2::"), again: T + DAY_MS })
        );
        let load = check("2001:db8:1:3::1").expect("another house");
        assert_eq!((load.narrow, load.wide, load.per_wide), (0, 2, 10));
        assert_eq!(check("2001:db8:2::1").map(|load| load.wide), Ok(0));
    }

    #[test]
    fn whoever_rents_a_neighbourhood_meets_its_limit() {
        let limits = Limits { per_day: 1_000, ..limits() };
        let ip = |n: u8| format!("192.0.{n}.1");
        let grants = (1..=10).map(|n| grant(n, T + u64::from(n), &ip(n))).collect();
        let book = Book::new(limits, grants);
        let refused = Refusal::PrefixLimit { prefix: from("192.0.2.1").wide(), again: T + 1 + DAY_MS };
        assert_eq!(book.check(T + 20, "x", from(&ip(11))), Err(refused));
        assert!(book.check(T + 20, "x", from("192.1.0.1")).is_ok(), "the control");
    }

    #[test]
    fn what_is_old_is_forgotten_and_what_is_open_is_not() {
        let mut book = book(&[(T, "192.0.2.1"), (T + 1, "198.51.100.1")]);
        book.settle(GrantId::of(1), TxId::from_bytes([9; 32]));
        book.add(grant(3, T + 2 * DAY_MS, "203.0.113.1"));
        let left: Vec<GrantId> = book.grants().iter().map(|grant| grant.id).collect();
        assert_eq!(left, [GrantId::of(2), GrantId::of(3)]);
        assert_eq!((book.open().count(), book.load(0).day), (2, 1));
    }
}
