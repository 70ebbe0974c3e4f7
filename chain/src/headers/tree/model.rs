//! The header tree against a plain model of it: a list of headers, searched from end to end at every question.

use super::*;
use crate::verdict::PeerNumber;
use cairn_ledger::testing::{arbitrary_hash, easy_network};
use cairn_ledger::{Body, ChainSpec, Header};
use proptest::{prelude::*, test_runner::RngSeed};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The work of the followed chain: half of what is inserted has more.
const TIP: u64 = 60;
/// Origins: this node, and some peers.
const ORIGINS: u64 = 4;

fn origin(number: u64) -> Origin {
    if number == 0 { Origin::Local } else { Origin::Peer(PeerNumber(number)) }
}

#[derive(Clone, Debug)]
enum Op {
    /// A header after the n-th there is, or after one that is not there.
    Insert { origin: u64, parent: Option<usize>, work: u64, is_presynced: bool },
    /// As many cheap ones as an origin may have, and some more.
    Flood { origin: u64, work: u64, more: usize },
    /// A block of the disk.
    InsertStored { parent: Option<usize>, work: u64 },
    /// Somebody brings the n-th, too.
    Again { origin: u64, n: usize },
    /// The n-th turns out to be presynced.
    Pin(usize),
    /// The body of the n-th comes.
    SetBody(usize),
    /// The body of the n-th goes to the disk.
    Store(usize),
    /// The n-th, which can be connected at once, is.
    Connect(usize),
    /// The n-th is invalid.
    Invalidate(usize),
    /// A peer is gone.
    ForgetOrigin(u64),
    /// The tip is this far above all that is stale.
    ForgetStale(u64),
}

/// Any of them, and a flood now and then.
fn any_op_or_flood() -> impl Strategy<Value = Op> {
    let flood = (1..ORIGINS, 1..6_u64, 0..20_usize).prop_map(|(origin, work, more)| Op::Flood { origin, work, more });
    prop_oneof![9 => any_op(), 1 => flood]
}

/// Any of them but a flood: the model is slow with thousands.
fn any_op() -> impl Strategy<Value = Op> {
    let parent = || prop::option::weighted(0.8, 0..64_usize);
    prop_oneof![
        12 => (0..ORIGINS, parent(), 1..40_u64, prop::bool::weighted(0.2))
            .prop_map(|(origin, parent, work, is_presynced)| Op::Insert { origin, parent, work, is_presynced }),
        2 => (parent(), 1..40_u64).prop_map(|(parent, work)| Op::InsertStored { parent, work }),
        6 => (0..ORIGINS, 0..64_usize).prop_map(|(origin, n)| Op::Again { origin, n }),
        1 => (0..64_usize).prop_map(Op::Pin),
        8 => (0..64_usize).prop_map(Op::SetBody),
        2 => (0..64_usize).prop_map(Op::Store),
        3 => (0..64_usize).prop_map(Op::Connect),
        1 => (0..64_usize).prop_map(Op::Invalidate),
        1 => (0..ORIGINS).prop_map(Op::ForgetOrigin),
        1 => (0..12_u64).prop_map(Op::ForgetStale),
    ]
}

#[derive(Clone, Debug)]
struct Known {
    header: LinkedHeader,
    origin: Origin,
    also: Vec<Origin>,
    is_pinned: bool,
    has_body: bool,
}

impl Known {
    fn new(header: LinkedHeader, origin: Origin, is_pinned: bool, has_body: bool) -> Self {
        Self { header, origin, also: Vec::new(), is_pinned, has_body }
    }
}

/// The model, and the headers made so far.
#[derive(Default)]
struct Model {
    known: BTreeMap<BlockId, Known>,
    invalid: HashSet<BlockId>,
    made: u64,
}

impl Model {
    fn parent(&self, id: &BlockId) -> Option<BlockId> {
        self.known.get(id).map(|known| known.header.header().parent)
    }

    fn work(&self, id: &BlockId) -> Work {
        self.known.get(id).map_or(Work::ZERO, |known| known.header.total_work())
    }

    fn children(&self, id: &BlockId) -> Vec<BlockId> {
        self.known.values().filter(|known| known.header.header().parent == *id).map(|known| known.header.id()).collect()
    }

    fn ends(&self) -> Vec<BlockId> {
        let parents: HashSet<BlockId> = self.known.values().map(|known| known.header.header().parent).collect();
        self.known.keys().filter(|id| !parents.contains(id)).copied().collect()
    }

    fn count(&self, of: Origin) -> usize {
        self.known.values().filter(|known| known.origin == of).count()
    }

    /// The n-th of what is there, in an order that follows from the ids alone.
    fn nth(&self, n: usize) -> Option<BlockId> {
        self.known.keys().nth(n % self.known.len().max(1)).copied()
    }

