//! Stretches of history that few have: a node that prunes looks how many hold each, and keeps some of those that fewer
//! than three do. The stretch that each node draws ([`StretchOptions`]) needs nobody; this is for what chance, or many
//! that left at once, have left to few.
//!
//! # The path of a stretch
//! One of those that are not kept here, in turn → who provides it in the DHT, and which peers say so; one of them has
//! to give some block of it → fewer than `HOLDERS`: the same once more, after a while that each node draws for itself,
//! so that not all fetch at once → its bodies from one peer after the other, each checked against its header, in order
//! → the chain, batch by batch.
//!
//! # Limits
//! | what | limit | when full |
//! |---|---|---|
//! | look-ups | one each two to three block intervals | – |
//! | stretches that are kept | `storage.keep_stretches`, the drawn one included | no more are looked for |
//! | room | a stretch as large as the last blocks has to fit below three quarters of `storage.max_bytes` | the same |
//! | stretches that are fetched | one at a time, one answer of 4 MiB at a time | – |
//! | a peer that gives nothing, or a wrong body | asked no more for this stretch; the latter is reported | the next |
//! | a stretch that nobody gives | passed over until all others had their turn | – |
//!
//! # Invariants
//! 1. What is kept was checked against headers of the followed chain; nobody's word is taken for it.
//! 2. What was fetched stays until the operator wants less or its room is needed, so nobody makes a node fetch for
//!    ever: whatever others claim, it fetches as many stretches as it keeps.
//! 3. Nothing is fetched that the chain has no place for: neither where places are taken, nor once stretches were given
//!    up.
//! 4. A crash costs at most the last batch: how far a stretch is stands beside it.

use crate::disk_budget::BudgetHandle;
use cairn_chain::store::{DbOptions, StoreError, Stretch, StretchOptions};
use cairn_chain::{ChainHandle, Misbehaviour, PeerNumber, Reader};
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_common::{mailbox::Stopped, random, runtime, runtime::JoinError};
use cairn_ledger::block::Body;
use cairn_ledger::hash::{BlockId, sha256};
use cairn_ledger::{merkle::txs_root, transaction::Transaction, units::Height, validate::LinkedHeader};
use cairn_network::sync::{EventFanout, SyncHandle, SyncPhase};
use cairn_network::{Kind, NetworkError, NetworkEvent, NetworkHandle, PeerStatus, stretch_hash};
use std::collections::{BTreeMap, BTreeSet};
use std::{path::Path, time::Duration};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The task's name.
const NAME: &str = "stretches";
/// So many hold each stretch.
const HOLDERS: usize = 3;
/// Between two look-ups, in block intervals at the least; up to twice as many.
const PAUSE: u32 = 2;
/// Before a stretch is fetched, in such pauses at the most: of a hundred nodes that see the same, the first few are
/// seen by the others.
const PATIENCE: u64 = 4;
/// Blocks that are asked for at once.
const BLOCKS: u64 = 64;

/// What the task stands on.
pub struct StretchParts {
    /// Where they are kept.
    pub chain: ChainHandle,
    /// Where they come from.
    pub network: NetworkHandle,
    /// Whether the node is busy with other blocks.
    pub sync: SyncHandle,
    /// What is told of peers.
    pub events: EventFanout,
    /// How much room there is.
    pub budget: BudgetHandle,
    /// Between two blocks of this network.
    pub interval: Duration,
}

/// The same options, by which this node draws its stretch.
///
/// # Errors
/// The node's key cannot be read, or made.
pub fn drawn(options: DbOptions, node_key: &Path) -> Result<DbOptions, NetworkError> {
    let id = cairn_network::own_id(node_key)?;
    let node = *sha256(&[&id]).as_bytes();
    Ok(DbOptions { stretches: StretchOptions { node, ..options.stretches }, ..options })
}

/// Looks for stretches that few hold, from now on.
pub fn spawn(parts: StretchParts, shutdown: Shutdown) -> JoinHandle<Result<(), TaskError>> {
    tokio::spawn(run(parts, shutdown))
}

/// How the work on it ended.
enum Ended {
    /// The node is stopping.
    Stopping,
    /// Something failed.
    Failed(TaskError),
}

impl From<Stopped> for Ended {
    fn from(_: Stopped) -> Self {
        Self::Stopping
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        let storage = error.is_storage_failure();
        Self::Failed(TaskError::Failed { name: NAME, reason: error.to_string(), storage })
    }
}

impl From<JoinError> for Ended {
    fn from(error: JoinError) -> Self {
        Self::Failed(TaskError::Panicked { name: NAME, reason: error.to_string() })
    }
}

async fn run(parts: StretchParts, mut shutdown: Shutdown) -> Result<(), TaskError> {
    let events = parts.events.another().await;
    let (known, peers) = watch::channel(BTreeMap::new());
    let keeper = Keeper { parts, peers, next: None };
    // Whoever tells of peers never waits for a stretch.
    let ended = tokio::select! {
        () = shutdown.requested() => return Ok(()),
        () = listen(events, known) => Ended::Stopping,
        ended = keeper.run() => ended,
    };
    match ended {
        Ended::Failed(error) => Err(error),
        Ended::Stopping => {
            shutdown.requested().await;
            Ok(())
        }
    }
}

