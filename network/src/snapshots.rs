//! Which snapshots this node holds, as its peers and the DHT are told, and of which ones it remembers who holds them.

use crate::wire::SnapshotName;
use cairn_chain::{Reader, SnapshotInfo, StoreError};
use cairn_ledger::{hash::Hash, units::Height};
use std::time::{Duration, Instant};

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(10);
/// State roots of which providers are remembered: those of the last heights at which there may be snapshots. Nodes keep
/// two, one of them may not be ready yet, and one may just have gone.
const KNOWN_ROOTS: u64 = 4;

/// What snapshots there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshots {
    /// Those that are held here, the oldest first.
    pub(crate) held: Vec<SnapshotName>,
    /// State roots of the followed chain at which others may hold some.
    pub(crate) roots: Vec<Hash>,
}

/// Reads which there are.
///
/// # Errors
/// A failing store.
pub(crate) fn read(reader: &Reader) -> Result<Snapshots, StoreError> {
    let every = reader.snapshot_every();
    let periods = reader.tip_height()?.get().checked_div(every).unwrap_or_default();
    let name = |held: SnapshotInfo| SnapshotName { height: held.height, state_root: held.state_root };
    let held = reader.snapshots().into_iter().map(name).collect();
    let mut roots = Vec::new();
    for height in (1..=periods).rev().take(KNOWN_ROOTS as usize).map(|period| period * every) {
        roots.extend(reader.header_at(Height::new(height))?.map(|header| header.header().state_root));
    }
    Ok(Snapshots { held, roots })
}

/// What was read last, and when it is read again.
#[derive(Debug)]
pub(crate) struct SnapshotWatch {
    /// Between two heights at which there may be snapshots.
    every: u64,
    known: Snapshots,
    /// When it is read again; not while it is being read.
    due: Option<Instant>,
}

impl SnapshotWatch {
    /// Before it was read.
    pub(crate) fn new(every: u64, now: Instant) -> Self {
        Self { every, known: Snapshots::default(), due: Some(now) }
    }

    /// Whether it is to be read now; then it is taken to be done. On a short chain there are none.
    pub(crate) fn is_due(&mut self, tip: Height, now: Instant) -> bool {
        self.due.take_if(|due| tip.get() >= self.every && *due <= now).is_some()
    }

    /// It was read; whether there is something new.
    pub(crate) fn on_read(&mut self, snapshots: Snapshots, now: Instant) -> bool {
        self.due = Some(now + EVERY);
        let known = std::mem::replace(&mut self.known, snapshots);
        known != self.known
    }

    /// Those that are held here.
    pub(crate) fn held(&self) -> &[SnapshotName] {
        &self.known.held
    }

    /// State roots at which others may hold some.
    pub(crate) fn roots(&self) -> &[Hash] {
        &self.known.roots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_now_and_then_and_never_twice_at_once() {
        let (now, tip) = (Instant::now(), Height::new(300));
        let mut watch = SnapshotWatch::new(300, now);
        assert!(!watch.is_due(Height::new(299), now), "there is none yet");
        assert!(watch.is_due(tip, now) && !watch.is_due(tip, now + EVERY), "it is being read");
        let name = SnapshotName { height: tip, state_root: Hash::ZERO };
        let some = Snapshots { held: vec![name], roots: vec![Hash::ZERO] };
        assert!(watch.on_read(some.clone(), now) && !watch.on_read(some, now), "news only once");
        assert_eq!((watch.held(), watch.roots()), (&[name][..], &[Hash::ZERO][..]));
        assert!(!watch.is_due(tip, now) && watch.is_due(tip, now + EVERY));
    }
}
