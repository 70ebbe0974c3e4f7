//! Decoded → linked: a header against its ancestors.

use crate::mmr::{Mmr, MmrNode};
use crate::pow::{CompactTarget, Work};
use crate::units::{Height, Timestamp};
use crate::{block::Header, chain_spec::ChainSpec, error::HeaderError, hash::BlockId, keys::Address};
use alloc::{boxed::Box, sync::Arc, vec::Vec};

/// A header whose id meets its own target. Its making costs work, so it may be looked at further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkCheckedHeader {
    header: Header,
    id: BlockId,
    work: Work,
}

impl WorkCheckedHeader {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its id.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// The work of this block alone.
    pub fn work(&self) -> Work {
        self.work
    }
}

/// What can be said of a header without its parent: beneficiary and work. This comes before any
/// look-up, so that sending headers is never cheaper than making them.
///
/// # Errors
/// Says which rule is broken.
pub fn check_work(spec: &ChainSpec, header: Header) -> Result<WorkCheckedHeader, HeaderError> {
    // > 7.2: 190 bytes; the beneficiary is not zero
    if header.beneficiary == Address::ZERO {
        return Err(HeaderError::ZeroBeneficiary);
    }
    // > 7.2: the target is in normal form and at most `pow_limit`; the id meets it
    let target = header.target.decode().map_err(|error| HeaderError::TargetForm { got: error.got })?;
    if target > spec.difficulty().pow_limit {
        return Err(HeaderError::TargetAboveLimit { got: header.target, limit: spec.params().pow_limit });
    }
    let id = header.id();
    if !target.is_met_by(&id) {
        return Err(HeaderError::Work { got: id, target: header.target });
    }
    Ok(WorkCheckedHeader { header, id, work: target.work() })
}

/// A header that follows every rule between it and its ancestors, back to block 0.
///
/// Clones share it: whoever keeps headers of long branches keeps them once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedHeader(Arc<Linked>);

#[derive(Debug, PartialEq, Eq)]
struct Linked {
    header: Header,
    id: BlockId,
    work: Work,
    total_work: Work,
    /// The target that the rule demands of its children.
    next_target: CompactTarget,
    /// The inner nodes of the history that this block completes, from level 1 up.
    completed: Box<[MmrNode]>,
}

impl LinkedHeader {
    /// Block 0, which is linked by definition.
    pub fn genesis(spec: &ChainSpec) -> Self {
        let next_target = spec.params().genesis_target;
        Self::restore(spec.genesis().clone(), spec.genesis_id(), Work::ZERO, next_target, Vec::new())
    }

    /// Brings back a linked header that this node stored; it is not checked again. `id`, `total_work`,
    /// `next_target` and `completed` must be what [`check_header`] gave for it.
    pub fn restore(
        header: Header,
        id: BlockId,
        total_work: Work,
        next_target: CompactTarget,
        completed: Vec<MmrNode>,
    ) -> Self {
        let is_genesis = header.height == Height::GENESIS;
        let target = if is_genesis { None } else { header.target.decode().ok() };
        let (work, completed) = (target.map_or(Work::ZERO, |target| target.work()), completed.into());
        Self(Arc::new(Linked { header, id, work, total_work, next_target, completed }))
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// Its id.
    pub fn id(&self) -> BlockId {
        self.0.id
    }

    /// The work of this block alone.
    pub fn work(&self) -> Work {
        self.0.work
    }

    /// The work of the chain up to and including this block.
    pub fn total_work(&self) -> Work {
        self.0.total_work
    }

    /// The target that the rule demands of its children.
    pub fn next_target(&self) -> CompactTarget {
        self.0.next_target
    }

    /// Its leaf in the history of its descendants.
    pub fn leaf(&self) -> MmrNode {
        MmrNode::leaf(&self.0.header, &self.0.id, self.0.work, self.0.next_target)
    }

    /// The inner nodes of the history that this block completes, from level 1 up.
    pub fn completed(&self) -> &[MmrNode] {
        &self.0.completed
    }
}

/// A linked header as the parent of others: what its children are judged against.
///
/// It is a header and log2(height) nodes, so that a chain can be followed header by header in little memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainContext {
    header: Header,
    id: BlockId,
    /// All blocks up to and including this one.
    history: Mmr,
}

impl ChainContext {
    /// Block 0 as a parent.
    pub fn genesis(spec: &ChainSpec) -> Self {
        let genesis = LinkedHeader::genesis(spec);
        Self { history: Mmr::of_genesis(genesis.leaf()), header: spec.genesis().clone(), id: genesis.id() }
    }

    /// Brings back a stored header as a parent, with its id and the history up to and including it.
    pub fn restore(header: Header, id: BlockId, history: Mmr) -> Self {
        Self { header, id, history }
    }

    /// `child`, which was linked to this very context, as the next parent.
    pub fn extend(&self, child: &LinkedHeader) -> Self {
        let history = self.history.append(child.leaf()).map(|(history, _)| history).unwrap_or_default();
        Self { header: child.header().clone(), id: child.id(), history }
    }

    /// The parent's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The parent's id.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// All blocks up to and including the parent: what a child commits to.
    pub fn history(&self) -> &Mmr {
        &self.history
    }

