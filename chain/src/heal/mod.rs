//! Damage mended while the node runs: a record that cannot be read any more is made again, and its table written anew.
//!
//! # What a record is made from
//! | table | from |
//! |---|---|
//! | `header_by_id` | others, by its id, which the followed chain names; then linked again |
//! | `body_by_block` | others, by the transactions root in its header |
//! | `id_by_height` | the headers, from the tip down; those that cannot be read from others |
//! | `index_by_address`, `link_by_index` | each other: addresses in order say who comes next |
//! | `account_by_index`, `undo_by_block` | a snapshot at or below, the node's own or fetched run by run, and the blocks since then, executed once more |
//! | `location_by_txid` | the bodies |
//! | `roots_by_part`, `touch_by_account`, snapshots | nothing: they are dropped, and made again as at first |
//! | `meta` | the network's rules, the chain, and the configuration |
//!
//! Nothing is believed that is not proven: a header by its id, a body by its header, a run by the state root in one.
//! What was executed again is compared with the tip's state root when it is read next.
//!
//! # What is damage
//! What RocksDB calls corrupt, records that are no records of ours, and such as must be there and are not. It is the
//! writer who mends, whoever met the damage: nothing else is written meanwhile, and readers go on. A table that is
//! damaged again and again is on a disk that is dying: then the node stops, as it does where a record cannot be made
//! again.
//!
//! # Map
//! [`Healer`] which table, and what is asked of others · `tables` those that follow from others · `blocks` headers,
//! bodies, undo records · `accounts` balances · `forward` blocks executed once more

mod accounts;
mod blocks;
mod forward;
mod tables;

pub(crate) use tables::heal_meta;

use crate::store::schema::{
    AccountByIndex, BodyByBlock, HeaderById, IdByHeight, IndexByAddress, LeavesByRun, LinkByIndex, LocationByTxid,
    Meta, RestoredHeader, RootByRun, RootsByPart, SnapshotByHeight, TouchByAccount, UndoByBlock,
};
use crate::store::{ChainStore, DbOptions, StoreError, Table};
use cairn_common::clock;
use cairn_ledger::accounts::StateRun;
use cairn_ledger::{BlockId, Body, ChainSpec, Hash, Header, Height, LinkedHeader, Transaction, merkle::txs_root};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot::{self, error::TryRecvError};

/// How long others are waited for; no block is imported meanwhile.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(60);
/// Between two looks whether somebody has answered.
const PAUSE: Duration = Duration::from_millis(2);
/// So often a table is mended until the node is started again.
pub(crate) const MAX_HEALED: usize = 8;
/// Records of a table that rests on another that is damaged, too, and so on.
const MAX_DEPTH: usize = 3;

/// What is asked of others. Nobody has it where the answer is dropped.
#[derive(Debug)]
pub enum Wanted {
    /// A block's header.
    Header {
        /// Its id.
        id: BlockId,
        /// A block below it on its chain, near enough that an answer with what follows holds both.
        after: BlockId,
        /// Takes it.
        answer: oneshot::Sender<Header>,
    },
    /// A block's body.
    Body {
        /// The block.
        id: BlockId,
        /// What its transactions have to hash to.
        txs_root: Hash,
        /// Takes it.
        answer: oneshot::Sender<Body>,
    },
    /// A run of a snapshot.
    Run {
        /// The root over its accounts.
        state_root: Hash,
        /// Which run.
        number: u64,
        /// Takes it.
        answer: oneshot::Sender<StateRun>,
    },
}

impl Wanted {
    /// Whether nobody waits for it any more.
    pub fn is_given_up(&self) -> bool {
        match self {
            Self::Header { answer, .. } => answer.is_closed(),
            Self::Body { answer, .. } => answer.is_closed(),
            Self::Run { answer, .. } => answer.is_closed(),
        }
    }
}

/// Whether a body is that of a block with this transactions root.
pub fn is_body_of(body: &Body, root: Hash) -> bool {
    let txids: Vec<_> = body.iter().map(Transaction::id).collect();
    txs_root(&txids) == root
}

/// Whom the writer asks, once there is somebody. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Others(Arc<OnceLock<mpsc::Sender<Wanted>>>);

impl Others {
    /// From now on these are asked.
    pub(crate) fn set(&self, others: mpsc::Sender<Wanted>) {
        // Whoever was named first goes on.
        let _ = self.0.set(others);
    }

    /// What they answer; `None` where nobody has it. It waits on the writer's own thread.
    fn ask<T>(&self, wanted: impl FnOnce(oneshot::Sender<T>) -> Wanted) -> Option<T> {
        let (answer, mut answered) = oneshot::channel();
        let (mut wanted, deadline) = (wanted(answer), clock::instant() + WAIT_FOR_OTHERS);
        let others = self.0.get()?;
        while let Err(error) = others.try_send(wanted) {
            let TrySendError::Full(again) = error else { return None };
            wanted = again;
            wait(deadline)?;
        }
        loop {
            match answered.try_recv() {
                Ok(found) => return Some(found),
                Err(TryRecvError::Closed) => return None,
                Err(TryRecvError::Empty) => wait(deadline)?,
            }
        }
    }
}

/// Waits a little; `None` when the time is up.
fn wait(deadline: Instant) -> Option<()> {
    (clock::instant() < deadline).then(|| thread::sleep(PAUSE))
}

