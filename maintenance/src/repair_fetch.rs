//! What the chain asks of others, since the disk has damaged it here: a header, a body, a run of a snapshot.
//!
//! # Invariants
//! 1. What a peer gives is believed by its hash, whoever gave it.
//! 2. Everybody who is connected is asked, some at once, each once for the same thing; for a bounded time.

use cairn_chain::{PeerNumber, Wanted, is_body_of};
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_ledger::accounts::StateRun;
use cairn_ledger::block::{Body, Header};
use cairn_network::NetworkHandle;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::{collections::BTreeSet, time::Duration};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long peers are waited for that have it; the time to find and dial some, and to be refused by others.
const WAIT_FOR_PEERS: Duration = Duration::from_secs(60);
/// Between two rounds of asking those who are connected.
const PAUSE: Duration = Duration::from_millis(250);
/// So many are asked at once: some that keep silent hold up nobody.
const AT_ONCE: usize = 8;

/// Answers what the chain wants until told to stop.
pub fn spawn(
    network: NetworkHandle,
    wanted: mpsc::Receiver<Wanted>,
    mut shutdown: Shutdown,
) -> JoinHandle<Result<(), TaskError>> {
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.requested() => {}
            () = answer(network, None, wanted) => {}
        }
        Ok(())
    })
}

/// Answers what the chain wants, this first, as long as it may want something.
pub async fn answer(network: NetworkHandle, mut first: Option<Wanted>, mut wanted: mpsc::Receiver<Wanted>) {
    loop {
        let next = match first.take() {
            Some(first) => first,
            None => match wanted.recv().await {
                Some(next) => next,
                None => return,
            },
        };
        answer_one(&network, next).await;
    }
}

/// Asks everyone who is connected, again and again until the time is up, or nobody waits for it any more.
async fn answer_one(network: &NetworkHandle, wanted: Wanted) {
    let (deadline, mut asked) = (Instant::now() + WAIT_FOR_PEERS, BTreeSet::new());
    while Instant::now() < deadline && !wanted.is_given_up() {
        let peers = network.peers().await.into_iter().map(|peer| peer.number);
        // One that had no answer is asked once: whoever is busy, others are not.
        let new: Vec<PeerNumber> = peers.filter(|peer| asked.insert(*peer)).collect();
        for some in new.chunks(AT_ONCE) {
            let mut answers: FuturesUnordered<_> = some.iter().map(|peer| ask(network, *peer, &wanted)).collect();
            while let Some(answer) = answers.next().await {
                if let Some(found) = answer {
                    drop(answers);
                    return give(wanted, found);
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What a peer has given, and is what is wanted.
enum Found {
    Header(Box<Header>),
    Body(Body),
    Run(Box<StateRun>),
}

/// Asks a peer.
async fn ask(network: &NetworkHandle, peer: PeerNumber, wanted: &Wanted) -> Option<Found> {
    match wanted {
        Wanted::Header { id, after, .. } => {
            let headers = network.request_headers(peer, vec![*after]).await.unwrap_or_default();
            headers.into_iter().find(|header| header.id() == *id).map(|header| Found::Header(Box::new(header)))
        }
        Wanted::Body { id, txs_root, .. } => {
            let bodies = network.request_bodies(peer, vec![*id]).await.unwrap_or_default();
            bodies.into_iter().find(|body| is_body_of(body, *txs_root)).map(Found::Body)
        }
        Wanted::Run { state_root, number, .. } => {
            let run = network.request_state_run(peer, *state_root, *number).await.ok().flatten();
            run.filter(|run| run.verify(*number, state_root).is_ok()).map(|run| Found::Run(Box::new(run)))
        }
    }
}

/// Answers; whoever asked may have given up.
fn give(wanted: Wanted, found: Found) {
    match (wanted, found) {
        (Wanted::Header { answer, .. }, Found::Header(header)) => _ = answer.send(*header),
        (Wanted::Body { answer, .. }, Found::Body(body)) => _ = answer.send(body),
        (Wanted::Run { answer, .. }, Found::Run(run)) => _ = answer.send(*run),
        _ => {}
    }
}
