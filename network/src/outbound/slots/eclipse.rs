//! How likely it is that all outbound slots are an attacker's, by its share of the address book: what the selection
//! promises, beside what many books give.

use super::{SLOTS, Slots, Surroundings};
use crate::addrman::book::{AddressBook, Source};
use crate::addrman::node_address::{NodeAddress, tests::at};
use crate::event::{DialCondition, SwarmAction};
use crate::ids::PeerId;
use crate::outbound::persistent::PersistentPeers;
use crate::peers::{access::Access, table::PeerTable};
use crate::testing::{context, on_swarm};
use cairn_ledger::units::Timestamp;

/// Books that are filled; with each an own secret.
const VICTIMS: u64 = 300;
/// Addresses in each table.
const EACH: u64 = 40;

/// What is put into a victim's book: addresses of this many groups, of which so many are an attacker's.
struct Filled {
    tried: u64,
    new: u64,
}

/// The attacker's addresses begin with 66 to 69, the others with 50 to 53: each in a group of its own.
fn address(n: u64, is_attackers: bool) -> NodeAddress {
    let first = if is_attackers { 66 } else { 50 };
    at(n + if is_attackers { 0 } else { 1_000_000 }, [first + (n / 250) as u8, (n % 250) as u8, 1, 1])
}

fn is_attackers(address: &str) -> bool {
    ["/ip4/66.", "/ip4/67.", "/ip4/68.", "/ip4/69."].iter().any(|first| address.starts_with(first))
}

/// How many of the slots that are filled from a book are the attacker's, and how many were filled.
fn fill(mut book: AddressBook) -> (usize, usize) {
    let mut cx = context();
    let (peers, persistent, access) = (PeerTable::default(), PersistentPeers::default(), Access::default());
    let around = Surroundings::new(PeerId::random(), &peers, &persistent, &access, &cx);
    let mut slots = Slots::new(16, Vec::new(), cx.now);
    slots.tick(&around, &mut book, &mut cx);
    let dialled = on_swarm(&mut cx).into_iter().filter_map(|action| match action {
        SwarmAction::Dial(dial) if dial.condition == DialCondition::DisconnectedAndNotDialling => {
            Some(dial.addresses[0].to_string())
        }
        _ => None,
    });
    let dialled: Vec<String> = dialled.collect();
    (dialled.iter().filter(|address| is_attackers(address)).count(), dialled.len())
}

fn book(victim: u64, filled: &Filled) -> AddressBook {
    let mut secret = [9; 16];
    secret[..8].copy_from_slice(&victim.to_le_bytes());
    let (mut book, now) = (AddressBook::new(secret, false), context().clock);
    let long_ago = Timestamp::from_millis(now.millis().saturating_sub(7_200_000));
    for n in 0..EACH {
        book.reached(address(n, n < filled.tried), long_ago);
        let hearsay = address(n + EACH, n < filled.new);
        book.add(hearsay, Source::Node(&hearsay.group_bytes()), now);
    }
    book
}

/// The share of victims of whose slots all are the attacker's.
fn eclipsed(filled: &Filled) -> f64 {
    let count = (0..VICTIMS).filter(|victim| matches!(fill(book(*victim, filled)), (theirs, SLOTS) if theirs == SLOTS));
    count.count() as f64 / VICTIMS as f64
}

/// The chance that so many draws without putting back are all of the attacker's.
fn all_of(attackers: u64, draws: u64) -> f64 {
    (0..draws).map(|n| attackers.saturating_sub(n) as f64 / (EACH - n) as f64).product()
}

/// What the selection promises: each slot is as likely filled from what was reached as from hearsay.
fn promised(filled: &Filled) -> f64 {
    let mut ways = 1.0;
    let mut chance = 0.0;
    for from_tried in 0..=SLOTS as u64 {
        chance += ways * all_of(filled.tried, from_tried) * all_of(filled.new, SLOTS as u64 - from_tried);
        ways *= (SLOTS as u64 - from_tried) as f64 / (from_tried + 1) as f64;
    }
    chance / f64::from(1_u32 << SLOTS)
}

#[test]
fn eclipse_all_slots_are_an_attackers_as_often_as_its_shares_of_both_tables_promise() {
    for filled in [
        Filled { tried: 0, new: 40 },
        Filled { tried: 20, new: 40 },
        Filled { tried: 32, new: 32 },
        Filled { tried: 36, new: 36 },
        Filled { tried: 38, new: 40 },
    ] {
        let (measured, expected) = (eclipsed(&filled), promised(&filled));
        let deviation = (expected * (1.0 - expected) / VICTIMS as f64).sqrt();
        eprintln!(
            "{} of {EACH} reached, {} of {EACH} heard of: {measured:.4}, promised {expected:.4} ± {deviation:.4}",
            filled.tried, filled.new
        );
        // Addresses that share a bucket share its chance: a little more, or less, than with all alike.
        assert!((measured - expected).abs() <= 4.0 * deviation + 0.1 * expected, "{measured}, promised {expected}");
    }
}

/// By its share of all addresses a crowd in few groups, or named by one neighbourhood, would have all slots.
#[test]
fn eclipse_by_many_addresses_of_few_groups_or_from_one_source_gets_few_slots() {
    const CROWD: u64 = 900;
    for is_one_group in [true, false] {
        let (mut theirs, mut filled) = (0, 0);
        for victim in 0..100 {
            let (mut book, now) = (book(victim, &Filled { tried: 0, new: 0 }), context().clock);
            let teller = address(0, true).group_bytes();
            for n in 0..CROWD {
                let named = match is_one_group {
                    true => at(n, [66, 0, (n / 250) as u8 + 1, (n % 250) as u8 + 1]),
                    false => address(n, true),
                };
                book.add(named, Source::Node(&teller), now);
            }
            let (of_the_attacker, all) = fill(book);
            (theirs, filled) = (theirs + of_the_attacker, filled + all);
        }
        let share = theirs as f64 / filled as f64;
        eprintln!("a crowd of {CROWD} beside {} others, in one group: {is_one_group}: {share:.3} of slots", 2 * EACH);
        let most = if is_one_group { 1.0 / SLOTS as f64 } else { 0.5 };
        assert!(share <= most, "{share}");
    }
}