    /// A header that was not there before.
    fn make(&mut self, parent: Option<usize>, work: u64) -> LinkedHeader {
        static GENESIS: LazyLock<Header> = LazyLock::new(|| easy_network().genesis().clone());
        self.made += 1;
        let parent = parent.and_then(|n| self.nth(n)).unwrap_or(BlockId::ZERO);
        let below = self.known.get(&parent).map(|known| (known.header.header().height, known.header.total_work()));
        let (height, below) = below.unwrap_or((Height::GENESIS, Work::ZERO));
        let header = Header { height: height.saturating_add(1), parent, ..GENESIS.clone() };
        let (id, target) = (BlockId::from_bytes(*arbitrary_hash(self.made).as_bytes()), header.target);
        let work = below.checked_add(Work::from_u64(work)).expect("little work");
        LinkedHeader::restore(header, id, work, target, vec![])
    }

    /// The rule of the front page: what has no more work than the tip needs room, and makes it from what has less.
    fn insert(&mut self, origin: Origin, header: LinkedHeader, is_presynced: bool) -> bool {
        let is_better = is_presynced || header.total_work() > Work::from_u64(TIP);
        if !is_better && self.count(origin) >= LOW_WORK_PER_ORIGIN {
            let spared = header.header().parent;
            let free = |id: &BlockId| {
                *id != spared && self.known.get(id).is_some_and(|it| it.origin == origin && !it.is_pinned)
            };
            let least = self.ends().into_iter().filter(free).min_by_key(|id| (self.work(id), *id));
            let Some(least) = least.filter(|id| self.work(id) < header.total_work()) else { return false };
            self.known.remove(&least);
        }
        self.known.insert(header.id(), Known::new(header, origin, is_presynced, false));
        true
    }

    /// Whether the body of a block is here, and of all below it that are.
    fn is_complete(&self, id: &BlockId) -> bool {
        let mut at = Some(*id);
        while let Some(known) = at.and_then(|id| self.known.get(&id)) {
            if !known.has_body {
                return false;
            }
            at = Some(known.header.header().parent);
        }
        true
    }

    fn prune(&mut self, unwanted: impl Fn(&Known) -> bool) {
        while let Some(id) = self.ends().into_iter().find(|id| self.known.get(id).is_some_and(&unwanted)) {
            self.known.remove(&id);
        }
    }

    /// What was brought by others, too, counts for the first of those who has room, the most work first.
    fn pass_on(&mut self, gone: Origin) {
        self.known.values_mut().for_each(|known| known.also.retain(|also| *also != gone));
        let theirs = self.known.iter().filter(|(_, known)| known.origin == gone && !known.has_body);
        let mut theirs: Vec<(Work, BlockId)> = theirs.map(|(id, _)| (self.work(id), *id)).collect();
        theirs.sort_unstable();
        for (work, id) in theirs.into_iter().rev() {
            let also = self.known[&id].also.clone();
            let room = |heir: &&Origin| work > Work::from_u64(TIP) || self.count(**heir) < LOW_WORK_PER_ORIGIN;
            let heir = also.iter().find(room).copied();
            if let (Some(heir), Some(known)) = (heir, self.known.get_mut(&id)) {
                known.also.retain(|also| *also != heir);
                (known.origin, known.is_pinned) = (heir, false);
            }
        }
    }

    fn invalidate(&mut self, id: BlockId) {
        for child in self.children(&id) {
            self.invalidate(child);
        }
        self.known.remove(&id);
        self.invalid.insert(id);
    }
}

fn body(header: LinkedHeader) -> CheckedBlock {
    static SPEC: LazyLock<ChainSpec> = LazyLock::new(easy_network);
    CheckedBlock::check(&SPEC, header, Body::default()).expect("an empty block")
}

/// Takes one step with both.
fn step(tree: &mut HeaderTree, model: &mut Model, op: Op) -> Result<(), TestCaseError> {
    match op {
        Op::Insert { origin: from, parent, work, is_presynced } => {
            let header = model.make(parent, work);
            let taken = tree.insert(origin(from), header.clone(), is_presynced, Work::from_u64(TIP));
            prop_assert_eq!(taken, model.insert(origin(from), header, is_presynced));
        }
        Op::Flood { origin: from, work, more } => {
            for _ in model.count(origin(from))..LOW_WORK_PER_ORIGIN {
                let header = model.make(None, work);
                prop_assert!(tree.insert(origin(from), header.clone(), false, Work::from_u64(TIP)), "there is room");
                model.known.insert(header.id(), Known::new(header, origin(from), false, false));
            }
            for _ in 0..more {
                let header = model.make(None, work + 1);
                let taken = tree.insert(origin(from), header.clone(), false, Work::from_u64(TIP));
                prop_assert_eq!(taken, model.insert(origin(from), header, false));
            }
        }
        Op::InsertStored { parent, work } => {
            let header = model.make(parent, work);
            tree.insert_stored(header.clone());
            model.known.insert(header.id(), Known::new(header, Origin::Local, false, true));
        }
        Op::ForgetOrigin(from) => {
            tree.forget_origin(origin(from), Work::from_u64(TIP));
            model.pass_on(origin(from));
            model.prune(|known| known.origin == origin(from) && !known.has_body);
            for known in model.known.values_mut().filter(|known| known.origin == origin(from)) {
                (known.origin, known.is_pinned, known.also) = (Origin::Local, false, Vec::new());
            }
        }
        Op::Again { origin: from, n } => {
            let Some(id) = model.nth(n) else { return Ok(()) };
            tree.note_also(&id, origin(from));
            if let Some(known) = model.known.get_mut(&id)
                && known.origin != origin(from)
                && !known.also.contains(&origin(from))
            {
                known.also.push(origin(from));
            }
        }
        Op::ForgetStale(above) => {
            tree.forget_stale(Height::new(STALE + above));
            model.prune(|known| !known.is_pinned && known.header.header().height < Height::new(above));
        }
        Op::Pin(n) | Op::SetBody(n) | Op::Store(n) | Op::Connect(n) | Op::Invalidate(n) => {
            let Some(id) = model.nth(n) else { return Ok(()) };
            step_at(tree, model, &op, id);
        }
    }
    Ok(())
}

