//! A chain of real, unmined and invented blocks, and proofs of it.

use cairn_ledger::block::{HEADER_VERSION, Header};
use cairn_ledger::codec::{self, BoundedVec};
use cairn_ledger::hash::{BlockId, Hash, Tag};
use cairn_ledger::light::{KEPT_SAMPLES, LightProof, SAMPLES, TAIL};
use cairn_ledger::mmr::{Mmr, MmrNode, MmrPosition};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::testing::{HeaderChain, key, seal};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::{chain_spec::ChainSpec, keys::Address, merkle::txs_root, validate::target_after};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An adversary's chain: the first blocks of an honest one, and then whatever it likes.
#[derive(Clone)]
pub struct Forger {
    honest: Arc<HeaderChain>,
    /// Blocks it shares with the honest chain.
    fork: u64,
    /// Every node of its own.
    nodes: BTreeMap<MmrPosition, MmrNode>,
    /// Every header of its own.
    headers: BTreeMap<u64, Header>,
    /// The peaks over all its blocks, merged without conditions.
    peaks: Vec<(MmrPosition, MmrNode)>,
    count: u64,
    /// The last block's id.
    last: BlockId,
    /// The peaks and the id before the last block, to mine another in its place.
    below: (Vec<(MmrPosition, MmrNode)>, BlockId),
    /// Who receives the rewards.
    beneficiary: Address,
    /// What it really mined.
    spent: Work,
    /// Whether it only reckons what it would mine.
    dry: bool,
    /// Where in its work nothing was mined: from, to.
    invented: Vec<(Work, Work)>,
}

/// What of a proof the adversary leaves out or puts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Nothing: the proof that an honest node would make.
    None,
    /// Samples that cannot be shown are answered with the last block before them that can.
    Nearest,
    /// Of the two blocks before a sample, only those are opened that were mined.
    Alone,
    /// Headers that were never mined are shown, too.
    Unmined,
}

/// The first sample that cannot be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sample at {offset} falls on blocks that do not exist")]
pub struct Caught {
    /// The work left of it.
    pub offset: Work,
}

impl Forger {
    /// Forks off an honest chain after its first `fork` blocks.
    pub fn new(honest: &Arc<HeaderChain>, fork: u64) -> Self {
        let peaks = Mmr::peak_positions(fork).into_iter().map(|position| (position, honest.node(position)));
        let last = honest.headers[fork as usize - 1].id();
        Self {
            fork,
            nodes: BTreeMap::new(),
            headers: BTreeMap::new(),
            peaks: peaks.collect(),
            count: fork,
            last,
            below: (Vec::new(), last),
            beneficiary: key(666).address(),
            spent: Work::ZERO,
            dry: false,
            invented: Vec::new(),
            honest: Arc::clone(honest),
        }
    }

    /// The same without mining anything: it pays, and shows what the chain would claim, but proves nothing.
    pub fn dry(honest: &Arc<HeaderChain>, fork: u64) -> Self {
        Self { dry: true, ..Self::new(honest, fork) }
    }

    /// Where in its work nothing was mined: from, to.
    pub fn invented(&self) -> &[(Work, Work)] {
        &self.invented
    }

    /// The network.
    pub fn spec(&self) -> &ChainSpec {
        &self.honest.spec
    }

    /// Blocks so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What it really mined.
    pub fn spent(&self) -> Work {
        self.spent
    }

    /// The work that the chain claims.
    pub fn claimed(&self) -> Work {
        self.peaks.iter().fold(Work::ZERO, |sum, (_, peak)| add(sum, peak.work))
    }

    /// The time of the last block.
    pub fn time(&self) -> Timestamp {
        self.peaks.last().map(|(_, peak)| peak.last_time).expect("block 0 at least")
    }

    /// The present: the honest chain's last block was just found.
    pub fn now(&self) -> Timestamp {
        self.honest.tip.header().time
    }

    /// The work of all blocks before the tail.
    pub fn work_before_the_tail(&self) -> Work {
        self.before().unwrap_or_default().iter().fold(Work::ZERO, |sum, (_, peak)| add(sum, peak.work))
    }

    /// The target that the next block must have.
    pub fn target(&self) -> CompactTarget {
        self.peaks.last().map(|(_, peak)| peak.next_target).expect("block 0 at least")
    }

    /// The tip's id.
    pub fn tip(&self) -> BlockId {
        self.last
    }

