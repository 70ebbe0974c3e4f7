//! Mining: when a block is found is drawn from the exponential law by what the miner hashes and how hard the target is;
//! the template, the seal and the block's way are production's.
//!
//! Honest miners mine on their tip, and show at once what they find; others keep it back (`private`).

mod forge;
mod private;

use crate::executor::Nanos;
use crate::observations::Observer;
use cairn_chain::ChainHandle;
use cairn_common::{clock, random, runtime};
use cairn_ledger::block::Header;
use cairn_ledger::keys::Address;
use cairn_ledger::pow::search::{CHUNK, Search};
use cairn_mempool::PoolHandle;
use cairn_miner::{BlockBuilder, Pause};
use cairn_network::NetworkHandle;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a miner rests that gets no template.
const PAUSE: Duration = Duration::from_secs(1);

/// A miner.
#[derive(Clone, Debug)]
pub struct Miner {
    /// What it hashes, in hashes a second.
    pub rate: f64,
    /// How that changes.
    pub power: Power,
    /// Who gets the rewards.
    pub beneficiary: Address,
    /// What it does with its blocks.
    pub strategy: Strategy,
}

/// From which moment on, in nanoseconds since the beginning, a miner hashes how many times as much as at first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Power(pub Arc<[(Nanos, f64)]>);

impl Power {
    /// How long it takes from a moment on to hash as much as takes so many seconds at first.
    fn seconds(&self, now: Nanos, mut work: f64) -> f64 {
        let (mut at, mut factor) = (now, 1.0);
        for (from, next) in self.0.iter() {
            if *from > at {
                let done = (*from - at) as f64 / 1e9 * factor;
                if done >= work {
                    return (at - now) as f64 / 1e9 + work / factor;
                }
                work -= done;
                at = *from;
            }
            factor = *next;
        }
        (at - now) as f64 / 1e9 + work / factor
    }
}

/// What a miner does with the blocks it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Shows them at once.
    Honest,
    /// Shows them when that makes others' work worthless (Eyal and Sirer 2013, figure 1).
    Selfish,
    /// Shows none that follows the rules.
    Forge,
    /// Shows them once there are more of them than of others' since it paid, and its payment has so many confirmations
    /// (Rosenfeld 2014: one block is found before the payment is made).
    DoubleSpend {
        /// The confirmations that whoever is paid waits for.
        confirmations: u64,
    },
}

/// A number between 0 and 1, never 0.
fn uniform() -> f64 {
    let mut bytes = [0; 8];
    random::fill(&mut bytes).expect("a simulation has random bytes");
    ((u64::from_le_bytes(bytes) >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// The seal's nonce.
fn search(header: &Header) -> Option<u64> {
    let search = Search::new(header.seal(), header.target.decode().ok()?);
    (0..1 << 20).find_map(|chunk: u64| search.in_chunk(chunk.wrapping_mul(CHUNK)))
}

/// When a miner finds the next block on a chain's tip; nothing when the chain is ending.
fn find_at(chain: &ChainHandle, miner: &Miner, observer: &Observer) -> Option<Instant> {
    let tip = chain.reader().header(&chain.tip().id).ok().flatten()?;
    let target = tip.next_target().decode().ok()?;
    let mean = target.work().to_f64() / miner.rate;
    let seconds = miner.power.seconds(observer.now(), -uniform().ln() * mean);
    Some(clock::instant() + Duration::from_secs_f64(seconds))
}

/// Mines for ever.
pub async fn mine(chain: ChainHandle, pool: PoolHandle, network: NetworkHandle, miner: Miner, observer: Observer) {
    match miner.strategy {
        Strategy::Honest => mine_openly(chain, pool, network, miner, observer).await,
        Strategy::Forge => forge::forge(chain, network, miner, observer).await,
        Strategy::Selfish | Strategy::DoubleSpend { .. } => {
            // It ends with its chain.
            if let Ok(miner) = private::PrivateMiner::new(chain, network, miner, observer) {
                let _ = miner.run().await;
            }
        }
    }
}

/// Finds a block on the chain's tip at once, whatever the odds, and shows it; whether there was anything to find.
pub async fn find_now((chain, pool, network): (ChainHandle, PoolHandle, NetworkHandle), beneficiary: Address) -> bool {
    let builder = BlockBuilder { chain, pool, network };
    let Ok(template) = builder.template(beneficiary, clock::now()).await else { return false };
    let Some(nonce) = search(&template.header) else { return false };
    builder.submit(&template, nonce).await.is_ok()
}

async fn mine_openly(chain: ChainHandle, pool: PoolHandle, network: NetworkHandle, miner: Miner, observer: Observer) {
    let builder = BlockBuilder { chain: chain.clone(), pool, network };
    let mut tips = chain.watch_tip();
    loop {
        tips.mark_unchanged();
        let Some(found) = find_at(&chain, &miner, &observer) else { return };
        // The law has no memory: what was drawn for the old tip is drawn anew.
        match runtime::timeout(found.duration_since(clock::instant()), tips.changed()).await {
            Ok(Ok(())) => continue,
            Ok(Err(_)) => return,
            Err(_) => {}
        }
        let template = match builder.template(miner.beneficiary, clock::now()).await {
            Ok(template) => template,
            Err(Pause::Stopping) => return,
            Err(_) => {
                runtime::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(nonce) = search(&template.header) else { continue };
        note(&observer, &Header { nonce, ..template.header.clone() });
        if builder.submit(&template, nonce).await.is_err() {
            return;
        }
    }
}

fn note(observer: &Observer, header: &Header) {
    let (by, at) = (observer.node(), observer.now());
    observer.seen().on_found(by, at, header);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hashed_follows_the_power_of_each_moment() {
        let second = 1_000_000_000;
        let power = Power(Arc::from([(10 * second, 2.0), (20 * second, 0.5)]));
        let seconds = |now: u64, work| power.seconds(now * second, work);
        assert_eq!((seconds(0, 5.0), seconds(0, 12.0), seconds(0, 40.0)), (5.0, 11.0, 40.0));
        assert_eq!((seconds(10, 4.0), seconds(15, 11.0), seconds(30, 3.0)), (2.0, 7.0, 6.0));
        assert_eq!(Power::default().seconds(7 * second, 3.0), 3.0);
    }
}
