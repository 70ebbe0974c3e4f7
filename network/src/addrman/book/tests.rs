//! The address book against those who would fill it, and over time.

use super::*;
use crate::addrman::node_address::tests::at;
use std::collections::BTreeSet;

const SECRET: Secret = [7; 16];

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn book() -> AddressBook {
    AddressBook::new(SECRET, true)
}

/// The n-th public host of a group.
fn host(group: u64, n: u64) -> NodeAddress {
    let [a, b] = [(group / 200 % 80 + 20) as u8, (group % 200) as u8];
    at(group << 16 | n, [a, b, (n / 250) as u8, (n % 250 + 1) as u8])
}

#[test]
fn what_is_heard_is_new_and_what_is_reached_is_tried() {
    let mut book = book();
    let address = at(1, [1, 2, 3, 4]);
    assert!(book.add(address, Source::Search, time(0)));
    assert!(!book.add(address, Source::Own, time(1)), "it is known");
    assert_eq!(book.count(), (1, 0));
    assert_eq!(book.draw(Table::Tried, time(2), |_| true), None);
    assert_eq!(book.draw(Table::New, time(2), |_| true), Some(address));
    book.reached(address, time(3));
    assert_eq!(book.count(), (0, 1));
    assert_eq!(book.draw(Table::Tried, time(100), |_| true), Some(address));
    assert_eq!(book.draw(Table::Tried, time(100), |_| false), None);
}

#[test]
fn eclipse_one_source_fills_only_its_share_of_the_new_table() {
    let attacker = host(9_999, 1);
    let mut filled = book();
    for n in 0..40_000 {
        filled.add(host(n % 4_000, n / 4_000), Source::Node(&attacker.group_bytes()), time(n / 100));
    }
    let share = (NEW_BUCKETS_EACH * BUCKET) as usize;
    assert!(filled.count().0 <= share, "{:?}", filled.count());
    // The honest still find room: at least nine in ten.
    let honest = (0..500)
        .filter(|n| filled.add(host(5_000 + n, 1), Source::Node(&host(5_000 + n, 2).group_bytes()), time(500)))
        .count();
    assert!(honest > 450, "{honest}");
    // The negative control: as many from as many sources do fill it, so it is the share that protects.
    let mut many = book();
    for n in 0..40_000 {
        many.add(host(n % 4_000, n / 4_000), Source::Node(&host(n % 4_000, 0).group_bytes()), time(n / 100));
    }
    assert!(many.count().0 > 4 * share, "{:?}", many.count());
    assert!(many.count().0 <= MAX_ENTRIES);
}

#[test]
fn eclipse_what_was_reached_is_not_displaced_by_what_is_heard_or_reached_later() {
    let mut book = book();
    let honest: BTreeSet<NodeAddress> = (0..40).map(|n| host(100 + n, 1)).collect();
    honest.iter().for_each(|address| book.reached(*address, time(0)));
    let tried = |book: &AddressBook| -> BTreeSet<NodeAddress> {
        book.entries().filter(|(_, entry)| entry.tried).map(|(address, _)| *address).collect()
    };
    let before = tried(&book);
    assert!(before.len() > 35);
    // The attacker really runs nodes in many places, and all of them answer.
    for n in 0..20_000 {
        let address = host(1_000 + n % 2_000, n / 2_000);
        book.add(address, Source::Search, time(n));
        book.reached(address, time(n));
    }
    assert!(before.is_subset(&tried(&book)), "the honest keep their places");
    // The negative control: those that fail do lose them.
    before.iter().for_each(|address| book.failed(address, time(0)));
    for n in 20_000..60_000 {
        book.reached(host(1_000 + n % 2_000, n / 2_000), time(n));
    }
    assert!(!before.is_subset(&tried(&book)));
    assert!(book.entries().count() <= MAX_ENTRIES);
}

#[test]
fn one_neighbourhood_reaches_few_tried_buckets() {
    let mut book = book();
    (0..5_000).for_each(|n| book.reached(host(7, n), time(0)));
    let buckets: BTreeSet<u16> = book.places.keys().filter(|place| place.0).map(|place| place.1).collect();
    assert!(buckets.len() <= TRIED_BUCKETS_EACH as usize, "{buckets:?}");
    let mut spread = self::book();
    (0..5_000).for_each(|n| spread.reached(host(n, 1), time(0)));
    let buckets: BTreeSet<u16> = spread.places.keys().filter(|place| place.0).map(|place| place.1).collect();
    assert_eq!(buckets.len(), TRIED_BUCKETS as usize, "the control: many neighbourhoods reach all");
}

#[test]
fn a_full_bucket_weighs_no_more_than_one_with_a_single_address() {
    let mut book = book();
    let attacker = host(9_999, 1);
    for n in 0..5_000 {
        book.add(host(300, n), Source::Node(&attacker.group_bytes()), time(0));
    }
    let honest: BTreeSet<NodeAddress> = (0..20).map(|n| host(100 + n, 1)).collect();
    for address in &honest {
        book.add(*address, Source::Node(&address.group_bytes()), time(0));
    }
    let drawn = (0..300).filter_map(|_| book.draw(Table::New, time(1), |_| true));
    let honest = drawn.filter(|address| honest.contains(address)).count();
    assert!(honest > 200, "{honest} of 300");
}