    /// The last block's header, where there is one.
    pub fn header(&self, height: u64) -> Option<&Header> {
        if height < self.fork { self.honest.headers.get(height as usize) } else { self.headers.get(&height) }
    }

    /// The next block `gap` ms after the last, unmined, right in everything.
    pub fn template(&self, gap: u64) -> Header {
        Header {
            version: HEADER_VERSION,
            height: Height::new(self.count),
            parent: self.last,
            time: self.time().saturating_add(gap),
            target: self.target(),
            beneficiary: self.beneficiary,
            txs_root: txs_root(&[]),
            state_root: self.spec().genesis().state_root,
            history_root: if self.dry { Hash::ZERO } else { commitment(&self.peaks, self.count) },
            nonce: 0,
        }
    }

    /// Mines a block and pays for it.
    pub fn mine(&mut self, gap: u64) {
        let header = self.template(gap);
        self.mine_header(header);
    }

    /// Mines this header, whatever is in it.
    pub fn mine_header(&mut self, header: Header) {
        self.spent = add(self.spent, work(&header));
        let header = if self.dry { header } else { seal(header) };
        self.append(header);
    }

    /// Mines `count` blocks.
    pub fn grow(&mut self, count: u64, gap: u64) {
        (0..count).for_each(|_| self.mine(gap));
    }

    /// Leaves its tip and mines another block in its place, which it pays for as well; the tip must be a block that was
    /// appended, not an invented tree. `commits` to these transactions.
    pub fn mine_another_tip(&mut self, gap: u64, commits: Hash) {
        (self.peaks, self.last) = self.below.clone();
        self.count -= 1;
        let header = Header { txs_root: commits, ..self.template(gap) };
        self.mine_header(header);
    }

    /// Appends a header as it is: unmined, or another chain's. It does not meet its target by chance.
    pub fn append(&mut self, header: Header) {
        let times = [self.time(), header.time];
        let next_target = target_after(self.spec(), Height::new(self.count), header.target, times);
        self.append_saying(header, next_target);
    }

    /// The same, and its leaf says of the next target what it likes.
    pub fn append_saying(&mut self, header: Header, next_target: CompactTarget) {
        let id = header.id();
        let leaf = MmrNode::leaf(&header, &id, work(&header), next_target);
        self.below = (self.peaks.clone(), self.last);
        self.headers.insert(self.count, header);
        self.last = id;
        self.push(0, leaf);
    }

    /// The next block, never mined; its id does not meet the target even by chance.
    pub fn unmined(&mut self, gap: u64) {
        let mut header = self.template(gap);
        let target = header.target.decode().expect("a target");
        while target.is_met_by(&header.id()) {
            header.nonce += 1;
        }
        let before = self.claimed();
        self.invented.push((before, add(before, work(&header))));
        self.append(header);
    }

    /// Appends a tree over the next 2^level blocks that do not exist.
    pub fn invent(&mut self, level: u32, tree: MmrNode) {
        let before = self.claimed();
        self.invented.push((before, add(before, tree.work)));
        self.last = BlockId::from_bytes(*tree.hash.as_bytes());
        self.push(level, tree);
    }

    /// Appends the honest chain's own blocks up to `to`, which stand at these heights there.
    pub fn graft(&mut self, to: u64) {
        for height in self.count..to {
            let header = self.honest.headers[height as usize].clone();
            self.append(header);
        }
    }

    fn push(&mut self, level: u32, tree: MmrNode) {
        let mut position = MmrPosition { level, index: self.count >> level };
        let mut node = tree;
        self.nodes.insert(position, node);
        self.count += 1 << level;
        while let Some((left, sibling)) =
            self.peaks.pop_if(|(left, _)| left.level == position.level && left.index ^ 1 == position.index)
        {
            node = merge(&sibling, &node);
            position = MmrPosition { level: left.level + 1, index: left.index >> 1 };
            self.nodes.insert(position, node);
        }
        self.peaks.push((position, node));
    }

    fn node(&self, position: MmrPosition) -> Option<MmrNode> {
        if position.completed_by().get() < self.fork {
            return Some(self.honest.node(position));
        }
        self.nodes.get(&position).copied()
    }

    /// The peaks over the blocks before the tail; nothing where an invented tree reaches into it.
    fn before(&self) -> Option<Vec<(MmrPosition, MmrNode)>> {
        let start = (self.count - 1).saturating_sub(TAIL);
        Mmr::peak_positions(start).into_iter().map(|position| Some((position, self.node(position)?))).collect()
    }

