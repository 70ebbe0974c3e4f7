//! What pools hold once nobody has paid for some minutes.

use super::Broken;
use crate::executor::NodeId;
use crate::simulation::Simulation;
use cairn_chain::Reader;
use cairn_ledger::hash::TxId;
use cairn_ledger::keys::Address;
use cairn_ledger::transaction::Transaction;
use cairn_ledger::validate::CheckedTransaction;
use std::collections::{BTreeMap, BTreeSet};

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

/// As many bytes as all pools here together never hold.
const MOST_BYTES: usize = 1 << 20;

/// What is wrong with what a pool offers for a block that has room for all: of each sender the nonces from the
/// account's on, as far as they are there and the money lasts, in their order, and nothing else.
fn choice(reader: &Reader, waiting: &[CheckedTransaction], chosen: &[CheckedTransaction]) -> Option<&'static str> {
    let mut by_sender: BTreeMap<Address, BTreeMap<u64, &CheckedTransaction>> = BTreeMap::new();
    for checked in waiting {
        let body = &checked.transaction().body;
        by_sender.entry(body.sender).or_default().insert(body.nonce, checked);
    }
    let mut expected: BTreeSet<TxId> = BTreeSet::new();
    for (sender, all) in &by_sender {
        let account = reader.account(sender).ok().flatten().unwrap_or_default();
        let mut left = account.balance.pebbles();
        for checked in (account.nonce..).map_while(|nonce| all.get(&nonce)) {
            let Some(rest) = left.checked_sub(checked.transaction().body.max_cost()) else { break };
            left = rest;
            expected.insert(checked.txid());
        }
    }
    let mut next: BTreeMap<Address, u64> = BTreeMap::new();
    for body in chosen.iter().map(|checked| &checked.transaction().body) {
        let account = reader.account(&body.sender).ok().flatten().unwrap_or_default();
        let nonce = next.entry(body.sender).or_insert(account.nonce);
        if body.nonce != *nonce {
            return Some("offers miners a payment before its turn");
        }
        *nonce += 1;
    }
    let offered: BTreeSet<TxId> = chosen.iter().map(CheckedTransaction::txid).collect();
    if offered.is_superset(&expected) { None } else { Some("does not offer miners what they could take") }
}

/// Pools hold nothing that is mined or over; where nobody has paid for some minutes (`is_quiet`), nothing that miners
/// could have taken.
pub fn pools(simulation: &mut Simulation, is_quiet: bool) -> Vec<Broken> {
    let check = |node: NodeId, simulation: &mut Simulation| {
        let asked = simulation.ask(node, |running| {
            let pool = running.pool.clone();
            async move {
                let chosen = pool.select(MOST_BYTES).await.unwrap_or_default();
                (pool.transactions().await.unwrap_or_default(), pool.info().await.ok(), chosen)
            }
        });
        let (waiting, info, chosen) = asked?;
        let counted = info.map_or(0, |info| info.bytes);
        let bytes: usize = waiting.iter().map(|checked| checked.transaction().size()).sum();
        if bytes != counted {
            return Some(Broken::Pool { node, what: "does not know how much it holds" });
        }
        let what = simulation.within(node, |running| {
            let (reader, tip) = (running.chain.reader(), running.chain.tip().height().get());
            let fault = waiting.iter().find_map(|checked| fault(reader, tip, checked.transaction(), is_quiet));
            fault.or_else(|| choice(reader, &waiting, &chosen))
        });
        what.flatten().map(|what| Broken::Pool { node, what })
    };
    simulation.honest().into_iter().filter_map(|node| check(node, simulation)).collect()
}

/// What waits in a node's pool; nothing where it does not answer.
pub fn waiting(simulation: &mut Simulation, node: NodeId) -> Option<BTreeSet<TxId>> {
    let waiting = simulation.ask(node, |running| {
        let pool = running.pool.clone();
        async move { pool.transactions().await.unwrap_or_default() }
    })?;
    Some(waiting.iter().map(|checked| checked.txid()).collect())
}

/// Whether a node has one of these payments neither on its chain nor in its pool, where it could be mined.
pub fn lacks(simulation: &mut Simulation, node: NodeId, payments: &[TxId]) -> bool {
    let Some(waiting) = waiting(simulation, node) else { return false };
    let lacks = simulation.within(node, |running| {
        let reader = running.chain.reader();
        payments.iter().any(|txid| !waiting.contains(txid) && !reader.is_mined(txid).unwrap_or(true))
    });
    lacks == Some(true)
}