#[test]
fn who_fails_waits_longer_and_is_dropped_at_last() {
    let mut book = book();
    let (hearsay, known) = (at(1, [1, 2, 3, 4]), at(2, [5, 6, 7, 8]));
    book.add(hearsay, Source::Search, time(0));
    book.reached(known, time(0));
    let mut dials = Vec::new();
    for second in 0..2_000 {
        if book.draw(Table::Tried, time(second), |address| *address == known).is_some() {
            book.dialling(&known, time(second));
            book.failed(&known, time(second));
            dials.push(second);
        }
    }
    assert_eq!(dials, [10, 30, 70, 150, 310, 630, 1270]);
    (0..2).for_each(|_| book.failed(&hearsay, time(2_000)));
    assert_eq!(book.count(), (1, 1));
    book.failed(&hearsay, time(2_000));
    (0..3).for_each(|_| book.failed(&known, time(2_000)));
    assert_eq!(book.count(), (0, 0), "both have been given up");
}

/// Named again and again, an address at which nobody is would be dialled three times in every minute: a node would be
/// turned against whoever is there.
#[test]
fn an_address_that_was_given_up_is_not_taken_in_again_for_ten_minutes() {
    let (mut book, dead, other) = (book(), at(1, [1, 2, 3, 4]), at(2, [5, 6, 7, 8]));
    let mut dials = 0;
    for second in 0..1_200 {
        // Two sources, as a rendezvous point and a peer are, name it every second.
        book.add(dead, Source::Search, time(second));
        book.add(dead, Source::Own, time(second));
        book.add(other, Source::Search, time(second));
        if book.draw(Table::New, time(second), |address| *address == dead).is_some() {
            book.dialling(&dead, time(second));
            book.failed(&dead, time(second));
            dials += 1;
        }
    }
    assert_eq!(dials, 2 * GIVE_UP.0);
    assert_eq!(book.count(), (1, 0), "the control: what has not failed stays");
    book.reached(dead, time(1_200));
    assert_eq!(book.count(), (1, 1), "whoever is found there after all is taken in");
}

/// An address whose place in the tried table was held stayed hearsay, and was tried out every ten seconds for ever.
#[test]
fn an_address_that_was_reached_and_has_no_place_needs_no_trial_for_an_hour() {
    let mut book = book();
    (0..40_000).for_each(|n| book.reached(host(n % 4_000, n / 4_000), time(0)));
    let confirmed = book.confirmed(time(60));
    let without_place = book.entries().filter(|(_, entry)| !entry.tried).count();
    assert!(without_place > 0 && confirmed.len() == without_place, "{} of {without_place}", confirmed.len());
    let failing = *confirmed.first().expect("one");
    book.failed(&failing, time(60));
    assert!(!book.confirmed(time(60)).contains(&failing), "one that fails is tried again");
    assert!(book.confirmed(time(3_600)).is_empty(), "and all are after an hour");
}

#[test]
fn only_what_was_reached_lately_is_told_to_others() {
    let mut book = book();
    let (hearsay, failing, old, good) = (host(1, 1), host(2, 1), host(3, 1), host(4, 1));
    book.add(hearsay, Source::Search, time(0));
    book.reached(old, time(0));
    let now = time(FRESH_MS / 1000 + 10);
    book.reached(failing, now);
    book.failed(&failing, now);
    book.reached(good, now);
    assert_eq!(book.sample(64, now), [good]);
    (10..200).for_each(|n| book.reached(host(n, 1), now));
    let (first, second) = (book.sample(64, now), book.sample(64, now));
    assert_eq!((first.len(), second.len()), (64, 64));
    assert_ne!(first, second, "everybody is told of others");
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 64, "nobody twice");
}

#[test]
fn a_restored_book_is_the_same() {
    let mut book = book();
    for n in 0..300 {
        book.add(host(n, 1), Source::Node(&host(n / 3, 2).group_bytes()), time(n));
    }
    (0..100).for_each(|n| book.reached(host(n, 1), time(400 + n)));
    book.set_anchors(&[host(5, 1), host(6, 1)]);
    let all = |book: &AddressBook| -> Vec<(NodeAddress, Entry)> {
        book.entries().map(|(address, entry)| (*address, entry.clone())).collect()
    };
    let entries = all(&book);
    let restored = AddressBook::restore(SECRET, true, entries.clone());
    assert_eq!(all(&restored), entries);
    assert_eq!(restored.places, book.places);
    assert_eq!(restored.anchors().into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([host(5, 1), host(6, 1)]));
    // With another secret everything has another place.
    assert_ne!(AddressBook::restore([8; 16], true, entries).places, book.places);
}
