//! Reading the chain as it was last committed and settled, from any thread.
//!
//! # Map
//! [`Reader`] blocks, accounts and transactions · `proofs` light proofs, and proofs of transactions · `history` where
//! addresses were touched

mod history;
mod proofs;

pub use history::{HISTORY_BEHIND, HistoryPage, HistoryQuery, NoHistory, Touched};
pub use proofs::{ProvenTip, UnknownBlock};

use crate::heal::MAX_HEALED;
use crate::snapshot::{SnapshotInfo, Snapshots};
use crate::store::{
    Backup, BackupError, ChainStore, DbUsage, Kept, LowestBody, StoreError, StoredBlock, StretchOptions,
};
use crate::writer::Message;
use cairn_common::{mailbox::Handle, runtime};
use cairn_ledger::{
    Account, Address, BlockId, Body, ChainSpec, Hash, Header, Height, LinkedHeader, TxId, accounts::StateRun,
    pow::CompactTarget,
};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::{thread, time::Duration};
use tokio::sync::{mpsc::error::TrySendError, watch};

/// Between two looks whether the writer has room for a question.
const PAUSE: Duration = Duration::from_millis(2);

/// A locator's first ids are consecutive; after them the steps double.
const LOCATOR_DENSE: u64 = 10;

/// From a height down: ten in a row, then doubling steps, block 0 last.
pub(crate) fn locator_heights(tip: Height) -> Vec<Height> {
    let (mut heights, mut height, mut step) = (Vec::new(), tip.get(), 1_u64);
    while height > 0 {
        heights.push(Height::new(height));
        if heights.len() as u64 >= LOCATOR_DENSE {
            step = step.saturating_mul(2);
        }
        height = height.saturating_sub(step);
    }
    heights.push(Height::GENESIS);
    heights
}

/// Reads the chain as it was last committed and settled. Cloning shares it.
#[derive(Clone)]
pub struct Reader {
    pub(crate) spec: Arc<ChainSpec>,
    /// The chain as it is or, while a long reorganisation is under way, as it was before.
    pub(crate) view: watch::Receiver<Arc<ChainStore>>,
    pub(crate) snapshots: Snapshots,
    pub(crate) stretches: StretchOptions,
    pub(crate) mender: Mender,
}

/// Who mends what a reader finds damaged. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Mender {
    pub(crate) writer: Handle<Message>,
    /// How often something was mended.
    pub(crate) healed: Arc<AtomicU64>,
    /// Whether nothing is mended, as whoever reads must not wait.
    pub(crate) is_off: bool,
}

impl Mender {
    /// Reads again once what was read is mended.
    fn read<T>(&self, read: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        // One thing that is read may rest on several tables.
        for _ in 0..MAX_HEALED {
            let healed = self.healed.load(Ordering::Acquire);
            match read() {
                Err(damage) if damage.damaged_table().is_some() && !self.is_off && !runtime::is_simulated() => {
                    if !self.mend(damage, healed) {
                        break;
                    }
                }
                read => return read,
            }
        }
        read()
    }

    /// Has the writer mend it, and waits for that; whether it was.
    fn mend(&self, damage: StoreError, healed: u64) -> bool {
        let (answer, answered) = mpsc::channel();
        let mut question = Message::Ask(Box::new(move |actor| {
            // Whoever reads stops the node, if need be.
            let _ = answer.send(actor.heal(damage, healed).is_ok());
            Ok(())
        }));
        while let Err(TrySendError::Full(again)) = self.writer.try_send(question) {
            question = again;
            thread::sleep(PAUSE);
        }
        // A writer that has ended drops the question.
        answered.recv().unwrap_or(false)
    }
}

/// A transaction of the followed chain.
#[derive(Clone, Debug)]
pub struct MinedTransaction {
    /// The block it is in.
    pub block: LinkedHeader,
    /// The transaction.
    pub transaction: cairn_ledger::transaction::Transaction,
}

impl Reader {
    /// The settled chain.
    pub(crate) fn store(&self) -> Arc<ChainStore> {
        self.view.borrow().clone()
    }

    /// What is read from memory alone; nothing where that would have to wait for the disk, or meets damage. For whoever
    /// must not wait; only single records are looked up like this, ranges are read all the same.
    pub fn resident<T>(&self, read: impl FnOnce(&Self) -> Result<T, StoreError>) -> Option<T> {
        let (_, view) = watch::channel(Arc::new(self.store().resident()));
        let mender = Mender { is_off: true, ..self.mender.clone() };
        read(&Self { view, mender, ..self.clone() }).ok()
    }