/// Those who are connected, and where each stands.
type Peers = BTreeMap<PeerNumber, PeerStatus>;

/// Hears who comes and goes, until the network ends.
async fn listen(mut events: mpsc::Receiver<NetworkEvent>, known: watch::Sender<Peers>) {
    while let Some(event) = events.recv().await {
        match event {
            NetworkEvent::PeerUp { peer, status, .. } | NetworkEvent::PeerStatus { peer, status, .. } => {
                known.send_modify(|known| _ = known.insert(peer, status));
            }
            NetworkEvent::PeerDown { peer } => known.send_modify(|known| _ = known.remove(&peer)),
            NetworkEvent::MissedBlock { .. } => {}
        }
    }
}

/// What is known while it runs.
struct Keeper {
    parts: StretchParts,
    peers: watch::Receiver<Peers>,
    /// The stretch whose turn it is, once one had its turn.
    next: Option<u64>,
}

/// What comes next of a stretch.
struct Wanted {
    number: u64,
    /// Its first block that is not here, and the one after its last.
    from: Height,
    to: Height,
}

/// A number below `below`, that others do not foretell; 0 where the system gives none.
fn drawn_below(below: u64) -> u64 {
    let mut bytes = [0; 8];
    let _ = random::fill(&mut bytes);
    u64::from_le_bytes(bytes).checked_rem(below).unwrap_or_default()
}

impl Keeper {
    async fn run(mut self) -> Ended {
        loop {
            if let Err(ended) = self.turn().await {
                return ended;
            }
        }
    }

    /// One look-up, and what follows from it.
    async fn turn(&mut self) -> Result<(), Ended> {
        self.pause(1 + drawn_below(2)).await;
        if !self.may_fetch().await? {
            return Ok(());
        }
        if let Some(begun) = self.begun() {
            return self.fetch(begun).await;
        }
        let Some(wanted) = self.next_wanted() else { return Ok(()) };
        if self.is_held(&wanted).await? {
            return Ok(());
        }
        self.pause(drawn_below(PATIENCE * 2)).await;
        if self.is_held(&wanted).await? || !self.may_fetch().await? {
            return Ok(());
        }
        tracing::info!(target: "cairn::node", stretch = wanted.number, "few hold a stretch of history: fetching it");
        self.fetch(wanted).await
    }

    /// Waits for so many halves of a pause, and one more.
    async fn pause(&self, halves: u64) {
        let time = self.parts.interval.saturating_mul(PAUSE);
        runtime::sleep(time.mul_f64(0.5 * halves as f64 + 0.5)).await;
    }

    fn reader(&self) -> &Reader {
        self.parts.chain.reader()
    }

    /// Whether there is place, room and time for a stretch.
    async fn may_fetch(&self) -> Result<bool, Ended> {
        let (kept, options) = (self.reader().kept(), *self.reader().stretches());
        let fetched: Vec<&Stretch> = kept.stretches().iter().filter(|stretch| !stretch.is_drawn).collect();
        let has_place =
            fetched.len() + 1 < options.keep || fetched.iter().any(|stretch| !options.is_whole(stretch, kept.lowest()));
        let has_place = has_place && !self.reader().gave_up_stretches();
        if kept.lowest() == Height::GENESIS || !has_place || self.parts.sync.status().phase != SyncPhase::CaughtUp {
            return Ok(false);
        }
        // As large as what is here, block by block.
        let (reader, tip) = (self.reader().clone(), self.parts.chain.tip().height().get());
        let bytes = runtime::blocking(move || reader.usage()).await??.of_blocks();
        let blocks = (tip + 1).saturating_sub(kept.pruned()).max(1);
        let expected = u128::from(bytes) * u128::from(options.blocks) / u128::from(blocks);
        Ok(self.parts.budget.has_room_for(u64::try_from(expected).unwrap_or(u64::MAX)))
    }

    /// What is to come of a stretch that was begun with.
    fn begun(&self) -> Option<Wanted> {
        let (kept, options) = (self.reader().kept(), self.reader().stretches());
        let is_begun = |stretch: &&Stretch| !stretch.is_drawn && !options.is_whole(stretch, kept.lowest());
        let stretch = kept.stretches().iter().find(is_begun)?;
        let number = options.number_of(stretch.from);
        Some(Wanted { number, from: stretch.to, to: options.range(number).1 })
    }

    /// The next stretch that is not here and all below the lowest body, in turn; the first time anyone.
    fn next_wanted(&mut self) -> Option<Wanted> {
        let (kept, options) = (self.reader().kept(), *self.reader().stretches());
        let count = options.number_of(kept.lowest());
        let first = self.next.unwrap_or_else(|| drawn_below(count));
        let is_here = |number: &u64| {
            let from = options.range(*number).0;
            kept.stretches().iter().any(|stretch| stretch.from == from)
        };
        let number = (0..count).map(|turn| (first + turn) % count).find(|number| !is_here(number))?;
        self.next = Some(number + 1);
        let (from, to) = options.range(number);
        Some(Wanted { number, from: from.max(Height::new(1)), to })
    }

