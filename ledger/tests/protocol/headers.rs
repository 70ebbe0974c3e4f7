//! Each broken rule of a header, one mutation each, mined again where work would hide it.

use crate::support::{Chain, altered, resealed};
use cairn_ledger::error::{Fault, HeaderError};
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::mmr::{Mmr, MmrNode};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::testing::{arbitrary_hash, seal};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::validate::{ChainContext, LinkedHeader, check_header, check_work, foreign_context};
use cairn_ledger::{block::Header, keys::Address, upgrades::Upgrade};

/// Judges a header on a chain of two blocks, so that every rule is in force.
fn chain() -> Chain {
    let mut chain = Chain::easy();
    chain.grow(vec![]);
    chain.grow(vec![]);
    chain
}

fn judge(change: impl FnOnce(&mut Header)) -> Result<(), (HeaderError, Fault)> {
    let chain = chain();
    let header = resealed(&chain.mine(vec![]).header, change);
    chain.link(header).map(|_| ()).map_err(|error| (error, error.fault()))
}

fn proven(error: HeaderError) -> Result<(), (HeaderError, Fault)> {
    Err((error, Fault::Proven))
}

#[test]
fn header_error_none_for_the_honest_header() {
    assert_eq!(judge(|_| ()), Ok(()));
    let chain = chain();
    let header = chain.mine(vec![]).header;
    let linked = chain.link(header.clone()).unwrap();
    assert_eq!((linked.header(), linked.id()), (&header, header.id()));
    // Three blocks of the easiest target: two attempts each.
    assert_eq!((linked.work(), linked.total_work()), (Work::from_u64(2), Work::from_u64(6)));
    let (id, work, completed) = (linked.id(), linked.total_work(), linked.completed().to_vec());
    let restored = LinkedHeader::restore(header, id, work, linked.next_target(), completed);
    assert_eq!(restored, linked);
    let history = chain.tip.extend(&linked).history().clone();
    assert_eq!(ChainContext::restore(restored.header().clone(), id, history), chain.tip.extend(&linked));
}

#[test]
fn header_error_version() {
    for got in [0, 2, 256, u16::MAX] {
        let error = HeaderError::Version { got, expected: 1 };
        assert_eq!(judge(|header| header.version = got), Err((error, Fault::NotYet)), "its sender may know better");
    }
}

/// Work, target, parent and time come first: whoever claims other rules has paid as for any block.
#[test]
fn header_error_version_comes_last() {
    let of = |change: fn(&mut Header)| {
        judge(|header| {
            header.version = 7;
            change(header);
        })
    };
    assert!(matches!(of(|header| header.height = Height::new(9)), Err((HeaderError::Height { .. }, Fault::Proven))));
    assert!(matches!(of(|header| header.time = Timestamp::default()), Err((HeaderError::TimeNotRising { .. }, _))));
    assert!(matches!(of(|header| header.history_root = Hash::ZERO), Err((HeaderError::HistoryRoot { .. }, _))));
    let chain = chain();
    let mut idle = altered(&chain.mine(vec![]).header, |header| header.version = 7);
    let target = idle.target.decode().unwrap();
    idle.nonce = (0..).find(|nonce| !target.is_met_by(&idle.seal().id(*nonce))).unwrap();
    assert!(matches!(chain.link(idle), Err(HeaderError::Work { .. })));
    let early = resealed(&chain.mine(vec![]).header, |header| header.version = 7);
    let now = Timestamp::from_millis(early.time.millis() - 5_001);
    let error = check_header(&chain.spec, &chain.tip, check_work(&chain.spec, early).unwrap(), now).unwrap_err();
    assert!(matches!(error, HeaderError::TimeAhead { .. }), "it will be judged when its time has come");
}

/// An upgrade changes the version at its height; who has not updated, and who has another file, stand on other chains.
#[test]
fn an_upgrade_parts_chains_at_its_height_and_nobody_is_at_fault() {
    let with = |price: u64| {
        let upgrade = Upgrade {
            height: Height::new(3),
            name: String::from("dear"),
            max_block_bytes: None,
            max_new_accounts: None,
            account_price: Some(cairn_ledger::testing::pebbles(price)),
            feature: None,
        };
        let mut chain = chain();
        chain.spec = chain.spec.clone().with_upgrades(vec![upgrade]).unwrap();
        chain
    };
    let (old, new, other) = (chain(), with(7), with(8));
    let header = |chain: &Chain| chain.mine(vec![]).header;
    for (judge, made) in [(&old, &new), (&new, &old), (&new, &other), (&other, &new)] {
        let error = judge.link(header(made)).unwrap_err();
        assert!(matches!(error, HeaderError::Version { .. }), "{error}");
        assert_eq!(error.fault(), Fault::NotYet);
    }
    assert!([&old, &new, &other].iter().all(|chain| chain.link(header(chain)).is_ok()), "the negative control");
}

