//! What the chain asks of others, since the disk has damaged it here: a header, a body, a run of a snapshot.
//!
//! # Invariants
//! 1. What a peer gives is believed by its hash, whoever gave it.
//! 2. Everybody who is connected is asked, one after the other, each once for the same thing; for a bounded time.

use cairn_chain::{PeerNumber, Wanted, is_body_of};
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_network::NetworkHandle;
use std::{collections::BTreeSet, time::Duration};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long peers are waited for that have it; the time to find and dial some, and to be refused by others.
const WAIT_FOR_PEERS: Duration = Duration::from_secs(60);
/// Between two rounds of asking those who are connected.
const PAUSE: Duration = Duration::from_millis(250);

/// Answers what the chain wants until told to stop.
pub(crate) fn spawn(
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
pub(crate) async fn answer(network: NetworkHandle, mut first: Option<Wanted>, mut wanted: mpsc::Receiver<Wanted>) {
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
    let (deadline, mut asked, mut open) = (Instant::now() + WAIT_FOR_PEERS, BTreeSet::new(), Some(wanted));
    while let Some(wanted) = open.take_if(|_| Instant::now() < deadline) {
        let mut wanted = Some(wanted);
        for peer in network.peers().await.into_iter().map(|peer| peer.number) {
            // One that had no answer is asked once: whoever is busy, others are not.
            if asked.insert(peer)
                && let Some(lacking) = wanted.take()
            {
                wanted = ask(network, peer, lacking).await;
            }
        }
        open = wanted.filter(|wanted| !wanted.is_given_up());
        if open.is_some() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Asks a peer; what is wanted comes back if it is not answered.
async fn ask(network: &NetworkHandle, peer: PeerNumber, wanted: Wanted) -> Option<Wanted> {
    match wanted {
        Wanted::Header { id, parent, answer } => {
            let headers = network.request_headers(peer, vec![parent]).await.unwrap_or_default();
            match headers.into_iter().find(|header| header.id() == id) {
                Some(header) => _ = answer.send(header),
                None => return Some(Wanted::Header { id, parent, answer }),
            }
        }
        Wanted::Body { id, txs_root, answer } => {
            let bodies = network.request_bodies(peer, vec![id]).await.unwrap_or_default();
            match bodies.into_iter().find(|body| is_body_of(body, txs_root)) {
                Some(body) => _ = answer.send(body),
                None => return Some(Wanted::Body { id, txs_root, answer }),
            }
        }
        Wanted::Run { state_root, number, answer } => {
            let run = network.request_state_run(peer, state_root, number).await.ok().flatten();
            match run.filter(|run| run.verify(number, &state_root).is_ok()) {
                Some(run) => _ = answer.send(run),
                None => return Some(Wanted::Run { state_root, number, answer }),
            }
        }
    }
    None
}