    /// Whether enough hold a stretch. As many as that have to say so, in the DHT or to this node, and one of them has
    /// to give a block of it that nobody foretells: whoever only says so keeps nobody from fetching it.
    async fn is_held(&self, wanted: &Wanted) -> Result<bool, Ended> {
        let key = self.key(wanted.number);
        let found = self.parts.network.find_providers(Kind::Stretch, key).await;
        let found = found.map_or(0, |found| found.iter().filter(|provider| !provider.own).count());
        if found.max(self.holders(wanted).len()) < HOLDERS {
            return Ok(false);
        }
        if self.holders(wanted).is_empty() {
            self.parts.network.seek_providers(Kind::Stretch, key).await;
            self.pause(2).await;
        }
        for peer in self.holders(wanted).into_iter().take(HOLDERS) {
            let from = wanted.from.get() + drawn_below(wanted.to.get() - wanted.from.get());
            let one = Wanted { number: wanted.number, from: Height::new(from), to: Height::new(from + 1) };
            if self.ask(peer, &one).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Those who are connected and say that they keep a stretch. Nodes that keep all are not counted: history is to
    /// outlive them.
    fn holders(&self, wanted: &Wanted) -> Vec<PeerNumber> {
        let last = Height::new(wanted.to.get().saturating_sub(1));
        let says =
            |status: &PeerStatus| status.lowest_body > wanted.from && status.keeps(wanted.from) && status.keeps(last);
        self.peers.borrow().iter().filter(|(_, status)| says(status)).map(|(peer, _)| *peer).collect()
    }

    fn key(&self, number: u64) -> [u8; 32] {
        stretch_hash(&self.reader().spec().genesis_id(), number, self.reader().stretches().blocks)
    }

    /// Fetches what comes next of a stretch, until it is whole, or nobody gives more.
    async fn fetch(&self, mut wanted: Wanted) -> Result<(), Ended> {
        let mut failed = BTreeSet::new();
        while wanted.from < wanted.to {
            let able = |(peer, status): &(&PeerNumber, &PeerStatus)| {
                status.keeps(wanted.from) && status.height >= wanted.from && !failed.contains(*peer)
            };
            let able: Vec<PeerNumber> = self.peers.borrow().iter().filter(able).map(|(peer, _)| *peer).collect();
            let Some(peer) = able.get(drawn_below(able.len() as u64) as usize).copied() else {
                // Until its turn comes again, others may be connected.
                self.parts.network.seek_providers(Kind::Stretch, self.key(wanted.number)).await;
                return Ok(());
            };
            let Some(blocks) = self.ask(peer, &wanted).await? else {
                failed.insert(peer);
                continue;
            };
            let next = wanted.from.saturating_add(blocks.len() as u64);
            if !self.parts.chain.keep_more(wanted.number, blocks).await? {
                return Ok(());
            }
            wanted.from = next;
            if wanted.from < wanted.to && !self.may_fetch().await? {
                return Ok(());
            }
        }
        tracing::info!(target: "cairn::node", stretch = wanted.number, "a stretch of history is kept that few hold");
        Ok(())
    }

    /// Asks a peer for the next bodies; nothing where it gives none, or a wrong one.
    async fn ask(&self, peer: PeerNumber, wanted: &Wanted) -> Result<Option<Vec<(LinkedHeader, Body)>>, Ended> {
        let (reader, from, to) = (self.reader().clone(), wanted.from.get(), wanted.to.get());
        let Some(status) = self.peers.borrow().get(&peer).cloned() else { return Ok(None) };
        let all = (from..to.min(from + BLOCKS)).map(Height::new);
        let count = all.take_while(|height| status.keeps(*height)).count() as u64;
        let read = move || {
            let headers = (from..from + count).map(|height| reader.header_at(Height::new(height)));
            headers.map(Result::transpose).map_while(|header| header).collect::<Result<Vec<_>, StoreError>>()
        };
        let headers = runtime::blocking(read).await??;
        let ids: Vec<BlockId> = headers.iter().map(LinkedHeader::id).collect();
        let bodies = self.parts.network.request_bodies(peer, ids).await.unwrap_or_default();
        let check = move || {
            let blocks: Vec<(LinkedHeader, Body)> = headers.into_iter().zip(bodies).collect();
            let is_right = blocks.iter().all(|(header, body)| is_body_of(header, body));
            (blocks, is_right)
        };
        let (blocks, is_right) = runtime::blocking(check).await?;
        if !is_right {
            self.parts.network.report(peer, Misbehaviour::MutatedBody).await;
        }
        Ok(Some(blocks).filter(|blocks| is_right && !blocks.is_empty()))
    }
}

/// Whether these are the transactions of a block.
fn is_body_of(header: &LinkedHeader, body: &[Transaction]) -> bool {
    let txids: Vec<_> = body.iter().map(Transaction::id).collect();
    txs_root(&txids) == header.header().txs_root
}
