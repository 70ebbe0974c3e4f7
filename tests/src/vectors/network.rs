//! Random networks: the same rules everywhere, all kinds of numbers.

use super::{hex_of, key, rng::Rng};
use cairn_ledger::chain_spec::{ChainParams, ChainSpec};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::{address::AddressPrefix, pow::CompactTarget, testing::pebbles, upgrades::Upgrade};

/// How many keys have money in block 0.
const FUNDED: u64 = 6;
/// All that may ever exist.
const SUPPLY: u64 = (1 << 53) - 1;

/// Parameters that are mostly valid: all kinds of times, sizes and prices, on targets that take a few attempts.
pub fn params(rng: &mut Rng) -> ChainParams {
    let interval_ms = rng.pick(&[1, 10, 1_000, 2_000, 30_000]);
    let half_life_ms = interval_ms * rng.pick(&[2, 3, 10, 120, 1024]);
    let pow_limit = rng.pick(&[0x207f_ffff, 0x207f_ff00, 0x203f_ffff, 0x2013_5790]);
    let genesis_target = rng.pick(&[pow_limit, pow_limit - 1, 0x2010_0000, 0x200f_ffff]);
    let mut allocations: Vec<_> = (0..FUNDED).map(|n| (key(n).address(), pebbles(allocation(rng)))).collect();
    allocations.sort();
    ChainParams {
        name: rng.pick(&["easy", "a", "0-9", "a-name-of-thirty-two-characters-"]).to_owned(),
        prefix: AddressPrefix::new(rng.pick(&["ecrn", "a", "a123456789bcdefg"])).expect("a prefix"),
        interval_ms,
        half_life_ms,
        max_future_ms: rng.pick(&[0, 1, 5_000, u64::MAX]),
        max_block_bytes: rng.pick(&[42_000, 50_000, 1 << 20, 3 << 20]),
        max_new_accounts: rng.pick(&[1_024, 1_025, 16_384]),
        account_price: pebbles(rng.pick(&[0, 1, 1_000, 1_000, 1_000_000, 1_000_000, 1 << 43])),
        subsidy: pebbles(rng.pick(&[0, 1, 3, 1_000, 1_000_001, 5_000_000_000])),
        halving: rng.pick(&[1, 2, 5, 1_000, 100_000]),
        genesis_time: Timestamp::from_millis(rng.pick(&[0, 1, 1_700_000_000_000])),
        pow_limit: CompactTarget::from_bits(pow_limit),
        genesis_target: CompactTarget::from_bits(genesis_target),
        allocations,
    }
}

fn allocation(rng: &mut Rng) -> u64 {
    rng.pick(&[1, 1_000, 1_000_000, 1_000_000_000_000, 1_000_000_000_000, 1_000_000_000_000_000])
}

/// One parameter at a bound, or just beyond it.
pub fn bend(rng: &mut Rng, params: &mut ChainParams) {
    let beyond = |rng: &mut Rng, bound: u64| rng.pick(&[bound.saturating_sub(1), bound, bound + 1]);
    match rng.below(13) {
        0 => params.name = rng.pick(&["", "A", "a b", "a-name-of-thirty-three-characters"]).to_owned(),
        1 => params.interval_ms = rng.pick(&[0, params.half_life_ms / 2 + 1, params.half_life_ms]),
        2 => {
            let intervals = rng.pick(&[2, 1_024]);
            params.half_life_ms = beyond(rng, params.interval_ms * intervals);
        }
        3 => params.max_block_bytes = beyond(rng, 42_000),
        4 => params.max_block_bytes = beyond(rng, 3 << 20),
        5 => params.max_new_accounts = beyond(rng, 1_024),
        6 => params.account_price = pebbles(beyond(rng, 1 << 43)),
        7 => params.halving = rng.below(2),
        8 => params.pow_limit = CompactTarget::from_bits(rng.pick(&[0x207f_ffff, 0x2100_8000, 0x1d00_00ff, 0])),
        9 => params.genesis_target = CompactTarget::from_bits(rng.pick(&[params.pow_limit.bits() + 1, 0, 0x0101_0000])),
        10 => bend_allocations(rng, params),
        11 => bend_supply(rng, params),
        _ => params.subsidy = pebbles(rng.below(SUPPLY)),
    }
}

fn bend_allocations(rng: &mut Rng, params: &mut ChainParams) {
    let (first, last) = (params.allocations[0], params.allocations.len() - 1);
    match rng.below(5) {
        0 => params.allocations.push(first),
        1 => params.allocations.insert(0, first),
        2 => params.allocations[last].1 = pebbles(0),
        3 => params.allocations[last].0 = cairn_ledger::keys::Address::from_bytes([0xff; 32]),
        _ => params.allocations.clear(),
    }
}