/// Counts what was mended, by table.
#[derive(Default)]
pub(crate) struct HealedTables {
    tables: Vec<&'static str>,
    count: Arc<AtomicU64>,
    is_mending: Arc<AtomicBool>,
    is_index_lost: bool,
}

impl HealedTables {
    /// Notes one that is damaged; `false` when it was mended too often.
    pub(crate) fn note_damaged(&mut self, table: &'static str) -> bool {
        self.tables.push(table);
        self.tables.iter().filter(|other| **other == table).count() <= MAX_HEALED
    }

    /// Notes that it is mended.
    pub(crate) fn note_healed(&mut self, table: &'static str) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.is_index_lost |= table == TouchByAccount::NAME || table == Meta::NAME;
    }

    /// How often something was mended, for those who read meanwhile.
    pub(crate) fn count(&self) -> Arc<AtomicU64> {
        self.count.clone()
    }

    /// Whether something is being mended: until it is, the writer answers nobody.
    pub(crate) fn is_mending(&self) -> Arc<AtomicBool> {
        self.is_mending.clone()
    }

    /// Whether the index of addresses was dropped since the last look, and is to be built again.
    pub(crate) fn take_index_lost(&mut self) -> bool {
        std::mem::take(&mut self.is_index_lost)
    }
}

/// Makes damaged records again.
pub(crate) struct Healer<'a> {
    pub(crate) store: &'a ChainStore,
    pub(crate) spec: &'a ChainSpec,
    pub(crate) others: &'a Others,
    pub(crate) options: DbOptions,
    /// Records that were made again, and those that came from others.
    pub(crate) made: Cell<u64>,
    pub(crate) fetched: Cell<u64>,
}

impl Healer<'_> {
    /// Mends what an error says is damaged.
    ///
    /// # Errors
    /// The same, where that cannot be.
    pub(crate) fn heal(&self, damage: &StoreError) -> Result<(), Unhealed> {
        self.heal_within(damage, MAX_DEPTH)
    }

    fn heal_within(&self, damage: &StoreError, depth: usize) -> Result<(), Unhealed> {
        let table = damage.damaged_table().ok_or(Unhealed::Failing)?;
        tracing::warn!(target: "cairn::chain", table, %damage, "the database is damaged; the table is mended");
        let started = clock::instant();
        for depth in (0..depth).rev() {
            match self.heal_table(table, damage) {
                Ok(()) => {
                    let ms = clock::instant().duration_since(started).as_millis();
                    let (made, fetched) = (self.made.take(), self.fetched.take());
                    tracing::warn!(target: "cairn::chain", table, made, fetched, ms, "the table is whole again");
                    return Ok(());
                }
                // What it is made from is damaged itself.
                Err(Unhealed::Store(error)) if error.damaged_table().is_some_and(|other| other != table) => {
                    self.heal_within(&error, depth)?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Unhealed::Failing)
    }

    fn heal_table(&self, table: &'static str, damage: &StoreError) -> Result<(), Unhealed> {
        match table {
            Meta::NAME => Ok(heal_meta(self.store, self.spec, self.options)?),
            HeaderById::NAME => self.heal_headers(),
            BodyByBlock::NAME => self.heal_bodies(),
            UndoByBlock::NAME => self.heal_undo(),
            IdByHeight::NAME => self.heal_heights(),
            LocationByTxid::NAME => self.heal_locations(),
            IndexByAddress::NAME => self.heal_addresses(),
            LinkByIndex::NAME => self.heal_links(),
            AccountByIndex::NAME => self.heal_accounts(damage.damaged_accounts()),
            RootsByPart::NAME => self.heal_roots(),
            TouchByAccount::NAME => self.heal_touches(),
            SnapshotByHeight::NAME | LeavesByRun::NAME | RootByRun::NAME => self.heal_snapshots(),
            RestoredHeader::NAME => Ok(self.store.anew::<RestoredHeader>()?.end()?),
            _ => Err(Unhealed::Failing),
        }
    }

    /// Counts a record that was made again.
    fn note_made(&self) {
        self.made.set(self.made.get() + 1);
    }

    /// A body, from the disk or, where it is not readable, from others.
    fn body(&self, header: &LinkedHeader) -> Result<(Body, bool), Unhealed> {
        let (id, txs_root) = (header.id(), header.header().txs_root);
        let is_genesis = header.header().height == Height::GENESIS;
        if let Ok(Some(body)) = self.store.body(header)
            && (is_genesis || is_body_of(&body, txs_root))
        {
            return Ok((body, true));
        }
        if is_genesis {
            return Ok((Body::default(), false));
        }
        let body = self.others.ask(|answer| Wanted::Body { id, txs_root, answer });
        let body = body.filter(|body| is_body_of(body, txs_root)).ok_or(Unhealed::NotFound { what: "a block" })?;
        self.fetched.set(self.fetched.get() + 1);
        Ok((body, false))
    }
}

/// Why damage was not mended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unhealed {
    /// What it would be made from cannot be read, or the disk fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody gave what is needed.
    #[error("no peer gave {what}")]
    NotFound { what: &'static str },
    /// There is nothing to begin with: no snapshot, and too many blocks.
    #[error("there is no snapshot of the accounts to begin with, here or at a peer")]
    NoBase,
    /// The blocks do not lead to what is here.
    #[error("the blocks since the snapshot do not lead to the accounts of the tip")]
    Contradicted,
    /// It is damaged again and again, or something else is wrong than damage.
    #[error("the disk is failing")]
    Failing,
}
