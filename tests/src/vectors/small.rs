//! Cases of one line that need no chain, or only its state.

use super::{broken::flipped, chain::Chain, hex, hex_of, key, rng::Rng};
use cairn_ledger::accounts::{AccountProof, AccountProofError};
use cairn_ledger::pow::{CompactTarget, DifficultyRule};
use cairn_ledger::{address::AddressPrefix, codec::decode, keys::Address, units::Timestamp};

/// The size of the longest account proof.
const MAX_PROOF_BYTES: usize = 16 + 80 + 8 + 64 * 32;

/// A compact target, mostly near a normal form.
pub fn compact(rng: &mut Rng) -> String {
    let mantissas = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7f_ffff, 0x80_0000, 0xff_ffff];
    let size = if rng.one_in(4) { rng.draw() as u32 } else { rng.below(36) as u32 };
    let mantissa = if rng.one_in(2) { rng.draw() as u32 & 0xff_ffff } else { rng.pick(&mantissas) };
    let compact = CompactTarget::from_bits(size << 24 | mantissa);
    let verdict = match compact.decode() {
        Ok(target) => target.work().to_string(),
        Err(_) => "refused".to_owned(),
    };
    format!("compact {} {verdict}", compact.bits())
}

/// A step of the difficulty rule, from any target and any numbers that a network may have.
pub fn next_target(rng: &mut Rng) -> String {
    let (target, limit) = (normal_target(rng), normal_target(rng));
    let (target, limit) = if target.bits() <= limit.bits() { (target, limit) } else { (limit, target) };
    let interval_ms = 1 + rng.any_size() / 2_048;
    let half_life_ms = interval_ms + rng.below(interval_ms * 1_023 + 1);
    let most = rng.pick(&[1, interval_ms, 2 * interval_ms, half_life_ms, u64::MAX]);
    let gap = 1 + rng.below(most);
    let rule = DifficultyRule { interval_ms, half_life_ms, pow_limit: limit.decode().expect("a normal form") };
    let base = Timestamp::from_millis(0);
    let next = rule.next_target(target.decode().expect("a normal form"), base.saturating_add(gap), base);
    format!("next {interval_ms} {half_life_ms} {limit} {target} {gap} {next}")
}

fn normal_target(rng: &mut Rng) -> CompactTarget {
    loop {
        let target = CompactTarget::from_bits((1 + rng.below(33) as u32) << 24 | rng.draw() as u32 & 0x7f_ffff);
        if target.decode().is_ok() {
            return target;
        }
    }
}

/// An address as somebody might type it.
pub fn address(rng: &mut Rng) -> String {
    let prefix = AddressPrefix::new(rng.pick(&["crn", "tcrn", "lcrn", "a"])).expect("a prefix");
    let address = if rng.one_in(2) { key(rng.below(64)).address() } else { Address::from_bytes(rng.bytes()) };
    let text = typed(rng, &prefix.encode(&address));
    let verdict = match prefix.decode(&text) {
        Ok(address) => hex(&address),
        Err(_) => "refused".to_owned(),
    };
    format!("address {} {} {verdict}", prefix.as_str(), hex_of(text.as_bytes()))
}

fn typed(rng: &mut Rng, text: &str) -> String {
    let place = rng.index(text.len());
    let (before, after) = text.split_at(place);
    match rng.below(10) {
        0 => text.to_uppercase(),
        1 => format!("{before}{}", after.to_uppercase()),
        2 => format!("{before}q{after}"),
        3 => format!("{before}{}", &after[1..]),
        4 => format!("{before}{}{}", rng.pick(&['q', 'p', '1', 'b', ' ', 'é']), &after[1..]),
        5 => before.to_owned(),
        6 => format!(" {text}"),
        _ => text.to_owned(),
    }
}

/// What an account proof, perhaps altered, says of an address, perhaps another one.
pub fn account(rng: &mut Rng, chain: &Chain) -> String {
    let address = if rng.one_in(2) { chain.some_account(rng) } else { Address::from_bytes(rng.bytes()) };
    let leaves = chain.state.leaves();
    let below = |(_, leaf): &(usize, &cairn_ledger::accounts::Leaf)| leaf.address <= address;
    let (index, leaf) = leaves.iter().enumerate().filter(below).max_by_key(|(_, leaf)| leaf.address).expect("sentinel");
    let path = chain.state.tree().path(index as u64).expect("a leaf of the tree");
    let proof = AccountProof {
        count: leaves.len() as u64,
        index: index as u64,
        leaf: *leaf,
        path: cairn_ledger::codec::BoundedVec::new(path).expect("a path no deeper than the tree"),
    };
    let bytes = cairn_ledger::codec::encode(&proof);
    let bytes = if rng.one_in(2) { flipped(rng, bytes) } else { bytes };
    let about = if rng.one_in(3) { chain.some_account(rng) } else { address };
    let root = chain.state.tree().state_root();
    format!("account {} {} {} {}", hex(&root), hex(&about), hex_of(&bytes), account_verdict(&bytes, &about, &root))
}

fn account_verdict(bytes: &[u8], address: &Address, root: &cairn_ledger::hash::Hash) -> String {
    let Ok(proof) = decode::<AccountProof>(bytes, MAX_PROOF_BYTES) else { return "decode".to_owned() };
    match proof.verify(address, root) {
        Ok(Some(account)) => format!("account {} {}", account.balance.pebbles(), account.nonce),
        Ok(None) => "absent".to_owned(),
        Err(AccountProofError::Index { .. }) => "proof-index".to_owned(),
        Err(AccountProofError::PathLength { .. }) => "proof-depth".to_owned(),
        Err(AccountProofError::StateRoot { .. }) => "proof-root".to_owned(),
        Err(AccountProofError::OtherAddress { .. }) => "proof-address".to_owned(),
    }
}