    /// The offsets that a seed draws.
    fn offsets(&self, seed: &Hash, per_octave: u64) -> Vec<Work> {
        let before = self.before().unwrap_or_default().iter().fold(Work::ZERO, |sum, (_, peak)| add(sum, peak.work));
        let (total, mut offsets) = (self.claimed(), Vec::new());
        for octave in 1_u32..=64 {
            let Some((low, length)) = octave_of(octave, before, total) else { break };
            for sample in 0..per_octave {
                let drawn =
                    Tag::OFFSET.hash(&[seed.as_bytes(), &u64::from(octave).to_le_bytes(), &sample.to_le_bytes()]);
                let within = Work::from_be_bytes(drawn.as_bytes()).checked_rem(length).expect("a length");
                offsets.push(add(low, within));
            }
        }
        offsets
    }

    /// The block at an offset, or where the tree begins in which it does not exist.
    fn block_at(&self, peaks: &[(MmrPosition, MmrNode)], offset: Work) -> Result<u64, u64> {
        let mut offset = offset;
        for (position, peak) in peaks {
            match offset.checked_sub(peak.work) {
                Some(beyond) => offset = beyond,
                None => return self.fall(*position, offset),
            }
        }
        Err(self.count)
    }

    fn fall(&self, from: MmrPosition, offset: Work) -> Result<u64, u64> {
        let (mut at, mut offset) = (from, offset);
        while at.level > 0 {
            let left = MmrPosition { level: at.level - 1, index: at.index << 1 };
            let node = self.node(left).ok_or(at.index << at.level)?;
            at = match offset.checked_sub(node.work) {
                Some(beyond) => {
                    offset = beyond;
                    MmrPosition { index: left.index | 1, ..left }
                }
                None => left,
            };
        }
        self.header(at.index).filter(|header| is_mined(header)).map(|_| at.index).ok_or(at.index)
    }

    /// How many of the samples of these random bytes cannot be shown.
    pub fn missed(&self, random: &Hash) -> usize {
        let peaks = self.before().unwrap_or_default();
        let offsets = self.offsets(&self.seed(random), self.per_octave(random));
        offsets.iter().filter(|offset| self.block_at(&peaks, **offset).is_err()).count()
    }

    /// The proof of the tip for these random bytes.
    ///
    /// # Errors
    /// A sample that cannot be shown.
    pub fn prove(&self, random: &Hash, trick: Trick) -> Result<LightProof, Caught> {
        self.prove_for(&self.seed(random), self.per_octave(random), trick)
    }

    /// What the samples follow from.
    fn seed(&self, random: &Hash) -> Hash {
        Tag::SAMPLE.hash(&[self.last.as_bytes(), random.as_bytes()])
    }

    fn per_octave(&self, random: &Hash) -> u64 {
        if *random == Hash::ZERO { KEPT_SAMPLES } else { SAMPLES }
    }

    /// The same for a seed of any other kind.
    ///
    /// # Errors
    /// A sample that cannot be shown.
    pub fn prove_for(&self, seed: &Hash, per_octave: u64, trick: Trick) -> Result<LightProof, Caught> {
        let start = (self.count - 1).saturating_sub(TAIL);
        let peaks = self.before().ok_or(Caught { offset: Work::ZERO })?;
        let mut drawn = BTreeSet::new();
        for offset in self.offsets(seed, per_octave) {
            match self.block_at(&peaks, offset) {
                Ok(block) => drawn.insert(block),
                Err(missing) if trick == Trick::Nearest => {
                    let known = (1..missing).rev().find(|height| self.header(*height).is_some());
                    drawn.insert(known.ok_or(Caught { offset })?)
                }
                Err(unmined) if trick == Trick::Unmined && self.header(unmined).is_some() => drawn.insert(unmined),
                Err(_) => return Err(Caught { offset }),
            };
        }
        let three = drawn.iter().flat_map(|height| height.saturating_sub(2)..=*height);
        let needed: BTreeSet<u64> = three.chain(start.saturating_sub(2)..start).filter(|height| *height > 0).collect();
        let mined = |height: &u64| self.header(*height).is_some_and(is_mined);
        let opened: BTreeSet<u64> = match trick {
            Trick::Alone => needed.into_iter().filter(mined).collect(),
            Trick::None | Trick::Nearest | Trick::Unmined => needed,
        };
        self.assemble(start, &opened).ok_or(Caught { offset: Work::ZERO })
    }

