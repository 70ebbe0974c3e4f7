//! Parameters that make no network, and block 0.

use crate::support::{address, nobody};
use cairn_ledger::{
    block::MAX_BLOCK_BYTES,
    chain_spec::{ChainParams, ChainSpec, ChainSpecError},
    keys::Address,
    pow::{CompactTarget, TargetFormError},
    testing::{easy_network, easy_params, pebbles},
    units::{Amount, Height, Timestamp},
};
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
    for (interval, half_life) in [(0, 20_000), (20_001, 20_000), (0, 0)] {
        let error = refused(|params| (params.interval_ms, params.half_life_ms) = (interval, half_life));
        assert_eq!(error, ChainSpecError::Interval { interval, half_life });
    }
    assert!(with(|params| (params.interval_ms, params.half_life_ms) = (20_000, 20_000)).is_ok());
    assert!(with(|params| (params.interval_ms, params.half_life_ms) = (1, u64::MAX)).is_ok());
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
    assert_eq!(refused(|params| params.max_new_accounts = 1_023), ChainSpecError::MaxNewAccounts { got: 1_023 });
    assert!(with(|params| params.max_new_accounts = 1_024).is_ok());
}

#[test]
fn chain_spec_error_max_block_bytes() {
    let limit = MAX_BLOCK_BYTES as u64;
    for got in [0, 41_999, limit + 1, u64::MAX] {
        assert_eq!(refused(|params| params.max_block_bytes = got), ChainSpecError::MaxBlockBytes { got });
    }
    for got in [42_000, limit] {
        assert!(with(|params| params.max_block_bytes = got).is_ok());
    }
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
    let changes: [fn(&mut ChainParams); 14] = [
        |_| (),
        |params| params.name.push('x'),
        |params| params.prefix = cairn_ledger::address::AddressPrefix::new("xcrn").unwrap(),
        |params| params.interval_ms += 1,
        |params| params.half_life_ms += 1,
        |params| params.max_future_ms += 1,
        |params| params.max_block_bytes += 1,
        |params| params.max_new_accounts += 1,
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
