//! What peers are worth, and what is known of them.

use super::*;
use crate::peers::score::{BAN, HALF_LIFE};
use crate::wire::NamedUpgrade;
use cairn_ledger::codec::{BoundedBytes, BoundedVec, DecodeError};
use cairn_ledger::{error::TxError, testing::arbitrary_hash, units::Height, upgrades::Upgrade};

fn table() -> (PeerTable, PeerNumber, Instant) {
    let (mut table, now) = (PeerTable::default(), Instant::now());
    let number = table.connected(PeerId::random(), Multiaddr::empty(), true, now);
    (table, number, now)
}

#[test]
fn proof_is_banned_for_and_slowness_is_not() {
    let (mut table, number, now) = table();
    let undecodable = Misbehaviour::Undecodable(DecodeError::TooMany);
    assert_eq!(table.report(number, &undecodable, now), Decision::Keep);
    assert_eq!(table.report(number, &undecodable, now), Decision::Ban(BAN));
    let other = table.connected(PeerId::random(), Multiaddr::empty(), true, now);
    for _ in 0..9 {
        assert_eq!(table.report(other, &Misbehaviour::Stalled, now), Decision::Keep);
    }
    assert_eq!(table.report(other, &Misbehaviour::Stalled, now), Decision::Disconnect);
}

#[test]
fn scores_decay() {
    let (mut table, number, now) = table();
    let misbehaviour = Misbehaviour::InvalidTransaction(TxError::Signature);
    table.report(number, &misbehaviour, now);
    table.report(number, &misbehaviour, now);
    let score = |table: &PeerTable, now| table.info(number, vec![], now).map(|info| info.score);
    assert_eq!(score(&table, now), Some(-68));
    assert_eq!(score(&table, now + HALF_LIFE), Some(-34));
    assert_eq!(table.report(number, &misbehaviour, now + HALF_LIFE), Decision::Keep);
}

#[test]
fn the_median_clock_is_not_moved_by_one_liar() {
    let (mut table, first, now) = table();
    let say = |table: &mut PeerTable, number, clock| {
        let status = PeerStatus {
            genesis_id: BlockId::ZERO,
            tip: BlockId::ZERO,
            height: Default::default(),
            total_work: Work::ZERO,
            now: Timestamp::from_millis(clock),
            lowest_body: Default::default(),
            snapshots: Default::default(),
            rules_id: Hash::ZERO,
            upgrades: Default::default(),
            stretches: Default::default(),
        };
        table.set_status(number, status, Timestamp::from_millis(1_000))
    };
    assert!(say(&mut table, first, u64::MAX));
    assert!(!say(&mut table, first, 999_999));
    let mut more = || table.connected(PeerId::random(), Multiaddr::empty(), true, now);
    let (second, third) = (more(), more());
    assert!(say(&mut table, second, 1_001));
    assert_eq!(table.median_clock(), None);
    assert!(say(&mut table, third, 990));
    assert_eq!(table.median_clock(), Some(1));
}

#[test]
fn numbers_are_never_used_twice() {
    let (mut table, first, now) = table();
    let id = table.get(first).map(|peer| peer.id).unwrap_or_else(PeerId::random);
    assert_eq!(table.disconnected(&id).map(|(number, _)| number), Some(first));
    assert!(table.connected(id, Multiaddr::empty(), false, now) > first);
    assert_eq!(table.report(first, &Misbehaviour::Stalled, now), Decision::Keep);
}

#[test]
fn a_leecher_waits_and_a_flooder_is_refused() {
    let (mut table, number, now) = table();
    let serve = |table: &mut PeerTable, bytes| {
        let wait = table.begin_serving(number, now);
        table.count_bytes(number, bytes, now);
        table.end_serving(number);
        wait
    };
    for _ in 0..17 {
        assert_eq!(serve(&mut table, 4 << 20), Duration::ZERO);
    }
    assert!(serve(&mut table, 4 << 20) > Duration::from_millis(100));
    assert!(table.may_ask(number, now), "whoever waits for its answers is never far behind");
    // A flood of the cheapest questions costs, too.
    let mut floods = 0;
    while table.may_ask(number, now) {
        table.count_bytes(number, 1, now);
        floods += 1;
    }
    assert!(floods < 20_000, "{floods}");
    assert!(table.may_ask(number, now + Duration::from_secs(10)));
}