/// A supply of exactly as much as there may be, or one more or less.
fn bend_supply(rng: &mut Rng, params: &mut ChainParams) {
    let subsidy = params.subsidy.pebbles();
    let subsidies: u128 = (0..64).map(|k| u128::from(subsidy >> k) * u128::from(params.halving)).sum();
    let subsidies = u64::try_from(subsidies).unwrap_or(u64::MAX).saturating_sub(subsidy);
    let others: u64 = params.allocations.iter().skip(1).map(|(_, amount)| amount.pebbles()).sum();
    let rest = SUPPLY.saturating_sub(subsidies).saturating_sub(others);
    params.allocations[0].1 = pebbles(rng.pick(&[rest.saturating_sub(1), rest, (rest + 1).min(SUPPLY)]));
}

/// Up to three upgrades, mostly valid, some of them within the reach of a chain.
fn upgrades(rng: &mut Rng) -> Vec<Upgrade> {
    let mut height = 1;
    let count = rng.pick(&[0, 0, 0, 1, 2, 3]);
    (0..count).map(|n| upgrade(rng, n, &mut height)).collect()
}

fn upgrade(rng: &mut Rng, n: usize, height: &mut u64) -> Upgrade {
    *height += if rng.one_in(30) { 0 } else { rng.pick(&[1, 2, 2, 10, 60, 1 << 60]) };
    let name = if rng.one_in(60) { "A".to_owned() } else { format!("upgrade-{n}") };
    let feature = rng.one_in(60).then(|| "unknown".to_owned());
    Upgrade {
        height: Height::new(*height),
        name,
        max_block_bytes: rng.one_in(2).then(|| rng.pick(&[42_000, 42_001, 100_000, 3 << 20])),
        max_new_accounts: rng.one_in(2).then(|| rng.pick(&[1_024, 1_025, 4_096])),
        account_price: rng.one_in(2).then(|| pebbles(rng.pick(&[0, 1, 1_001, 1_000_000]))),
        feature,
    }
}

/// The line of a random network, and its rules; `None` where the parameters are refused.
pub fn random(rng: &mut Rng) -> (String, Option<ChainSpec>) {
    let mut params = params(rng);
    if rng.one_in(4) {
        bend(rng, &mut params);
    }
    let upgrades = upgrades(rng);
    let words = format!("{} {}", hex_of(&params_bytes(&params)), hex_of(&upgrades_bytes(&upgrades)));
    match ChainSpec::new(params).and_then(|spec| spec.with_upgrades(upgrades)) {
        Ok(spec) => (format!("network {words} {}", super::hex(spec.genesis())), Some(spec)),
        Err(_) => (format!("refused {words}"), None),
    }
}

/// As protocol.md lays parameters out for the genesis id.
fn params_bytes(params: &ChainParams) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in [params.name.as_str(), params.prefix.as_str()] {
        put_sized(&mut bytes, text.as_bytes());
    }
    let numbers = [
        params.interval_ms,
        params.half_life_ms,
        params.max_future_ms,
        params.max_block_bytes,
        params.max_new_accounts,
        params.account_price.pebbles(),
        params.subsidy.pebbles(),
        params.halving,
        params.genesis_time.millis(),
    ];
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes.extend(params.pow_limit.bits().to_le_bytes());
    bytes.extend(params.genesis_target.bits().to_le_bytes());
    bytes.extend((params.allocations.len() as u64).to_le_bytes());
    for (address, amount) in &params.allocations {
        bytes.extend(address.as_bytes());
        bytes.extend(amount.pebbles().to_le_bytes());
    }
    bytes
}

/// As protocol.md lays upgrades out for the rules' id.
fn upgrades_bytes(upgrades: &[Upgrade]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for upgrade in upgrades {
        bytes.extend(upgrade.height.get().to_le_bytes());
        put_sized(&mut bytes, upgrade.name.as_bytes());
        let price = upgrade.account_price.map(|price| price.pebbles());
        for number in [upgrade.max_block_bytes, upgrade.max_new_accounts, price] {
            put_sized(&mut bytes, &number.map_or_else(Vec::new, |number| number.to_le_bytes().to_vec()));
        }
        put_sized(&mut bytes, upgrade.feature.as_deref().unwrap_or_default().as_bytes());
    }
    bytes
}

fn put_sized(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_le_bytes());
    bytes.extend(part);
}
