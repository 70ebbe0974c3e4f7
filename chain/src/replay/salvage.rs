//! What can be read of a damaged database, into a fresh one, through every rule.
//!
//! Blocks are all there is to save: everything else in a database follows from them. They are read in the order of the
//! followed chain, as far as headers can be read; a body that cannot, or that is not its header's, is asked of others
//! by its block's id, and believed if it has its header's transactions root. Where the reading ends, synchronisation
//! goes on.

use super::feed::{Fed, ReplayError, Replayed, feed, run};
use crate::heal::{Wanted, is_body_of};
use crate::store::{ChainStore, DbOptions};
use crate::{ChainHandle, Tip};
use cairn_ledger::{Block, Body, ChainSpec, Height, LinkedHeader};
use std::future::{self, Future};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// What was saved.
#[derive(Clone, Debug)]
pub struct Salvaged {
    /// The figures.
    pub replayed: Replayed,
    /// The tip of the fresh database.
    pub tip: Arc<Tip>,
    /// Bodies that came from others.
    pub fetched: u64,
    /// Where the reading ended, and why, when that was before the end.
    pub lost: Option<(Height, String)>,
}

/// Saves what can be read in `broken` into the directory `fresh`. `ready` is given the chain that grows there, and
/// answers what is `wanted`. `show` sees the figures after every block.
///
/// # Errors
/// The fresh database fails, or `stop` comes first. What is wrong with the broken one is no error.
pub async fn salvage<F: Future<Output = ()>>(
    spec: Arc<ChainSpec>,
    (broken, fresh, options): (&Path, &Path, DbOptions),
    (wanted, ready): (mpsc::Sender<Wanted>, impl FnOnce(ChainHandle) -> F),
    show: &mut dyn FnMut(&Replayed),
    stop: impl Future<Output = ()>,
) -> Result<Salvaged, ReplayError> {
    let found = Arc::new(Mutex::new(Found::default()));
    let blocks = Salvage {
        store: match ChainStore::open_damaged(broken, &spec, options) {
            Ok(store) => Some(store),
            Err(error) if !error.is_storage_failure() => return Err(error.into()),
            Err(error) => {
                lock(&found).end(Height::new(1), error.to_string());
                None
            }
        },
        next: Height::new(1),
        wanted,
        found: found.clone(),
    };
    let fill = async |chain: &ChainHandle| {
        let answering = ready(chain.clone());
        let fed = tokio::select! {
            fed = feed(chain, Replayed::default(), blocks, show) => fed,
            // Whoever answers may end before all is read.
            never = async { answering.await; future::pending().await } => never,
        };
        match fed {
            // A block that could be read and breaks a rule was never connected by this node: it, too, is damage.
            Err(error) if !error.is_storage_failure() && !matches!(error, ReplayError::Interrupted) => {
                let height = chain.tip().height().saturating_add(1);
                lock(&found).end(height, error.to_string());
                Ok(Replayed { blocks: height.get().saturating_sub(1), ..Replayed::default() })
            }
            fed => fed,
        }
    };
    let Fed { replayed, tip, .. } = run(spec, fresh, options, fill, stop).await?;
    let Found { fetched, lost } = std::mem::take(&mut *lock(&found));
    Ok(Salvaged { replayed, tip, fetched, lost })
}

/// What became known while reading.
#[derive(Debug, Default)]
struct Found {
    fetched: u64,
    lost: Option<(Height, String)>,
}

impl Found {
    fn end(&mut self, height: Height, reason: String) {
        self.lost.get_or_insert((height, reason));
    }
}

fn lock(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The blocks of a damaged store, upward from block 1.
struct Salvage {
    store: Option<ChainStore>,
    next: Height,
    wanted: mpsc::Sender<Wanted>,
    found: Arc<Mutex<Found>>,
}

impl Salvage {
    /// The next header, if the chain goes on; why it cannot be told, if that is so.
    fn header(&self, store: &ChainStore) -> Result<Option<LinkedHeader>, String> {
        let Some(id) = store.id_at(self.next).map_err(|error| error.to_string())? else {
            // The end, if nothing says that the chain goes on.
            let ends = store.tip().and_then(|tip| store.expect_header(&tip));
            return match ends {
                Ok(tip) if tip.header().height < self.next => Ok(None),
                Ok(tip) => Err(format!("id_by_height lacks it; the tip is at height {}", tip.header().height)),
                Err(error) => Err(error.to_string()),
            };
        };
        let linked = store.expect_header(&id).map_err(|error| error.to_string())?;
        let header = linked.header();
        if header.id() != id || header.height != self.next {
            return Err(format!("its header is another block's: got {}, expected {id}", header.id()));
        }
        Ok(Some(linked))
    }

    fn body(&self, store: &ChainStore, linked: &LinkedHeader) -> Result<Body, String> {
        let (id, header) = (linked.id(), linked.header());
        let reason = match store.body(linked) {
            Ok(Some(body)) if is_body_of(&body, header.txs_root) => return Ok(body),
            Ok(Some(_)) => String::from("its stored body is another block's"),
            Ok(None) => String::from("its body is missing"),
            Err(error) => error.to_string(),
        };
        let (answer, answered) = oneshot::channel();
        let wanted = Wanted::Body { id, txs_root: header.txs_root, answer };
        // Whoever answers may have given up.
        let body = self.wanted.blocking_send(wanted).ok().and_then(|()| answered.blocking_recv().ok());
        let body = body.filter(|body| is_body_of(body, header.txs_root));
        let body = body.ok_or_else(|| format!("{reason}, and no peer gave it"))?;
        lock(&self.found).fetched += 1;
        Ok(body)
    }
}

impl Iterator for Salvage {
    type Item = Result<Block, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let store = self.store.as_ref()?;
        let read = self.header(store).and_then(|header| match header {
            Some(linked) => self.body(store, &linked).map(|body| Some(Block { header: linked.header().clone(), body })),
            None => Ok(None),
        });
        match read {
            Ok(Some(block)) => {
                self.next = self.next.saturating_add(1);
                Some(Ok(block))
            }
            Ok(None) => None,
            Err(reason) => {
                lock(&self.found).end(self.next, reason);
                self.store = None;
                None
            }
        }
    }
}
