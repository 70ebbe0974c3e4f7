//! Random chains with the ledger's verdict on each block, for the specification in tests/spec to judge again.
//!
//! # Map
//! [`rng`] repeatable randomness · [`network`] random parameters and upgrades · [`chain`] a chain that grows, and what
//! the ledger says of a candidate · [`payments`] transactions that fit it · [`broken`] every rule broken on purpose ·
//! [`small`] targets, addresses, account proofs · [`verdict`] the ledger's errors by the names of the specification ·
//! [`light`] light proofs and receipts, as made and altered
//!
//! # Lines
//! One case a line, words between blanks, bytes in hex; the last word or words are the ledger's answer. A line may
//! depend on those before it, down to the last `network`.
//!
//! | line | what |
//! |---|---|
//! | `network PARAMS UPGRADES HEADER` | a new chain of these parameters and upgrades; its block 0 |
//! | `refused PARAMS UPGRADES` | parameters that make no network |
//! | `block NOW BLOCK VERDICT` | a candidate after the tip; `valid STATE_ROOT HISTORY_ROOT WORK VERSION TARGET` (of its child) extends the chain |
//! | `undo RECORD` | the tip is taken back by this record |
//! | `account ROOT ADDRESS PROOF VERDICT` | an account proof: `account BALANCE NONCE`, `absent`, or a broken rule |
//! | `compact BITS VERDICT` | a compact target: its work, or `refused` |
//! | `next INTERVAL HALF_LIFE LIMIT TARGET GAP TARGET` | the difficulty rule |
//! | `light TIP RANDOM NOW PROOF VERDICT` | a light proof: `valid WORK SETTLED_HEIGHT`, `refused` or `decode` |
//! | `receipt NOW RECEIPT VERDICT` | a receipt: `valid BLOCK HEIGHT CONFIRMATIONS WORK WORK_ABOVE`, likewise |
//! | `tile FIRST NEXT BLOCKS TIME BOUNDS` | what blocks that nobody looked into may say: least work, most easier, least |
//! | `address PREFIX TEXT VERDICT` | an address as typed |

pub mod broken;
pub mod chain;
pub mod light;
pub mod network;
pub mod payments;
pub mod rng;
pub mod small;
pub mod verdict;

use cairn_ledger::codec::{Encode, encode};
use cairn_ledger::{chain_spec::ChainSpec, keys::SecretKey, testing};
use chain::Chain;
use light::Headers;
use rng::Rng;
use std::io::{self, Write};
use std::sync::LazyLock;

/// Candidates on one chain.
const BLOCKS_A_CHAIN: u64 = 500;
/// Light proofs of one chain.
const PROOFS_A_CHAIN: u64 = 25;

/// The n-th test key, made once: to make one takes as long as all else in a small block.
pub fn key(n: u64) -> &'static SecretKey {
    static KEYS: LazyLock<Vec<SecretKey>> = LazyLock::new(|| (0..64).map(testing::key).collect());
    &KEYS[n as usize % KEYS.len()]
}

/// The canonical bytes of a value in hex.
pub fn hex<T: Encode>(value: &T) -> String {
    hex_of(&encode(value))
}

/// Bytes in hex; `-` for none, so that a line has as many words as it should.
pub fn hex_of(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes `blocks` candidates and `proofs` light proofs and receipts, with what else comes between them: the same seed,
/// the same lines.
///
/// # Errors
/// Those of `out`.
pub fn write(seed: u64, blocks: u64, proofs: u64, out: &mut impl Write) -> io::Result<()> {
    let mut rng = Rng::new(seed);
    let mut left = blocks;
    while left > 0 {
        let mut chain = Chain::new(announce(&mut rng, out)?);
        let count = left.min(BLOCKS_A_CHAIN);
        for _ in 0..count {
            grow(&mut rng, &mut chain, out)?;
        }
        left -= count;
    }
    let mut left = proofs;
    while left > 0 {
        let count = left.min(PROOFS_A_CHAIN);
        prove(&mut rng, count, out)?;
        left -= count;
    }
    out.flush()
}

/// The next network whose parameters are valid.
fn announce(rng: &mut Rng, out: &mut impl Write) -> io::Result<ChainSpec> {
    loop {
        let (line, spec) = network::random(rng);
        writeln!(out, "{line}")?;
        if let Some(spec) = spec {
            return Ok(spec);
        }
    }
}

/// Light proofs and receipts of a chain while it grows.
fn prove(rng: &mut Rng, count: u64, out: &mut impl Write) -> io::Result<()> {
    let mut spec = announce(rng, out)?;
    while spec.params().genesis_target.bits() < light::HARDEST {
        spec = announce(rng, out)?;
    }
    let mut headers = Headers::new(rng, spec.clone());
    let first = rng.pick(&[1, 5, 500, 510, 700, 1_000, 1_500]);
    (0..first).for_each(|_| headers.grow(rng));
    for number in 0..count {
        let line = if number % 4 == 3 { headers.receipt(rng) } else { headers.proof(rng) };
        line.map_or(Ok(()), |line| writeln!(out, "{line}"))?;
        writeln!(out, "{}", light::tile(rng, &spec))?;
        (0..rng.below(5)).for_each(|_| headers.grow(rng));
    }
    Ok(())
}

/// One candidate, half of the time a valid one; now and then something else.
fn grow(rng: &mut Rng, chain: &mut Chain, out: &mut impl Write) -> io::Result<()> {
    let (bytes, now) = if rng.one_in(2) {
        let draft = chain.draft(rng);
        let now = draft.header.time;
        (draft.sealed(), now)
    } else {
        broken::candidate(rng, chain)
    };
    writeln!(out, "{}", chain.judge(&bytes, now))?;
    match rng.below(16) {
        0 => writeln!(out, "{}", small::compact(rng)),
        1 => writeln!(out, "{}", small::next_target(rng)),
        2 => writeln!(out, "{}", small::address(rng)),
        3 => writeln!(out, "{}", small::account(rng, chain)),
        4 => chain.undo().map_or(Ok(()), |line| writeln!(out, "{line}")),
        _ => Ok(()),
    }
}