#[test]
fn whoever_gave_in_proportion_to_what_it_took_is_no_leecher() {
    let (mut table, number, now) = table();
    assert_eq!(table.standing(number, now), Standing::Takes, "whoever has just come has given nothing");
    table.gave(number, BLOCK_WORTH, now);
    assert_eq!(table.standing(number, now), Standing::Gives);
    table.count_bytes(number, 32 * BLOCK_WORTH + 1, now);
    assert_eq!(table.standing(number, now), Standing::Takes, "it took more than it may for one block");
    table.gave(number, BLOCK_WORTH, now);
    assert_eq!(table.standing(number, now), Standing::Gives);
    assert_eq!(table.standing(number, now + 10 * HALF_LIFE), Standing::Takes, "what was long ago is forgotten");
}

#[test]
fn one_peer_occupies_few_places() {
    let (mut table, number, now) = table();
    for _ in 0..SERVING_EACH {
        assert!(table.has_turn(number));
        table.begin_serving(number, now);
    }
    assert!(!table.has_turn(number));
    table.end_serving(number);
    assert!(table.has_turn(number));
    for topic in [Topic::Blocks, Topic::Txs] {
        let most = JUDGING_EACH[topic as usize];
        assert_eq!((0..100).filter(|_| table.begin_judging(number, topic, 10)).count(), most);
        table.end_judging(number, topic, 10);
        assert!(table.begin_judging(number, topic, 10));
        (0..most).for_each(|_| table.end_judging(number, topic, 10));
    }
    let large = (0..100).filter(|_| table.begin_judging(number, Topic::Blocks, 160 << 10)).count();
    assert_eq!(large, JUDGING_BYTES / (160 << 10));
}

#[test]
fn who_never_says_where_it_stands_or_falls_silent_is_found() {
    let (mut table, number, now) = table();
    let id = table.get(number).map(|peer| peer.id);
    assert_eq!(table.silent(now + FIRST_STATUS), []);
    let soon = now + FIRST_STATUS + Duration::from_secs(1);
    assert_eq!(table.silent(soon).first().copied(), id);
    let status = PeerStatus {
        genesis_id: BlockId::ZERO,
        tip: BlockId::ZERO,
        height: Default::default(),
        total_work: Work::ZERO,
        now: Timestamp::from_millis(0),
        lowest_body: Default::default(),
        snapshots: Default::default(),
        rules_id: Hash::ZERO,
        upgrades: Default::default(),
        stretches: Default::default(),
    };
    table.set_status(number, status, Timestamp::from_millis(0));
    table.heard(number, soon);
    assert_eq!(table.silent(soon + SILENCE), [], "the control: whoever talks stays");
    assert_eq!(table.silent(soon + SILENCE + Duration::from_secs(1)).first().copied(), id);
}

#[test]
fn a_useless_peer_gives_way_only_where_others_are_useful() {
    let (mut table, idle, now) = table();
    let busy = table.connected(PeerId::random(), Multiaddr::empty(), false, now);
    let later = now + STALE + Duration::from_secs(1);
    assert_eq!(table.stalest(|_| true, later), None, "a quiet network is nobody's fault");
    table.was_useful(busy, later);
    assert_eq!(table.stalest(|_| true, later), table.get(idle).map(|peer| peer.id));
    assert_eq!(table.stalest(|peer| !peer.inbound, later), None);
}