/// Takes a step that is about one header.
fn step_at(tree: &mut HeaderTree, model: &mut Model, op: &Op, id: BlockId) {
    let Some(known) = model.known.get_mut(&id) else { return };
    match op {
        Op::Pin(_) => {
            tree.pin(&id);
            known.is_pinned = true;
        }
        Op::SetBody(_) => {
            assert!(tree.set_body(body(known.header.clone())), "its header is there");
            known.has_body = true;
        }
        Op::Store(_) => {
            if tree.take_checked(&id).is_some() {
                tree.mark_stored(&id);
            }
        }
        Op::Connect(_) => {
            let parent = known.header.header().parent;
            if !model.known.contains_key(&parent) && model.is_complete(&id) {
                tree.remove(&id);
                model.known.remove(&id);
            }
        }
        _ => {
            tree.invalidate(&id);
            model.invalidate(id);
        }
    }
}

/// Asks both everything.
fn assert_same(tree: &HeaderTree, model: &Model) -> Result<(), TestCaseError> {
    prop_assert!(tree.entries.keys().collect::<BTreeSet<_>>().into_iter().eq(model.known.keys()), "the same headers");
    let ends: BTreeSet<(Work, BlockId)> = model.ends().into_iter().map(|id| (model.work(&id), id)).collect();
    prop_assert_eq!(&tree.ends, &ends);
    let best = model.known.values().max_by_key(|known| (known.header.total_work(), known.header.id()));
    prop_assert_eq!(tree.best(), best.map(|best| (best.header.header().height, best.header.total_work())));
    let complete = model.known.keys().filter(|id| model.is_complete(id)).map(|id| (model.work(id), *id));
    let complete: BTreeSet<(Work, BlockId)> = complete.collect();
    prop_assert_eq!(tree.best_complete(), complete.last().copied());
    prop_assert_eq!(&tree.complete, &complete);
    for (id, known) in &model.known {
        prop_assert_eq!(tree.has_body(id), known.has_body);
        prop_assert_eq!(tree.entries[id].is_pinned, known.is_pinned);
        prop_assert_eq!(tree.entries[id].origin, known.origin);
        prop_assert_eq!(&tree.entries[id].also, &known.also);
    }
    let roots =
        model.known.keys().filter(|id| model.parent(id).is_none_or(|parent| !model.known.contains_key(&parent)));
    prop_assert_eq!(&tree.roots, &roots.copied().collect::<HashSet<_>>());
    for number in 0..ORIGINS {
        let of = origin(number);
        prop_assert_eq!(tree.held.get(&of).map_or(0, |held| held.count), model.count(of));
        let own = ends.iter().filter(|(_, id)| model.known[id].origin == of).copied().collect::<BTreeSet<_>>();
        prop_assert_eq!(tree.held.get(&of).map(|held| held.ends.clone()).unwrap_or_default(), own);
    }
    let bodies = tree.entries.values().filter(|entry| matches!(entry.body, BodyState::Checked(_))).count();
    prop_assert_eq!(tree.body_bytes, bodies * 1024, "empty bodies are counted by what they take at least");
    prop_assert!(model.invalid.iter().all(|id| tree.is_invalid(id)));
    Ok(())
}

/// Has both take the same steps.
fn run(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let (mut tree, mut model) = (HeaderTree::new(crate::store::BLOCK_BYTES), Model::default());
    for op in ops {
        step(&mut tree, &mut model, op)?;
        assert_same(&tree, &model)?;
    }
    Ok(())
}

/// So many cases, the same on every run.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(0xca12), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn the_header_tree_is_the_model(ops in prop::collection::vec(any_op(), 1..80)) {
        run(ops)?;
    }
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn the_header_tree_is_the_model_under_floods(ops in prop::collection::vec(any_op_or_flood(), 1..24)) {
        run(ops)?;
    }
}
