//! Floods for benches: one attacker that sends what costs a node most for what it costs to send, for as long as
//! it runs; and the fair comparison, a process that only burns the same processor time.

use super::bytes::{Manner, framed};
use crate::intruder::Intruder;
use cairn_ledger::codec::{BoundedVec, encode};
use cairn_ledger::testing::{easy_network, key, payment};
use cairn_ledger::{hash::BlockId, keys::Signature, transaction::Transaction};
use libp2p::Multiaddr;
use std::{hint::black_box, time::Duration};
use tokio::time::{Instant, sleep};

/// Places in [`crate::intruder::REQUESTS`] and [`crate::intruder::TOPICS`].
const HEADERS: usize = 1;
const BODIES: usize = 2;
const TXS: usize = 1;
/// The test key whose account every chain of the benches has.
const SENDER: u64 = u64::MAX;
/// Transactions in a batch of a flood.
const EACH: u64 = 200;
/// How long a victim may take to let the attacker in, and the pause before it tries again.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the attacker listens between two blows, so that they leave.
const BREATH: Duration = Duration::from_millis(1);
/// Between two looks of whoever burns at how much it has burned.
const SLICE: Duration = Duration::from_millis(10);

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Batches of transactions whose nonces are far ahead: the one refusal that is looked at again and again.
    Gaps,
    /// Bytes that are no batch, each twice from a new identity: they cost a handshake and a ban.
    Garbage,
    /// Questions for as many headers and bodies as one answer holds.
    Requests,
}

impl Flood {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "gaps" => Some(Self::Gaps),
            "garbage" => Some(Self::Garbage),
            "requests" => Some(Self::Requests),
            _ => None,
        }
    }
}

/// Batches with the nonces of nobody's next payment. Nothing of them is ever checked but the sender and the
/// nonce, so that they may be signed for another network.
fn gaps(n: u64) -> Vec<u8> {
    let spec = easy_network();
    let ahead = |place: u64| {
        let mut payment = payment(&spec, &key(SENDER), 1_000_000 + n * EACH + place, key(1).address(), 1, 1_000);
        payment.signature = Signature::from_bytes([7; 64]);
        payment
    };
    let list: BoundedVec<Transaction, 1_000> = BoundedVec::new((0..EACH).map(ahead).collect()).unwrap_or_default();
    encode(&list)
}

/// Floods a node for ever. `known` are blocks it has, `hex` of whose ids is what is asked for.
pub async fn flood(flood: Flood, victim: &Multiaddr, prefix: &str, known: &[BlockId]) {
    let ids = |ids: &[BlockId]| {
        let list: BoundedVec<BlockId, 128> = BoundedVec::new(ids.to_vec()).unwrap_or_default();
        framed(&encode(&list))
    };
    let (headers, bodies) = (ids(known.get(..1).unwrap_or_default()), ids(known.get(1..).unwrap_or_default()));
    // Signing takes longer than sending: it is done beforehand.
    let batches: Vec<Vec<u8>> = if flood == Flood::Gaps { (0..100).map(gaps).collect() } else { Vec::new() };
    let mut n: u64 = 0;
    loop {
        let mut intruder = Intruder::at(victim.clone(), prefix, Manner::Prompt);
        if !intruder.connect(PATIENCE).await {
            sleep(PATIENCE).await;
            continue;
        }
        while intruder.is_connected() {
            n += 1;
            match flood {
                Flood::Gaps => {
                    let mut batch = batches.get(n as usize % batches.len().max(1)).cloned().unwrap_or_default();
                    // Another message each time: the last signature's last bytes count.
                    let end = batch.len().saturating_sub(8);
                    batch.splice(end.., n.to_le_bytes());
                    intruder.throw(TXS, &batch);
                }
                Flood::Garbage => {
                    intruder.throw(TXS, &n.to_le_bytes());
                }
                Flood::Requests => {
                    intruder.ask(HEADERS, headers.clone());
                    intruder.ask(BODIES, bodies.clone());
                }
            }
            intruder.run_until(Instant::now() + BREATH).await;
        }
    }
}

/// Burns this share of one processor for ever.
pub fn burn(share: f64) {
    let started = std::time::Instant::now();
    let mut burned = Duration::ZERO;
    loop {
        let from = std::time::Instant::now();
        while from.elapsed() < SLICE {
            black_box(cairn_ledger::hash::sha256(&[&[0; 64]]));
        }
        burned += from.elapsed();
        let due = burned.div_f64(share.clamp(0.01, 1.0));
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
}