/// Headers stand in a row whatever their version; all other rules still hold among them.
#[test]
fn headers_of_unknown_rules_are_followed_by_every_rule_but_the_version() {
    let chain = chain();
    let foreign = resealed(&chain.mine(vec![]).header, |header| header.version = 7);
    let now = foreign.time.saturating_add(60_000);
    let seal_of = |header: &Header| check_work(&chain.spec, header.clone()).unwrap();
    let context = foreign_context(&chain.spec, &chain.tip, seal_of(&foreign), now).unwrap();
    assert_eq!((context.id(), context.header().height), (foreign.id(), Height::new(3)));
    let mut child = foreign.clone();
    (child.height, child.parent) = (Height::new(4), foreign.id());
    child.time = child.time.saturating_add(2_000);
    (child.target, child.history_root) = (context.next_target(&chain.spec), context.history().commitment());
    let child = seal(child);
    assert!(foreign_context(&chain.spec, &context, seal_of(&child), now).is_ok());
    let squeezed = resealed(&child, |header| header.time = foreign.time);
    let error = foreign_context(&chain.spec, &context, seal_of(&squeezed), now).unwrap_err();
    assert!(matches!(error, HeaderError::TimeNotRising { .. }));
}

#[test]
fn header_error_zero_beneficiary() {
    assert_eq!(judge(|header| header.beneficiary = Address::ZERO), proven(HeaderError::ZeroBeneficiary));
}

#[test]
fn header_error_target_form() {
    let chain = chain();
    for bits in [0, 0x2080_0000, 0x1d00_00ff, 0x0300_0000, u32::MAX] {
        let got = CompactTarget::from_bits(bits);
        let header = altered(&chain.mine(vec![]).header, |header| header.target = got);
        let error = chain.link(header).unwrap_err();
        assert_eq!((error, error.fault()), (HeaderError::TargetForm { got }, Fault::Proven));
    }
}

#[test]
fn header_error_target_above_limit() {
    let [got, limit] = [0x2100_8000, 0x207f_ffff].map(CompactTarget::from_bits);
    assert_eq!(judge(|header| header.target = got), proven(HeaderError::TargetAboveLimit { got, limit }));
}

#[test]
fn header_error_work() {
    let chain = chain();
    let mut header = chain.mine(vec![]).header;
    let target = header.target.decode().unwrap();
    header.nonce = (0..).find(|nonce| !target.is_met_by(&header.seal().id(*nonce))).unwrap();
    let error = chain.link(header.clone()).unwrap_err();
    assert_eq!(error, HeaderError::Work { got: header.id(), target: header.target });
    assert_eq!(error.fault(), Fault::Proven);
}

#[test]
fn header_error_parent() {
    let got = BlockId::from_bytes(*arbitrary_hash(1).as_bytes());
    let expected = chain().tip.id();
    let error = HeaderError::Parent { got, expected };
    assert_eq!(judge(|header| header.parent = got), Err((error, Fault::NotYet)), "an orphan is not invalid");
}

#[test]
fn header_error_height() {
    for height in [0, 2, 4, u64::MAX] {
        let error = HeaderError::Height { got: Height::new(height), parent: Height::new(2) };
        assert_eq!(judge(|header| header.height = Height::new(height)), proven(error));
    }
}

#[test]
fn header_error_target() {
    let expected = CompactTarget::from_bits(0x207f_ffff);
    // Easier is above the limit here; harder is just as wrong.
    for bits in [0x207f_fffe, 0x1f7f_ffff] {
        let got = CompactTarget::from_bits(bits);
        assert_eq!(judge(|header| header.target = got), proven(HeaderError::Target { got, expected }));
    }
}

