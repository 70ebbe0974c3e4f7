//! A miner that forges: its blocks cost work like any other, and each breaks a rule. Nobody may have one on its chain.

use super::{Miner, find_at, search};
use crate::observations::Observer;
use cairn_chain::{BlockBody, ChainHandle, Template, TemplateRequest};
use cairn_common::{clock, random, runtime};
use cairn_ledger::block::Header;
use cairn_ledger::hash::Hash;
use cairn_ledger::keys::{Address, SecretKey};
use cairn_ledger::testing::{key, payment, pebbles};
use cairn_ledger::transaction::Transaction;
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::validate::Candidate;
use cairn_network::NetworkHandle;
use std::time::Duration;

/// How long it waits after a forged block.
const PAUSE: Duration = Duration::from_secs(5);
/// Blocks so far in the future never come of age here.
const FAR_MS: u64 = 3 * 3_600_000;
/// The wallet that forged payments are of; nobody else uses it.
const WALLET: u64 = 13;

/// What is wrong with a block.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    Seal,
    Time,
    Future,
    Target,
    History,
    Beneficiary,
    Height,
    Version,
    TxsRoot,
    StateRoot,
    Nonce,
    Overspent,
    Signature,
    Expired,
    Twice,
    Nothing,
}

const FLAWS: [Flaw; 16] = [
    Flaw::Seal,
    Flaw::Time,
    Flaw::Future,
    Flaw::Target,
    Flaw::History,
    Flaw::Beneficiary,
    Flaw::Height,
    Flaw::Version,
    Flaw::TxsRoot,
    Flaw::StateRoot,
    Flaw::Nonce,
    Flaw::Overspent,
    Flaw::Signature,
    Flaw::Expired,
    Flaw::Twice,
    Flaw::Nothing,
];

/// Forges for ever.
pub(super) async fn forge(chain: ChainHandle, network: NetworkHandle, miner: Miner, observer: Observer) {
    let mut dice = [0; 1];
    random::fill(&mut dice).expect("a simulation has random bytes");
    let mut at = usize::from(dice[0]);
    while let Some(found) = find_at(&chain, &miner, &observer) {
        runtime::sleep(found.duration_since(clock::instant()).min(PAUSE)).await;
        let flaw = FLAWS[at % FLAWS.len()];
        at += 1;
        let Some((header, body)) = forged(&chain, miner.beneficiary, flaw).await else { continue };
        observer.seen().on_forged(header.id());
        network.announce(header, body).await;
        runtime::sleep(PAUSE).await;
    }
}

/// A block with a flaw; nothing where its own node does not make it so.
async fn forged(chain: &ChainHandle, beneficiary: Address, flaw: Flaw) -> Option<(Header, BlockBody)> {
    let tip = chain.tip();
    let account = |key: &SecretKey| chain.reader().account(&key.address()).ok().flatten().unwrap_or_default();
    let (spec, wallet) = (chain.reader().spec().clone(), key(WALLET));
    let purse = account(&wallet);
    let pay = |nonce, amount| payment(&spec, &wallet, nonce, key(50).address(), amount, 20_000);
    let payments: Vec<Transaction> = match flaw {
        Flaw::Nonce => vec![pay(purse.nonce + 3, 1_000)],
        Flaw::Overspent => vec![pay(purse.nonce, purse.balance.pebbles() + 1_000_000)],
        Flaw::Signature => {
            let other = pay(purse.nonce, 7_000);
            vec![Transaction { signature: other.signature, ..pay(purse.nonce, 7_001) }]
        }
        // Block 1 has nothing behind it that a payment could have been for.
        Flaw::Expired if tip.height() == Height::GENESIS => return None,
        Flaw::Expired => {
            let body = pay(purse.nonce, 1_000).body;
            let body = cairn_ledger::TransactionBody { valid_until: tip.height(), ..body };
            vec![body.sign(&wallet, &spec.genesis_id(), &[7; 32])]
        }
        Flaw::Twice => vec![pay(purse.nonce, 1_000), pay(purse.nonce, 1_000)],
        Flaw::Nothing => {
            let mut body = pay(purse.nonce, 1_000).body;
            let mut outputs = body.outputs.into_vec();
            outputs[0].amount = pebbles(0);
            body.outputs = cairn_ledger::codec::BoundedVec::new(outputs).ok()?;
            vec![body.sign(&wallet, &spec.genesis_id(), &[7; 32])]
        }
        _ => Vec::new(),
    };
    let asked = payments.len();
    let transactions: Vec<_> = chain.check_transactions(payments).await.ok()?.into_iter().flatten().collect();
    let request = TemplateRequest { beneficiary, transactions, time: clock::now() };
    let Template { mut header, transactions, .. } = chain.template(request).await.ok()?;
    // Its own node lets such payments into no block: the rule holds there already.
    if transactions.len() < asked {
        return None;
    }
    spoil(&mut header, &tip.header, flaw);
    header.nonce = match flaw {
        Flaw::Seal => unsealed(&header)?,
        _ => search(&header)?,
    };
    Some((header, BlockBody::Resolved(transactions.into_iter().map(Candidate::Known).collect())))
}

fn spoil(header: &mut Header, parent: &Header, flaw: Flaw) {
    let other = Hash::from_bytes([7; 32]);
    match flaw {
        Flaw::Time => header.time = parent.time,
        Flaw::Future => header.time = Timestamp::from_millis(clock::now().millis() + FAR_MS),
        // Half of it: nobody says that whoever forges is lazy.
        Flaw::Target => header.target = cairn_ledger::pow::CompactTarget::from_bits(header.target.bits() - 0x1000),
        Flaw::History => header.history_root = other,
        Flaw::Beneficiary => header.beneficiary = Address::ZERO,
        Flaw::Height => header.height = header.height.saturating_add(1),
        Flaw::Version => header.version = header.version.saturating_add(1),
        Flaw::TxsRoot => header.txs_root = other,
        Flaw::StateRoot => header.state_root = other,
        _ => {}
    }
}

/// A nonce that is none.
fn unsealed(header: &Header) -> Option<u64> {
    let target = header.target.decode().ok()?;
    (0..1_000).find(|nonce| !target.is_met_by(&header.seal().id(*nonce)))
}