fn says(rules_id: u64, upgrades: &[(u64, &str)]) -> PeerStatus {
    let named = |(height, name): &(u64, &str)| NamedUpgrade {
        height: Height::new(*height),
        name: BoundedBytes::new(name.as_bytes().to_vec()).expect("a short name"),
    };
    PeerStatus {
        genesis_id: BlockId::ZERO,
        tip: BlockId::ZERO,
        height: Default::default(),
        total_work: Work::ZERO,
        now: Timestamp::from_millis(0),
        lowest_body: Default::default(),
        snapshots: Default::default(),
        rules_id: arbitrary_hash(rules_id),
        upgrades: BoundedVec::new(upgrades.iter().map(named).collect()).expect("two"),
        stretches: BoundedVec::default(),
    }
}

/// A liar's upgrade is not what most of those name whose rules differ, and an upgrade known here is no news.
#[test]
fn peers_with_other_upgrades_are_told_of_with_the_height_and_nobody_is_reported() {
    let network = cairn_ledger::testing::easy_network();
    let own = network.schedule().id();
    let (mut table, first, now) = table();
    let same = PeerStatus { rules_id: own, ..says(0, &[]) };
    table.set_status(first, same, Timestamp::from_millis(0));
    assert_eq!(table.other_upgrades(network.schedule()), None, "the negative control");
    let others: Vec<_> = (0..3).map(|_| table.connected(PeerId::random(), Multiaddr::empty(), false, now)).collect();
    table.set_status(others[0], says(1, &[(50, "lie")]), Timestamp::from_millis(0));
    table.set_status(others[1], says(2, &[(70, "cheap")]), Timestamp::from_millis(0));
    table.set_status(others[2], says(2, &[(70, "cheap")]), Timestamp::from_millis(0));
    let unknown = Some((Height::new(70), String::from("cheap")));
    assert_eq!(table.other_upgrades(network.schedule()), Some(OtherUpgrades { peers: 3, of: 4, unknown }));
    assert!(others.iter().all(|peer| table.info(*peer, vec![], now).is_some_and(|info| info.score == 0)));
    // Whoever has not updated names less than is known here.
    let upgrade = Upgrade {
        height: Height::new(70),
        name: String::from("cheap"),
        max_block_bytes: None,
        max_new_accounts: None,
        account_price: Some(cairn_ledger::testing::pebbles(1)),
        feature: None,
    };
    let upgraded = network.with_upgrades(vec![upgrade]).expect("a good upgrade");
    for peer in others {
        table.set_status(peer, says(3, &[]), Timestamp::from_millis(0));
    }
    assert_eq!(table.other_upgrades(upgraded.schedule()), Some(OtherUpgrades { peers: 4, of: 4, unknown: None }));
}

#[test]
fn other_upgrades_are_news_once_and_remembered_in_bounded_number() {
    let (mut table, ..) = table();
    assert!(table.is_news(arbitrary_hash(1)) && !table.is_news(arbitrary_hash(1)));
    assert_eq!((0..1_000).filter(|n| table.is_news(arbitrary_hash(*n))).count(), MOST_RULES_TOLD - 1);
}

/// After a partition the peers of the lighter side are honest.
#[test]
fn blocks_far_behind_are_told_of_and_only_a_flood_of_them_is_reported() {
    let (mut table, number, now) = table();
    assert_eq!(table.sent_unwanted(number, now), Unwanted::Tell);
    for _ in 1..UNWANTED {
        assert_eq!(table.sent_unwanted(number, now), Unwanted::Bear);
    }
    assert_eq!(table.sent_unwanted(number, now + TELL_EVERY), Unwanted::TooMany);
    assert_eq!(table.sent_unwanted(number, now + UNWANTED_TIME), Unwanted::Tell, "a new hour");
    let honest = table.connected(PeerId::random(), Multiaddr::empty(), true, now);
    for hour in 0..100 {
        for minute in 0..60 {
            let at = now + UNWANTED_TIME * hour + TELL_EVERY * 6 * minute;
            assert_eq!(table.sent_unwanted(honest, at), Unwanted::Tell);
        }
    }
}
