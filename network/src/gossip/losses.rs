//! What gossip has lost.

/// What gossip has lost since the start. None of it is lost for good: pools are compared, and blocks come by sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Messages that waited for peers whose lines are slow, until it was too late.
    pub dropped: u64,
    /// Batches that were not sent, as ones of the same bytes had come or gone before.
    pub repeated: u64,
    /// Transactions that there was no room to keep until they are sent.
    pub crowded_out: u64,
    /// Messages that there was no room to look at.
    pub unlooked: u64,
    /// Payments of this node's own clients that were sent again, since nobody was seen to have them.
    pub sent_again: u64,
}
