//! Mining: when a block is found is drawn from the exponential law by what the miner hashes and how hard the target is;
//! the template, the seal and the block's way are production's.

use cairn_chain::ChainHandle;
use cairn_common::{clock, random, runtime};
use cairn_ledger::block::Header;
use cairn_ledger::keys::Address;
use cairn_ledger::pow::search::{CHUNK, Search};
use cairn_mempool::PoolHandle;
use cairn_network::NetworkHandle;
use cairn_node::{BlockBuilder, Pause};
use std::time::Duration;

/// How long a miner rests that gets no template.
const PAUSE: Duration = Duration::from_secs(1);

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

/// Mines for ever, with so many hashes a second.
pub async fn mine(chain: ChainHandle, pool: PoolHandle, network: NetworkHandle, rate: f64, beneficiary: Address) {
    let builder = BlockBuilder { chain: chain.clone(), pool, network };
    let mut tips = chain.watch_tip();
    loop {
        tips.mark_unchanged();
        let Ok(Some(tip)) = chain.reader().header(&chain.tip().id) else { return };
        let Ok(target) = tip.next_target().decode() else { return };
        let mean = target.work().to_f64() / rate;
        let found = clock::instant() + Duration::from_secs_f64(-uniform().ln() * mean);
        // The law has no memory: what was drawn for the old tip is drawn anew.
        match runtime::timeout(found.duration_since(clock::instant()), tips.changed()).await {
            Ok(Ok(())) => continue,
            Ok(Err(_)) => return,
            Err(_) => {}
        }
        let template = match builder.template(beneficiary, clock::now()).await {
            Ok(template) => template,
            Err(Pause::Stopping) => return,
            Err(_) => {
                runtime::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(nonce) = search(&template.header) else { continue };
        let submitted = builder.submit(&template, nonce).await;
        if submitted.is_err() {
            return;
        }
    }
}