    /// A proof that opens these blocks; nothing where one of them, or a tree between them, does not exist.
    pub fn assemble(&self, start: u64, opened: &BTreeSet<u64>) -> Option<LightProof> {
        let header = |height: u64| self.header(height).cloned();
        let tail: Option<Vec<Header>> = (start..self.count).map(header).collect();
        let headers: Option<Vec<Header>> = opened.iter().map(|height| header(*height)).collect();
        let mut nodes = Vec::new();
        let mut from = 1;
        for to in opened.iter().copied().chain([start]) {
            while from < to {
                let level = (to - from).ilog2().min(from.trailing_zeros());
                nodes.push(self.node(MmrPosition { level, index: from >> level })?);
                from += 1 << level;
            }
            from = to + 1;
        }
        Some(LightProof {
            tail: BoundedVec::new(tail?).ok()?,
            opened: BoundedVec::new(headers?).ok()?,
            nodes: BoundedVec::new(nodes).ok()?,
        })
    }

    /// The place of the block at `height` in the tip's history: its siblings from the leaf upward, as a proof encodes
    /// them.
    pub fn siblings(&self, height: u64) -> Option<Vec<u8>> {
        let count = self.count - 1;
        let positions = cairn_ledger::mmr::MmrProof::positions(Height::new(height), count)?;
        let bagged = |trees: &Vec<MmrPosition>| {
            let nodes: Option<Vec<MmrNode>> = trees.iter().map(|position| self.node(*position)).collect();
            nodes?.into_iter().rev().reduce(|right, left| merge(&left, &right))
        };
        let siblings: Option<Vec<MmrNode>> = positions.iter().map(bagged).collect();
        let mut bytes = (siblings.as_ref()?.len() as u64).to_le_bytes().to_vec();
        siblings?.iter().for_each(|node| bytes.extend(codec::encode(node)));
        Some(bytes)
    }
}

/// A header's own work; none for block 0.
pub fn work(header: &Header) -> Work {
    let target = header.target.decode().ok().filter(|_| header.height > Height::GENESIS);
    target.map_or(Work::ZERO, |target| target.work())
}

fn is_mined(header: &Header) -> bool {
    header.target.decode().is_ok_and(|target| target.is_met_by(&header.id()))
}

fn add(left: Work, right: Work) -> Work {
    left.checked_add(right).expect("works of a test")
}

/// Merges nodes whatever they say.
fn merge(left: &MmrNode, right: &MmrNode) -> MmrNode {
    MmrNode {
        hash: Tag::MMR.hash(&[&codec::encode(left), &codec::encode(right)]),
        work: add(left.work, right.work),
        last_time: right.last_time,
        first_target: left.first_target,
        next_target: right.next_target,
    }
}

/// What a header commits to over these peaks.
fn commitment(peaks: &[(MmrPosition, MmrNode)], count: u64) -> Hash {
    let root = peaks.iter().rev().map(|(_, peak)| *peak).reduce(|right, left| merge(&left, &right));
    root.map_or(Hash::ZERO, |root| Tag::HISTORY.hash(&[&count.to_le_bytes(), &codec::encode(&root)]))
}

/// Where an octave begins and how long it is.
fn octave_of(octave: u32, before: Work, total: Work) -> Option<(Work, Work)> {
    let from_tip = |bits: u32| total.checked_sub(total.shifted_right(bits)).expect("a part");
    let (low, high) = (from_tip(octave - 1), from_tip(octave).min(before));
    high.checked_sub(low).filter(|length| *length > Work::ZERO).map(|length| (low, length))
}

/// A target 2^octaves times as great, in normal form.
pub fn scaled(target: CompactTarget, octaves: f64) -> CompactTarget {
    let (size, mantissa) = (f64::from(target.bits() >> 24), f64::from(target.bits() & 0x00ff_ffff));
    let log2 = mantissa.log2() + 8.0 * (size - 3.0) + octaves;
    // Mantissas have sixteen to twenty-three bits: below, the size is one less; above, their sign would be set.
    let size = ((log2 - 15.0) / 8.0).floor() as u32 + 3;
    let mantissa = (log2 - 8.0 * (f64::from(size) - 3.0)).exp2() as u32;
    CompactTarget::from_bits(size << 24 | mantissa.clamp(0x0000_8000, 0x007f_ffff))
}