    /// The work of the chain up to and including the parent.
    pub fn total_work(&self) -> Work {
        self.history.total_work()
    }

    /// The target a child must have: the one that the parent's leaf in the history names.
    pub fn next_target(&self, spec: &ChainSpec) -> CompactTarget {
        self.history.next_target().unwrap_or(spec.params().genesis_target)
    }
}

/// The target that a child of the block at `height` must have: by that block's target, its parent's time and its own.
///
/// # Consensus
/// > 7.5: Blocks 1 and 2 have `genesis_target`.
///
/// Later ones follow [`DifficultyRule::next_target`](crate::pow::DifficultyRule::next_target) from the two blocks
/// before.
pub fn target_after(spec: &ChainSpec, height: Height, target: CompactTarget, times: [Timestamp; 2]) -> CompactTarget {
    let [parent_time, time] = times;
    match (height.get(), target.decode()) {
        (2.., Ok(target)) => spec.difficulty().next_target(target, time, parent_time),
        _ => spec.params().genesis_target,
    }
}

/// Judges a header by the history before it alone: its target, its time, and that it commits to that history.
///
/// # Errors
/// Says which rule is broken.
pub fn check_in_history(spec: &ChainSpec, before: &Mmr, header: &Header) -> Result<(), HeaderError> {
    // > 7.2: the target is the required one (7.5)
    let expected = before.next_target().unwrap_or(spec.params().genesis_target);
    if header.target != expected {
        return Err(HeaderError::Target { got: header.target, expected });
    }
    // > 7.2: the time is later than the parent's
    if let Some(parent) = before.last_time().filter(|parent| header.time <= *parent) {
        return Err(HeaderError::TimeNotRising { got: header.time, parent });
    }
    // > 7.2: `history_root` is that of the parent's chain; the total work fits 256 bits
    let expected = before.commitment();
    if header.history_root != expected {
        return Err(HeaderError::HistoryRoot { got: header.history_root, expected });
    }
    Ok(())
}

/// Judges a sealed header as a child of `parent`, at the moment `now`.
///
/// # Errors
/// Says which rule is broken; a parent that is another block, a time ahead of the clock and another version are
/// [`Fault::NotYet`](crate::error::Fault::NotYet).
pub fn check_header(
    spec: &ChainSpec,
    parent: &ChainContext,
    sealed: WorkCheckedHeader,
    now: Timestamp,
) -> Result<LinkedHeader, HeaderError> {
    let linked = link(spec, parent, sealed, now)?;
    check_version(spec, linked.header())?;
    Ok(linked)
}

/// Whether a header has the version that goes with the rules of its height.
///
/// # Errors
/// [`HeaderError::Version`].
pub fn check_version(spec: &ChainSpec, header: &Header) -> Result<(), HeaderError> {
    // > 7.2: last, the version is that of the height (8.1): another one is *not yet*, whoever sent it
    let (got, expected) = (header.version, spec.rules_at(header.height).version);
    if got == expected { Ok(()) } else { Err(HeaderError::Version { got, expected }) }
}

/// A header whose version is not that of its height, as the parent of others: the rules of headers never change, so all
/// of them but the version are checked. What lies under such a header cannot be judged here; it only tells how much
/// work others put into rules that are not known.
///
/// # Errors
/// As [`check_header`], but for the version.
pub fn foreign_context(
    spec: &ChainSpec,
    parent: &ChainContext,
    sealed: WorkCheckedHeader,
    now: Timestamp,
) -> Result<ChainContext, HeaderError> {
    link(spec, parent, sealed, now).map(|linked| parent.extend(&linked))
}

/// Every rule between a header and its ancestors, which hold at all heights.
fn link(
    spec: &ChainSpec,
    parent: &ChainContext,
    sealed: WorkCheckedHeader,
    now: Timestamp,
) -> Result<LinkedHeader, HeaderError> {
    let WorkCheckedHeader { header, id, work } = sealed;
    // > 7.2: the parent is known (else *not yet*); the height is the parent's plus one
    if header.parent != parent.id {
        return Err(HeaderError::Parent { got: header.parent, expected: parent.id });
    }
    if Some(header.height) != parent.header.height.next() {
        return Err(HeaderError::Height { got: header.height, parent: parent.header.height });
    }
    check_in_history(spec, &parent.history, &header)?;
    let next_target = target_after(spec, header.height, header.target, [parent.header.time, header.time]);
    let leaf = MmrNode::leaf(&header, &id, work, next_target);
    // Target and time fit already, so what is left is
    // > 7.2: the total work fits 256 bits
    let (history, completed) = parent.history.append(leaf).map_err(|_| HeaderError::WorkOverflow)?;
    // > 7.2: the time is at most `now + max_future`: an early block is *not yet*, never invalid, and is known to be
    // > right in everything else
    let limit = now.saturating_add(spec.params().max_future_ms);
    if header.time > limit {
        return Err(HeaderError::TimeAhead { got: header.time, limit });
    }
    let (total_work, completed) = (history.total_work(), completed.into());
    Ok(LinkedHeader(Arc::new(Linked { header, id, work, total_work, next_target, completed })))
}
