//! The book under visitors of all kinds and a clock that jumps: whatever comes in whatever order, no 24 hours of the
//! time that passed give more than they may, and no address or prefix gets more than its share.

use super::book::{Book, DAY_MS, Grant, Limits, WIDE_FACTOR};
use super::challenge::GrantId;
use super::prefix::IpPrefix;
use cairn_ledger::{Amount, TxId};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

/// One step: who asks from where, by how much the clock jumps, whether an earlier gift settles before it, whether the
/// faucet is started again before it.
type Step = (u8, u8, u8, i64, bool, bool);

fn step() -> impl Strategy<Value = Step> {
    let hour = 60 * 60 * 1_000_i64;
    let jump = prop_oneof![4 => 0..hour, 2 => 0..12 * hour, 1 => -40 * hour..0, 1 => 20 * hour..50 * hour];
    (0_u8..6, 0_u8..3, 0_u8..3, jump, any::<bool>(), any::<bool>())
}

fn coin() -> Amount {
    Amount::from_pebbles(7).expect("an amount")
}

proptest! {
    #[test]
    fn no_day_gives_more_than_it_may(
        steps in prop::collection::vec(step(), 1..120),
        per_day in 1_u64..8,
        per_prefix in 1_u64..4,
    ) {
        let limits = Limits { amount: coin(), per_day, per_prefix };
        let (mut book, mut clock) = (Book::new(limits, Vec::new()), 100 * DAY_MS);
        let mut given: Vec<(u64, String, IpPrefix)> = Vec::new();
        for (number, (who, near, far, jump, settles, restarts)) in (0_u64..).zip(steps) {
            clock = clock.saturating_add_signed(jump);
            let oldest = book.open().map(|grant| grant.id).next();
            if let (true, Some(open)) = (settles, oldest) {
                book.settle(open, TxId::from_bytes([1; 32]));
            }
            if restarts {
                book = Book::new(limits, book.grants().to_vec());
            }
            let (address, from) = (format!("a{who}"), IpPrefix::narrow(IpAddr::V4(Ipv4Addr::new(10, far, near, who))));
            let (now, opens) = (book.now(clock), given.last().is_none_or(|(last, ..)| *last + DAY_MS <= clock));
            let checked = book.check(clock, &address, from);
            prop_assert!(checked.is_ok() || !opens, "a day later everybody gets something: {checked:?}");
            if checked.is_err() {
                continue;
            }
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_le_bytes());
            let id: GrantId = hex::encode(id).parse().expect("an id");
            book.add(Grant { id, time: now, address: address.clone(), from, amount: coin(), settled: None });
            given.push((now, address, from));
        }
        for (end, ..) in &given {
            let day = || given.iter().filter(|(time, ..)| time <= end && end - time < DAY_MS);
            prop_assert!(day().count() as u64 <= per_day);
            for (_, address, from) in day() {
                let is_wide = |other: &IpPrefix| other.wide() == from.wide();
                prop_assert_eq!(day().filter(|(_, other, _)| other == address).count(), 1);
                prop_assert!(day().filter(|(_, _, other)| other == from).count() as u64 <= per_prefix);
                prop_assert!(day().filter(|(_, _, other)| is_wide(other)).count() as u64 <= per_prefix * WIDE_FACTOR);
            }
        }
    }
}
