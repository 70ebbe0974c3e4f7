//! Parameters that make no network, and block 0.

use crate::support::{address, nobody};
use cairn_ledger::chain_spec::{ChainParams, ChainSpec, ChainSpecError};
use cairn_ledger::pow::{CompactTarget, TargetFormError};
use cairn_ledger::testing::{easy_network, easy_params, pebbles};
use cairn_ledger::units::{Amount, Height, Timestamp};
use cairn_ledger::upgrades::{Rules, RulesError, Upgrade};
use cairn_ledger::{block::MAX_BLOCK_BYTES, keys::Address};
use std::collections::BTreeSet;

fn with(change: impl FnOnce(&mut ChainParams)) -> Result<ChainSpec, ChainSpecError> {
    let mut params = easy_params();
    change(&mut params);
    ChainSpec::new(params)
}

fn refused(change: impl FnOnce(&mut ChainParams)) -> ChainSpecError {
    with(change).unwrap_err()
}

const BITS: fn(u32) -> CompactTarget = CompactTarget::from_bits;

#[test]
fn chain_spec_error_name() {
    for name in ["", "Main", "ma in", "mäin", &"a".repeat(33)] {
        assert_eq!(refused(|params| params.name = name.to_owned()), ChainSpecError::Name { got: name.to_owned() });
    }
    assert!(with(|params| params.name = "a-1".repeat(10)).is_ok());
}

#[test]
fn chain_spec_error_interval() {
    for (interval, half_life) in
        [(0, 20_000), (10_001, 20_000), (20_000, 20_000), (0, 0), (1, 1), (1, 1_025), (19, 20_000)]
    {
        let error = refused(|params| (params.interval_ms, params.half_life_ms) = (interval, half_life));
        assert_eq!(error, ChainSpecError::Interval { interval, half_life });
    }
    assert!(with(|params| (params.interval_ms, params.half_life_ms) = (10_000, 20_000)).is_ok());
    assert!(with(|params| (params.interval_ms, params.half_life_ms) = (1, 1_024)).is_ok());
}

#[test]
fn chain_spec_error_halving() {
    assert_eq!(refused(|params| params.halving = 0), ChainSpecError::Halving);
    assert!(with(|params| params.halving = 1).is_ok());
}

#[test]
fn chain_spec_error_target_form() {
    for bits in [0, 0x2080_0000, 0x1d00_00ff, 0x2200_ffff] {
        let expected = ChainSpecError::TargetForm(TargetFormError { got: BITS(bits) });
        assert_eq!(refused(|params| params.pow_limit = BITS(bits)), expected);
        assert_eq!(refused(|params| params.genesis_target = BITS(bits)), expected);
    }
}

#[test]
fn chain_spec_error_targets() {
    // 2^255 and above; then a genesis easier than the limit.
    for (limit, genesis) in [(0x2100_8000, 0x1d00_ffff), (0x1d00_ffff, 0x1d01_0000)] {
        let error = refused(|params| (params.pow_limit, params.genesis_target) = (BITS(limit), BITS(genesis)));
        assert_eq!(error, ChainSpecError::Targets { genesis: BITS(genesis), limit: BITS(limit) });
    }
    assert!(with(|params| (params.pow_limit, params.genesis_target) = (BITS(0x207f_ffff), BITS(0x207f_ffff))).is_ok());
}

#[test]
fn chain_spec_error_max_new_accounts() {
    assert_eq!(
        refused(|params| params.max_new_accounts = 1_023),
        ChainSpecError::Rules(RulesError::MaxNewAccounts { got: 1_023 })
    );
    assert!(with(|params| params.max_new_accounts = 1_024).is_ok());
}

#[test]
fn chain_spec_error_max_block_bytes() {
    let limit = MAX_BLOCK_BYTES as u64;
    for got in [0, 41_999, limit + 1, u64::MAX] {
        assert_eq!(
            refused(|params| params.max_block_bytes = got),
            ChainSpecError::Rules(RulesError::MaxBlockBytes { got })
        );
    }
    for got in [42_000, limit] {
        assert!(with(|params| params.max_block_bytes = got).is_ok());
    }
}

#[test]
fn chain_spec_error_account_price() {
    let got = pebbles((1 << 43) + 1);
    assert_eq!(refused(|params| params.account_price = got), ChainSpecError::Rules(RulesError::AccountPrice { got }));
    for price in [0, 1 << 43] {
        assert!(with(|params| params.account_price = pebbles(price)).is_ok());
    }
}

/// An upgrade that changes the price of accounts.
fn upgrade(height: u64, name: &str) -> Upgrade {
    Upgrade {
        height: Height::new(height),
        name: name.to_owned(),
        max_block_bytes: None,
        max_new_accounts: None,
        account_price: Some(pebbles(7)),
        feature: None,
    }
}