#[test]
fn header_error_time_not_rising() {
    let parent = chain().tip.header().time;
    for millis in [0, parent.millis() - 1, parent.millis()] {
        let got = Timestamp::from_millis(millis);
        assert_eq!(judge(|header| header.time = got), proven(HeaderError::TimeNotRising { got, parent }));
    }
    assert_eq!(judge(|header| header.time = parent.saturating_add(1)), Ok(()));
}

#[test]
fn header_error_time_ahead() {
    let chain = chain();
    let header = chain.mine(vec![]).header;
    let at = |before: u64| {
        let now = Timestamp::from_millis(header.time.millis() - before);
        check_header(&chain.spec, &chain.tip, check_work(&chain.spec, header.clone()).unwrap(), now)
    };
    assert!(at(0).is_ok());
    assert!(at(5_000).is_ok(), "exactly max_future ahead");
    let limit = Timestamp::from_millis(header.time.millis() - 1);
    let error = at(5_001).unwrap_err();
    assert_eq!((error, error.fault()), (HeaderError::TimeAhead { got: header.time, limit }, Fault::NotYet));
    assert!(at(5_000).is_ok(), "the same header a millisecond later");
}

#[test]
fn header_error_time_ahead_is_told_only_of_what_is_right_otherwise() {
    let chain = chain();
    let wrong = resealed(&chain.mine(vec![]).header, |header| {
        header.time = header.time.saturating_add(1_000_000);
        header.history_root = Hash::ZERO;
    });
    let sealed = check_work(&chain.spec, wrong).unwrap();
    let error = check_header(&chain.spec, &chain.tip, sealed, chain.tip.header().time).unwrap_err();
    assert!(matches!(error, HeaderError::HistoryRoot { .. }), "{error:?}");
}

#[test]
fn header_error_history_root() {
    let expected = chain().tip.history().commitment();
    for got in [Hash::ZERO, arbitrary_hash(1)] {
        assert_eq!(judge(|header| header.history_root = got), proven(HeaderError::HistoryRoot { got, expected }));
    }
}

#[test]
fn header_error_work_overflow() {
    // No chain can come here: block 0 is given all the work there is.
    let chain = Chain::easy();
    let with_work = |work: Work| {
        let genesis = LinkedHeader::genesis(&chain.spec);
        let history = Mmr::from_peaks(1, vec![MmrNode { work, ..genesis.leaf() }]).unwrap();
        let parent = ChainContext::restore(genesis.header().clone(), genesis.id(), history);
        let root = parent.history().commitment();
        let header = resealed(&chain.mine(vec![]).header, |header| header.history_root = root);
        let now = header.time;
        check_header(&chain.spec, &parent, check_work(&chain.spec, header).unwrap(), now)
    };
    let all = Work::from_be_bytes(&[0xff; 32]);
    let error = with_work(all).unwrap_err();
    assert_eq!((error, error.fault()), (HeaderError::WorkOverflow, Fault::Proven));
    let linked = with_work(all.checked_sub(Work::from_u64(2)).unwrap()).unwrap();
    assert_eq!(linked.total_work(), all, "2^256 - 1 itself still fits");
}

#[test]
fn what_needs_no_parent_is_refused_before_the_parent_is_looked_up() {
    let chain = chain();
    let orphan = |change: fn(&mut Header)| {
        let header = altered(&chain.mine(vec![]).header, |header| {
            header.parent = BlockId::ZERO;
            change(header);
        });
        check_work(&chain.spec, seal(header))
    };
    assert!(orphan(|_| ()).is_ok(), "its work is real");
    assert!(matches!(orphan(|header| header.beneficiary = Address::ZERO), Err(HeaderError::ZeroBeneficiary)));
}

#[test]
fn the_first_two_blocks_have_the_genesis_target() {
    let harder = CompactTarget::from_bits(0x203f_ffff);
    let mut chain = Chain::with_params(|params| params.genesis_target = harder);
    for _ in 0..2 {
        assert_eq!(chain.tip.next_target(&chain.spec), harder);
        // Quick blocks, which would make the next target lower still.
        let block = cairn_ledger::testing::mine_at(
            &chain.spec,
            &chain.tip,
            &chain.state,
            vec![],
            chain.tip.header().time.saturating_add(1),
        );
        chain.push(block);
    }
    let expected = chain.spec.difficulty().next_target(
        harder.decode().unwrap(),
        Timestamp::from_millis(2),
        Timestamp::from_millis(1),
    );
    assert_eq!(chain.tip.next_target(&chain.spec), expected);
    assert_ne!(expected, harder);
}