    /// How often damage of the database was mended since the start.
    pub fn healed(&self) -> u64 {
        self.mender.healed.load(Ordering::Acquire)
    }

    /// The rules of the network.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.spec
    }

    /// What the database takes.
    ///
    /// # Errors
    /// A failing store.
    pub fn usage(&self) -> Result<DbUsage, StoreError> {
        self.store().usage()
    }

    /// Copies the database, as it is now, to a directory that is made.
    ///
    /// # Errors
    /// Says why not; then nothing is left there.
    pub fn backup(&self, to: &Path) -> Result<Backup, BackupError> {
        self.store().backup(to)
    }

    /// A stored header, on the followed chain or not.
    ///
    /// # Errors
    /// A failing store.
    pub fn header(&self, id: &BlockId) -> Result<Option<LinkedHeader>, StoreError> {
        self.mender.read(|| self.store().header(id))
    }

    /// The header at a height of the followed chain.
    ///
    /// # Errors
    /// A failing store.
    pub fn header_at(&self, height: Height) -> Result<Option<LinkedHeader>, StoreError> {
        self.mender.read(|| match self.store().id_at(height)? {
            Some(id) => self.store().header(&id),
            None => Ok(None),
        })
    }

    /// A stored block, on the followed chain or not.
    ///
    /// # Errors
    /// A failing store.
    pub fn block(&self, id: &BlockId) -> Result<Option<StoredBlock>, StoreError> {
        self.mender.read(|| self.store().block(id))
    }

    /// The canonical bytes of a stored block.
    ///
    /// # Errors
    /// A failing store.
    pub fn raw_block(&self, header: &LinkedHeader) -> Result<Option<Vec<u8>>, StoreError> {
        self.mender.read(|| self.store().raw_block(header))
    }

    /// Hands the encoded transactions of a stored block to `take`, undecoded; `None` when it was pruned.
    ///
    /// # Errors
    /// A failing store.
    pub fn with_encoded_body<R>(
        &self,
        header: &LinkedHeader,
        take: impl Fn(&[u8]) -> R,
    ) -> Result<Option<R>, StoreError> {
        self.mender.read(|| self.store().with_encoded_body(header, &take))
    }

    /// The transactions of a stored block; `None` when it was pruned.
    ///
    /// # Errors
    /// A failing store.
    pub fn body(&self, header: &LinkedHeader) -> Result<Option<Body>, StoreError> {
        self.mender.read(|| self.store().body(header))
    }

    /// At heights that this divides nodes of this network may have made a snapshot.
    pub fn snapshot_every(&self) -> u64 {
        self.snapshots.every
    }

    /// The snapshots that are held whole, the lowest first.
    pub fn snapshots(&self) -> Vec<SnapshotInfo> {
        self.snapshots.list()
    }

    /// A run of a snapshot that is held; `None` where it is not, or has no such run.
    pub fn state_run(&self, state_root: &Hash, number: u64) -> Option<StateRun> {
        self.snapshots.run(&self.store(), state_root, number)
    }

    /// The height up to which blocks were not executed here, as the chain began with the accounts of a snapshot; `None`
    /// where all were.
    ///
    /// # Errors
    /// A failing store.
    pub fn restored(&self) -> Result<Option<Height>, StoreError> {
        self.mender.read(|| self.store().restored())
    }

    /// How many accounts there are at the tip.
    ///
    /// # Errors
    /// A failing store.
    pub fn account_count(&self) -> Result<u64, StoreError> {
        self.mender.read(|| {
            // The sentinel is none.
            Ok(self.store().account_count()?.saturating_sub(1))
        })
    }

    /// Writes the indexes anew, without what they say of pruned blocks. It takes as long as reading and writing them.
    pub fn compact_indexes(&self) {
        self.store().compact_indexes();
    }

    /// Refuses a height at which the body was pruned.
    ///
    /// # Errors
    /// [`StoreError::Pruned`].
    pub fn expect_kept(&self, height: Height) -> Result<(), StoreError> {
        self.store().expect_kept(height)
    }

    /// How history is divided into stretches, and how many of them are kept.
    pub fn stretches(&self) -> &StretchOptions {
        &self.stretches
    }

    /// Whether stretches were given up for want of room: none is kept until the next start.
    pub fn gave_up_stretches(&self) -> bool {
        self.store().gave_up_stretches()
    }

    /// Which bodies are here.
    pub fn kept(&self) -> Arc<Kept> {
        self.store().kept()
    }

    /// The height of the lowest block that was not pruned, but for block 0 and stretches; 0 as long as none was.
    pub fn lowest_body(&self) -> Height {
        self.store().lowest_body()
    }

    /// The same, as it will be from now on.
    pub fn watch_lowest_body(&self) -> LowestBody {
        self.store().watch_lowest_body()
    }

    /// The height of the tip, as it was last committed.
    ///
    /// # Errors
    /// A failing store.
    pub fn tip_height(&self) -> Result<Height, StoreError> {
        self.mender.read(|| Ok(self.store().expect_header(&self.store().tip()?)?.header().height))
    }

    /// Whether `header` is on the followed chain.
    ///
    /// # Errors
    /// A failing store.
    pub fn is_connected(&self, header: &LinkedHeader) -> Result<bool, StoreError> {
        self.mender.read(|| self.store().is_connected(header))
    }

    /// The account of an address at the tip.
    ///
    /// # Errors
    /// A failing store.
    pub fn account(&self, address: &Address) -> Result<Option<Account>, StoreError> {
        self.mender.read(|| {
            if *address == Address::ZERO {
                return Ok(None);
            }
            Ok(self.store().account(address)?.map(|(_, leaf)| leaf.account))
        })
    }

    /// The accounts of many addresses at the tip, all of one moment, in their order.
    ///
    /// # Errors
    /// A failing store.
    pub fn accounts(&self, addresses: &[Address]) -> Result<Vec<Option<Account>>, StoreError> {
        self.mender.read(|| {
            let mut accounts = self.store().accounts(addresses)?;
            for (_, sentinel) in addresses.iter().zip(&mut accounts).filter(|(address, _)| **address == Address::ZERO) {
                *sentinel = None;
            }
            Ok(accounts)
        })
    }

    /// Whether each of these addresses has an account at the tip.
    ///
    /// # Errors
    /// A failing store.
    pub fn have_accounts(&self, addresses: &[Address]) -> Result<Vec<bool>, StoreError> {
        self.mender.read(|| {
            let indices = self.store().indices_of(addresses)?.into_iter();
            Ok(addresses
                .iter()
                .zip(indices)
                .map(|(address, index)| *address != Address::ZERO && index.is_some())
                .collect())
        })
    }

    /// A transaction of the followed chain.
    ///
    /// # Errors
    /// A failing store.
    pub fn transaction(&self, txid: &TxId) -> Result<Option<MinedTransaction>, StoreError> {
        self.mender.read(|| {
            let Some(location) = self.store().location(txid)? else { return Ok(None) };
            let Some(block) = self.header_at(location.height)? else { return Ok(None) };
            let Some(body) = self.store().body(&block)? else { return Ok(None) };
            // The chain may have moved between the reads: what is there now must be what was asked for.
            let transaction = body.get(location.place as usize).filter(|found| found.id() == *txid).cloned();
            Ok(transaction.map(|transaction| MinedTransaction { block, transaction }))
        })
    }

    /// The target that a child of the stored block `id` must have.
    ///
    /// # Errors
    /// A failing store.
    pub fn target_after(&self, id: &BlockId) -> Result<Option<CompactTarget>, StoreError> {
        self.mender.read(|| Ok(self.store().header(id)?.map(|block| block.next_target())))
    }

    /// Whether a transaction is in a block of the followed chain.
    ///
    /// # Errors
    /// A failing store.
    pub fn is_mined(&self, txid: &TxId) -> Result<bool, StoreError> {
        self.mender.read(|| Ok(self.store().location(txid)?.is_some()))
    }

    /// Ids from the tip down: ten in a row, then in doubling steps, the genesis last.
    ///
    /// # Errors
    /// A failing store.
    pub fn locator(&self) -> Result<Vec<BlockId>, StoreError> {
        self.mender.read(|| {
            let tip = self.store().expect_header(&self.store().tip()?)?;
            let mut ids = Vec::new();
            for height in locator_heights(tip.header().height) {
                ids.extend(self.store().id_at(height)?);
            }
            Ok(ids)
        })
    }

    /// Up to `max` headers of the followed chain after the first id of `locator` that is on it.
    ///
    /// # Errors
    /// A failing store.
    pub fn headers_after(&self, locator: &[BlockId], max: usize) -> Result<Vec<Header>, StoreError> {
        self.mender.read(|| {
            let mut after = Height::GENESIS;
            for id in locator {
                if let Some(header) = self.store().connected(id)? {
                    after = header.header().height;
                    break;
                }
            }
            let mut headers = Vec::new();
            while headers.len() < max
                && let Some(next) = after.next()
                && let Some(header) = self.header_at(next)?
            {
                headers.push(header.header().clone());
                after = next;
            }
            Ok(headers)
        })
    }
}