fn upgraded(upgrades: Vec<Upgrade>) -> Result<ChainSpec, ChainSpecError> {
    easy_network().with_upgrades(upgrades)
}

fn refused_upgrade(change: impl FnOnce(&mut Upgrade)) -> RulesError {
    let mut last = upgrade(9, "b");
    change(&mut last);
    match upgraded(vec![upgrade(5, "a"), last]) {
        Err(ChainSpecError::Rules(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_errors_of_upgrades() {
    assert!(upgraded(vec![upgrade(5, "a"), upgrade(9, "b")]).is_ok(), "the negative control");
    let name = || String::from("b");
    let height = |got: u64, least: u64| {
        let [got, least] = [got, least].map(Height::new);
        RulesError::UpgradeHeight { name: name(), got, least }
    };
    for got in [0, 2, 5] {
        assert_eq!(refused_upgrade(|it| it.height = Height::new(got)), height(got, 6));
    }
    let early = upgraded(vec![upgrade(2, "b")]).unwrap_err();
    assert_eq!(early, ChainSpecError::Rules(height(2, 3)));
    assert!(upgraded(vec![upgrade(3, "b")]).is_ok());
    let got = String::from("B b");
    assert_eq!(refused_upgrade(|it| it.name = got.clone()), RulesError::UpgradeName { got });
    assert_eq!(refused_upgrade(|it| it.account_price = None), RulesError::EmptyUpgrade { name: name() });
    let feature = |it: &mut Upgrade| it.feature = Some(String::from("magic"));
    assert_eq!(refused_upgrade(feature), RulesError::UnknownFeature { name: name(), got: String::from("magic") });
    let price = pebbles((1 << 43) + 1);
    assert_eq!(refused_upgrade(|it| it.account_price = Some(price)), RulesError::AccountPrice { got: price });
    assert_eq!(refused_upgrade(|it| it.max_new_accounts = Some(9)), RulesError::MaxNewAccounts { got: 9 });
    assert_eq!(refused_upgrade(|it| it.max_block_bytes = Some(9)), RulesError::MaxBlockBytes { got: 9 });
}

#[test]
fn rules_change_at_the_height_of_an_upgrade_and_not_before() {
    let second = Upgrade { max_block_bytes: Some(50_000), account_price: None, ..upgrade(9, "b") };
    let spec = upgraded(vec![upgrade(5, "a"), second]).unwrap();
    let at = |height| *spec.rules_at(Height::new(height));
    let first = Rules { version: 1, max_block_bytes: 2 << 20, max_new_accounts: 16_384, account_price: pebbles(1_000) };
    assert_eq!((at(0), at(4)), (first, first));
    let changed = Rules { version: at(5).version, account_price: pebbles(7), ..first };
    assert_eq!((at(5), at(8)), (changed, changed));
    let both = Rules { version: at(9).version, max_block_bytes: 50_000, ..changed };
    assert_eq!((at(9), at(u64::MAX)), (both, both), "what the second does not name stays as the first made it");
    assert_eq!(BTreeSet::from([1, at(5).version, at(9).version]).len(), 3);
    let next = |height| spec.schedule().next_after(Height::new(height)).map(|next| next.height.get());
    assert_eq!([next(0), next(4), next(5), next(9)], [Some(5), Some(5), Some(9), None]);
}

/// A number that was left out, where another rule was set to it, once had two contradictory files look alike.
#[test]
fn whatever_differs_in_an_upgrade_gives_another_rules_id_and_the_same_genesis_id() {
    let plain = upgrade(5, "a");
    let changes: [Vec<Upgrade>; 8] = [
        vec![],
        vec![plain.clone()],
        vec![Upgrade { height: Height::new(6), ..plain.clone() }],
        vec![Upgrade { name: String::from("aa"), ..plain.clone() }],
        vec![Upgrade { account_price: Some(pebbles(50_000)), ..plain.clone() }],
        vec![Upgrade { account_price: None, max_new_accounts: Some(50_000), ..plain.clone() }],
        vec![Upgrade { account_price: None, max_block_bytes: Some(50_000), ..plain.clone() }],
        vec![plain.clone(), upgrade(9, "b")],
    ];
    let specs: Vec<_> = changes.into_iter().map(|upgrades| upgraded(upgrades).unwrap()).collect();
    let ids: BTreeSet<_> = specs.iter().map(|spec| spec.schedule().id()).collect();
    assert_eq!(ids.len(), specs.len());
    assert!(specs.iter().all(|spec| spec.genesis_id() == easy_network().genesis_id()));
    let versions = |spec: &ChainSpec| [4, 5, 9].map(|height| spec.rules_at(Height::new(height)).version);
    let (one, two) = (versions(&specs[1]), versions(&specs[7]));
    assert_eq!(one[1], two[1], "an upgrade that comes later does not change the version before it");
    assert_ne!(one[2], two[2]);
}

#[test]
fn chain_spec_error_allocation_order() {
    let [low, high] = [address(1).min(address(2)), address(1).max(address(2))];
    for (list, address) in [(vec![high, low], low), (vec![low, low], low), (vec![Address::ZERO, low], Address::ZERO)] {
        let error = refused(|params| params.allocations = list.into_iter().map(|to| (to, pebbles(1))).collect());
        assert_eq!(error, ChainSpecError::AllocationOrder { address });
    }
    assert!(with(|params| params.allocations = vec![(low, pebbles(1)), (high, pebbles(1))]).is_ok());
    assert!(with(|params| params.allocations.clear()).is_ok());
}

#[test]
fn chain_spec_error_allocation_not_on_curve() {
    let address = (0..).map(nobody).find(|address| !address.is_on_curve()).unwrap();
    let error = refused(|params| params.allocations = vec![(address, pebbles(1))]);
    assert_eq!(error, ChainSpecError::AllocationNotOnCurve { address });
}

#[test]
fn chain_spec_error_allocation_zero() {
    let error = refused(|params| params.allocations = vec![(address(1), Amount::ZERO)]);
    assert_eq!(error, ChainSpecError::AllocationZero { address: address(1) });
}

#[test]
fn chain_spec_error_supply() {
    // One block of 2^51, then 2^50, and so on, for one block fewer in the first era: 2^52 + .. + 1 + 0.
    let alone = |params: &mut ChainParams, allocated| {
        (params.subsidy, params.halving) = (pebbles(1 << 50), 1);
        params.allocations = vec![(address(1), pebbles(allocated))];
    };
    let subsidies = with(|params| alone(params, 1)).unwrap().supply(Height::new(u64::MAX)).pebbles() - 1;
    assert_eq!(subsidies, (1 << 50) - 1, "2^49 + 2^48 + .. + 1: height 0 takes the first");
    let rest = Amount::MAX.pebbles() - subsidies;
    let spec = with(|params| alone(params, rest)).unwrap();
    assert_eq!(spec.supply(Height::new(1_000)), Amount::MAX, "exactly 2^53 - 1 is allowed");
    assert_eq!(refused(|params| alone(params, rest + 1)), ChainSpecError::Supply);
    assert_eq!(refused(|params| params.halving = u64::MAX), ChainSpecError::Supply);
    assert!(with(|params| (params.halving, params.subsidy) = (u64::MAX, Amount::ZERO)).is_ok());
}

#[test]
fn every_parameter_is_bound_by_the_genesis_id() {
    let changes: [fn(&mut ChainParams); 15] = [
        |_| (),
        |params| params.name.push('x'),
        |params| params.prefix = cairn_ledger::address::AddressPrefix::new("xcrn").unwrap(),
        |params| params.interval_ms += 1,
        |params| params.half_life_ms += 1,
        |params| params.max_future_ms += 1,
        |params| params.max_block_bytes += 1,
        |params| params.max_new_accounts += 1,
        |params| params.account_price = pebbles(1),
        |params| params.subsidy = pebbles(1),
        |params| params.halving += 1,
        |params| params.genesis_time = params.genesis_time.saturating_add(1),
        |params| params.pow_limit = BITS(0x207f_fffe),
        |params| params.genesis_target = BITS(0x207f_fffe),
        |params| params.allocations[0].1 = pebbles(1),
    ];
    // A limit below the genesis target is refused, so that the two move together in that one case.
    let specs = changes.iter().map(|change| {
        with(|params| {
            change(params);
            params.genesis_target = params.genesis_target.min_by_target(params.pow_limit);
        })
    });
    let ids: BTreeSet<_> = specs.map(|spec| spec.unwrap().genesis_id()).collect();
    assert_eq!(ids.len(), changes.len());
}

trait MinByTarget {
    fn min_by_target(self, other: Self) -> Self;
}

impl MinByTarget for CompactTarget {
    fn min_by_target(self, other: Self) -> Self {
        if self.decode().unwrap() < other.decode().unwrap() { self } else { other }
    }
}

#[test]
fn block_0_is_as_the_document_says() {
    let spec = easy_network();
    let genesis = spec.genesis();
    assert_eq!((genesis.height, genesis.nonce, genesis.version), (Height::GENESIS, 0, 1));
    assert_eq!((genesis.time, genesis.beneficiary), (Timestamp::from_millis(1_700_000_000_000), Address::ZERO));
    assert_eq!(genesis.history_root, cairn_ledger::hash::Hash::ZERO);
    assert_eq!(genesis.txs_root, cairn_ledger::hash::sha256(&[]));
    assert_eq!(spec.genesis_leaves().len(), 11);
    assert!(spec.genesis_leaves().windows(2).all(|pair| pair[0].next == pair[1].address), "ascending, so in order");
    assert_eq!(spec.subsidy(Height::GENESIS), Amount::ZERO);
}
