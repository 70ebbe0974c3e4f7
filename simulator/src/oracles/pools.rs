//! What pools hold once nobody has paid for some minutes.

use super::Broken;
use crate::executor::NodeId;
use crate::simulation::Simulation;
use cairn_chain::Reader;
use cairn_ledger::transaction::Transaction;

/// What is wrong with a transaction's waiting in the pool of a node whose chain is this.
fn fault(reader: &Reader, tip: u64, transaction: &Transaction, is_quiet: bool) -> Option<&'static str> {
    let body = &transaction.body;
    let account = reader.account(&body.sender).ok().flatten().unwrap_or_default();
    let is_affordable = body.max_cost() <= account.balance.pebbles();
    if reader.is_mined(&transaction.id()).unwrap_or(false) {
        Some("holds a payment that is mined")
    } else if body.nonce < account.nonce {
        Some("holds a payment whose nonce was used")
    } else if body.valid_until.get() != 0 && body.valid_until.get() <= tip {
        Some("holds a payment that is over")
    } else if is_quiet && body.nonce == account.nonce && is_affordable {
        Some("holds a payment that could have been mined for minutes")
    } else {
        None
    }
}

/// Pools hold nothing that is mined or over; where nobody has paid for some minutes (`is_quiet`), nothing that miners
/// could have taken.
pub fn pools(simulation: &mut Simulation, is_quiet: bool) -> Vec<Broken> {
    let check = |node: NodeId, simulation: &mut Simulation| {
        let asked = simulation.ask(node, |running| {
            let pool = running.pool.clone();
            async move { (pool.transactions().await.unwrap_or_default(), pool.info().await.ok()) }
        });
        let (waiting, info) = asked?;
        let counted = info.map_or(0, |info| info.bytes);
        let bytes: usize = waiting.iter().map(|checked| checked.transaction().size()).sum();
        if bytes != counted {
            return Some(Broken::Pool { node, what: "does not know how much it holds" });
        }
        let what = simulation.within(node, |running| {
            let (reader, tip) = (running.chain.reader(), running.chain.tip().height().get());
            waiting.iter().find_map(|checked| fault(reader, tip, checked.transaction(), is_quiet))
        });
        what.flatten().map(|what| Broken::Pool { node, what })
    };
    simulation.honest().into_iter().filter_map(|node| check(node, simulation)).collect()
}
